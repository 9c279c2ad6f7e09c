"""An HTTP answer: status, header fields, body, written to the connection in one piece, at the end of the loop's tick.

aiohttp's own responses cost about as much as reading a key: a case-insensitive dictionary, cookies, compression, two
writes. This one is a dictionary and a body; it does what HTTP/1.1 asks of it (Date, Content-Length, Connection, no body
for HEAD, 204 and 304) and nothing else. Field values are checked here once more, so that nothing that was stored can
break out of its line.
"""

from __future__ import annotations

import asyncio
import http
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol, cast

import msgspec
from aiohttp import web

JSON_TYPE = "application/json"
SLOW_READER_BYTES_PER_S = 65536
"""A client that takes its answer slower than this, after a grace time, is cut off: it would hold memory."""
SLOW_READER_GRACE_S = 10.0

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in http.HTTPStatus}
_COPY_BYTES_MAX = 32768


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Seconds since 1970 in the form of header fields."""
    return formatdate(seconds, usegmt=True)


def head_block(lines: list[str]) -> bytes:
    """The lines, each ended, and the empty line after them. Raises ValueError if one would break out of its line."""
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1 or "\r" in text or "\0" in text:
        raise ValueError("a header field holds a control character")
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n\r\n"


class Outbox:
    """Answers on their way, written together when the tick of the loop ends: one listener's.

    Written one by one, each wakes up a client that waits on the same machine, who answers it at once and falls asleep
    again; all that waking cost a quarter of a read. Together, the first wakes it, and it finds the others there.
    """

    __slots__ = ("_due", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write at the end of the tick: before anything that is begun later on the same connection."""
        if not self._due:
            self._loop.call_soon(self.flush)
        self._due.append((transport, data))

    def flush(self) -> None:
        """Write what is due now."""
        due, self._due = self._due, []
        for transport, data in due:
            if not transport.is_closing():
                transport.write(data)


class Sender(Protocol):
    """A connection of a listener."""

    @property
    def outbox(self) -> Outbox: ...


class Answer(web.StreamResponse):
    """One answer. `fields` must not hold Date, Content-Length or Connection: those are added when it is written."""

    def __init__(self, status: int, fields: dict[str, str], body: bytes = b"", *, close: bool = False) -> None:
        super().__init__(status=status)
        self.fields = fields
        self.payload = body
        self.close = close
        """End the connection after this answer."""

    @property
    def keep_alive(self) -> bool:
        return not self.close

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write everything. Called by aiohttp, once."""
        # A body that nobody read would be taken for the next request's beginning, or waited for.
        self.close = self.close or not request.keep_alive or not request.content.is_eof()
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        head = self._head(request)
        body = b"" if request.method == "HEAD" or self.status in (204, 304) else self.payload
        outbox = cast("Sender", request.protocol).outbox
        if len(body) < _COPY_BYTES_MAX and not self.close and not request.protocol.writing_paused:
            outbox.put(transport, head + body)
            return
        # aiohttp may close the connection next; or the answer has to wait for its reader.
        outbox.flush()
        transport.write(head)
        transport.write(body)
        if request.protocol.writing_paused:
            await self._drain(request, len(body))

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do: `prepare` wrote all."""

    def _head(self, request: web.BaseRequest) -> bytes:
        lines = [_STATUS_LINES[self.status]]
        lines.extend([f"{name}: {value}" for name, value in self.fields.items()])
        lines.append(f"Date: {http_date(int(time.time()))}")
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.payload)}")
        if self.close:
            lines.append("Connection: close")
        elif request.version.minor == 0:
            lines.append("Connection: keep-alive")
        return head_block(lines)

    async def _drain(self, request: web.BaseRequest, size_bytes: int) -> None:
        try:
            async with asyncio.timeout(SLOW_READER_GRACE_S + size_bytes / SLOW_READER_BYTES_PER_S):
                await request.writer.drain()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the client does not read its answer") from None


def json_answer(status: int, content: object, fields: dict[str, str]) -> Answer:
    """An answer whose body is `content` (anything msgspec encodes) in JSON."""
    return Answer(status, {"Content-Type": JSON_TYPE, **fields}, msgspec.json.encode(content))
