"""A trial at the start: whether aiohttp's insides are as `connection.py` takes them to be.

Another version of aiohttp may name or use them in another way. So before a listener is opened, one request is answered
in memory on both paths, twice over one connection each, and once with a request that has to wait and another that comes
meanwhile. If anything is not as expected, everything goes the ordinary way, which needs no insides.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from aiohttp import web

from dynamo.api.answer import Answer, Outbox
from dynamo.api.call import Pending
from dynamo.api.connection import INSIDE, Connection
from dynamo.api.cooling import Cooling
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.gate import Gate
from dynamo.api.hot_path import Carrying
from dynamo.api.plain import PlainRequest
from dynamo.config import LimitsSection
from dynamo.node.admission import Admission
from dynamo.telemetry.exposition import Cell

_REQUEST = b"GET /%d HTTP/1.1\r\nHost: trial\r\n\r\n"
_TURNS_MAX = 50
"""Of the loop, that an answer may take."""
_DATE = re.compile(rb"Date: [^\r]*\r\n")


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class _Trial:
    """One connection in memory, before a handler that answers with the path once it is let."""

    def __init__(self, *, hot: bool) -> None:
        self._pending: Pending[str] | None = None
        self.by_hand = 0
        loop = asyncio.get_running_loop()
        self.transport = _Transport()
        self.connection = Connection(
            web.Server(cast("Any", self._handle)),
            Gate(1, Cell()),
            LimitsSection(),
            Outbox(loop),
            Cooling(loop),
            EarlyRefusal(Admission(8), Cell()),
            self._hot if hot else None,
        )
        self.connection.connection_made(self.transport)

    def hold(self) -> None:
        """Answers wait until `release`."""
        self._pending = Pending()

    def release(self) -> None:
        held, self._pending = self._pending, None
        if held is not None:
            held.done("")

    async def send(self, data: bytes, answers: int) -> None:
        """What a client sends, until so many answers were written, or for long enough."""
        self.connection.data_received(data)
        await self.wait(answers)

    async def wait(self, answers: int) -> None:
        for _ in range(_TURNS_MAX):
            await asyncio.sleep(0)
            if self.transport.written.count(b"HTTP/1.1 200") >= answers:
                return

    async def _handle(self, request: Any) -> Answer:
        if self._pending is not None:
            await self._pending
        return Answer(200, {"Path": request.raw_path}, request.raw_path.encode())

    def _hot(self, request: PlainRequest, arrived: float) -> Carrying:
        self.by_hand += 1
        return self._handle(request)


async def fault() -> str:
    """What is not as expected; empty if all is."""
    missing = [name for name in INSIDE if not hasattr(web.RequestHandler, name)]
    if missing:
        return f"no {', '.join(missing)}"
    try:
        return await _compared()
    except Exception as problem:  # noqa: BLE001  # whatever aiohttp has become, it is not what we know
        return f"{type(problem).__name__}: {problem}"


async def _compared() -> str:
    ordinary, hot = _Trial(hot=False), _Trial(hot=True)
    try:
        for each in (ordinary, hot):
            await asyncio.sleep(0)
            await each.send(_REQUEST % 1, 1)
            each.hold()
            await each.send(_REQUEST % 2, 2)
            await each.send(_REQUEST % 3, 2)
            each.release()
            await each.wait(3)
        if _DATE.sub(b"", hot.transport.written) != _DATE.sub(b"", ordinary.transport.written):
            return "the two paths answer differently"
        if hot.by_hand != 3 or not hot.transport.reading or hot.transport.closed:
            return "a plain request does not take the hot path"
        return ""
    finally:
        for each in (ordinary, hot):
            each.connection.connection_lost(None)
