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
from aiohttp.http import StreamWriter

from dynamo.api.request import Request

JSON_TYPE = "application/json"
SLOW_READER_BYTES_PER_S = 65536
"""A client that takes its answer slower than this, after a grace time, is cut off: it would hold memory."""
SLOW_READER_GRACE_S = 10.0

COPY_BYTES_MAX = 32768
"""A larger body is not copied behind its head."""
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
_BODILESS = (204, 304)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Seconds since 1970 in the form of header fields."""
    return formatdate(seconds, usegmt=True)


@lru_cache(maxsize=2)
def date_line(seconds: int) -> bytes:
    """The Date of an answer given then."""
    return f"Date: {http_date(seconds)}\r\n".encode()


def lines_of(fields: dict[str, str]) -> bytes:
    """The fields as lines, each ended. Raises ValueError if one would break out of its line."""
    text = "".join([f"{name}: {value}\n" for name, value in fields.items()])
    if text.count("\n") != len(fields) or "\r" in text or "\0" in text:
        raise ValueError("a header field holds a control character")
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


class Outbox:
    """Answers on their way, written together when the tick of the loop ends: one listener's.

    Written one by one, each wakes up a client that waits on the same machine, who answers it at once and falls asleep
    again; all that waking cost a quarter of a read. Together, the first wakes it, and it finds the others there.
    """

    __slots__ = ("_due", "_is_scheduled", "_loop", "_turn")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._is_scheduled = False
        self._turn = 0.0

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write at the end of the tick: before anything that is begun later on the same connection."""
        if not self._is_scheduled:
            self._schedule()
        self._due.append((transport, data))

    def turn(self) -> float:
        """When the first request of this tick was read (monotonic seconds): all of them lay in their sockets then."""
        if not self._turn:
            self._turn = time.monotonic()
            if not self._is_scheduled:
                self._schedule()
        return self._turn

    def flush(self) -> None:
        """Write what is due now."""
        due, self._due = self._due, []
        for transport, data in due:
            if not transport.is_closing():
                transport.write(data)

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._is_scheduled = False
        self._turn = 0.0
        self.flush()


class Sender(Protocol):
    """A connection of a listener."""

    @property
    def outbox(self) -> Outbox: ...


class Answer:
    """One answer. `fields` must not hold Date, Content-Length or Connection: those are added when it is written.

    To aiohttp it is a response: it calls `prepare` and `write_eof`, and asks for `keep_alive`.
    """

    __slots__ = ("close", "fields", "fixed", "payload", "status")

    def __init__(
        self, status: int, fields: dict[str, str], body: bytes = b"", fixed: bytes = b"", *, close: bool = False
    ) -> None:
        self.status = status
        self.fields = fields
        self.payload = body
        self.close = close
        """End the connection after this answer."""
        self.fixed = fixed
        """More fields, after those: whole lines, as `lines_of` makes them."""

    @property
    def keep_alive(self) -> bool:
        return not self.close

    async def prepare(self, request: Request) -> None:
        """Write everything. Called by aiohttp, once."""
        # A body that nobody read would be taken for the next request's beginning, or waited for.
        self.close = self.close or not request.keep_alive or not request.content.is_eof()
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        head, body = self.head(minor=request.version.minor), self.body(request.method)
        outbox = cast("Sender", request.protocol).outbox
        if len(body) < COPY_BYTES_MAX and not self.close and not request.protocol.writing_paused:
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

    def body(self, method: str) -> bytes:
        """The body as it is sent in answer to that method."""
        return b"" if method == "HEAD" or self.status in _BODILESS else self.payload

    def whole(self, method: str) -> bytes:
        """All of it in one piece, for a connection that stays. Raises ValueError as `head`."""
        fields = lines_of(self.fields) if self.fields else b""
        line, date = _STATUS_LINES[self.status], date_line(int(time.time()))
        if self.status in _BODILESS:
            return b"%b%b%b%b\r\n" % (line, fields, self.fixed, date)
        payload = b"" if method == "HEAD" else self.payload
        return b"%b%b%b%bContent-Length: %d\r\n\r\n%b" % (
            line,
            fields,
            self.fixed,
            date,
            len(self.payload),
            payload,
        )

    def head(self, *, minor: int = 1) -> bytes:
        """Status line and fields for a client of HTTP/1.`minor`, and the empty line. Raises ValueError for a field that
        would break out of its line.
        """
        fields = lines_of(self.fields) if self.fields else b""
        end = b"\r\n"
        if self.close:
            end = b"Connection: close\r\n\r\n"
        elif minor == 0:
            end = b"Connection: keep-alive\r\n\r\n"
        if self.status not in _BODILESS:
            end = b"Content-Length: %d\r\n%b" % (len(self.payload), end)
        return b"%b%b%b%b%b" % (_STATUS_LINES[self.status], fields, self.fixed, date_line(int(time.time())), end)

    async def _drain(self, request: Request, size_bytes: int) -> None:
        try:
            async with asyncio.timeout(SLOW_READER_GRACE_S + size_bytes / SLOW_READER_BYTES_PER_S):
                await StreamWriter(request.protocol, asyncio.get_running_loop()).drain()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the client does not read its answer") from None


def json_answer(status: int, content: object, fields: dict[str, str]) -> Answer:
    """An answer whose body is `content` (anything msgspec encodes) in JSON."""
    return Answer(status, {"Content-Type": JSON_TYPE, **fields}, msgspec.json.encode(content))
