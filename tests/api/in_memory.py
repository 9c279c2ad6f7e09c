"""Connections without sockets: bytes go in, bytes come out, on the hot path or on aiohttp's.

Two nodes in memory that get the same requests at the same standing time give the same bytes, but for the Date. So the
two paths can be compared as they are, and thousands of times in a second.
"""

import asyncio
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import msgspec
from aiohttp import web

from dynamo.api import records
from dynamo.api.answer import Outbox
from dynamo.api.app import client_app
from dynamo.api.connection import Connection
from dynamo.api.cooling import Cooling
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.gate import Gate
from dynamo.telemetry import trace
from dynamo.telemetry.exposition import Cell
from tests.api import fake_node
from tests.api.fake_node import FakeNode
from tests.api.serving import LIMITS, fake_config

NOW_MS = 1_800_000_000_000
PATIENT = msgspec.structs.replace(LIMITS, header_timeout_s=60.0)
"""A machine that stands still for a second must not end the connection that was made first."""
TURNS = 12
"""Of the loop, after which everything that can happen has."""
DATE = re.compile(rb"Date: [^\r]*\r\n")
BOUNDARY = re.compile(rb"dynamo-[0-9a-f]{24}")


class Transport(asyncio.Transport):
    """Keeps what is written, until told to take no more."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.reading = True

    def write(self, data) -> None:
        assert not self.closing, "nothing is written after the end"
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        assert self.reading, "paused once"
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Line:
    """One connection to a node in memory. `taken` counts requests on the hot path."""

    def __init__(self, *, hot: bool, node: FakeNode | None = None) -> None:
        self.node = node or FakeNode(fake_config(PATIENT))
        self.taken = 0
        self._app = client_app(self.node)
        loop = asyncio.get_running_loop()
        self.server = web.Server(self._app)
        self.transport = Transport()
        self.connection = Connection(
            self.server,
            Gate(10, Cell()),
            self.node.config.limits,
            Outbox(loop),
            Cooling(loop),
            EarlyRefusal(self.node.admission, self.node.metrics.shed_requests["overloaded"]),
            self._hot if hot else None,
        )
        self.connection.connection_made(self.transport)

    async def send(self, *pieces: bytes) -> bytes:
        """Each piece as it would be read from a socket, and some turns of the loop after it. What was written since."""
        before = len(self.transport.written)
        for piece in pieces:
            if self.transport.closing:
                break
            self.connection.data_received(piece)
            await turns()
        return comparable(self.transport.written[before:])

    async def lose(self) -> None:
        """The connection is gone."""
        self.transport.closing = True
        self.connection.connection_lost(None)
        await turns()

    def _hot(self, request, arrived: float):
        carrying = self._app.hot(request, arrived)
        self.taken += carrying is not None
        return carrying


def comparable(answers: bytes) -> bytes:
    """Without what differs by itself."""
    return BOUNDARY.sub(b"<boundary>", DATE.sub(b"", answers))


async def turns(count: int = TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def standing_time() -> Iterator[None]:
    """Clocks stand still, and every request that is named here has the same name."""
    with (
        mock.patch.object(fake_node, "now_ms", return_value=NOW_MS),
        mock.patch.object(records, "now_ms", return_value=NOW_MS),
        mock.patch.object(trace, "_numbers", itertools.repeat(7)),
    ):
        yield


async def both(*conversation: bytes) -> tuple[bytes, bytes, int]:
    """What the two paths answer to the same pieces, each on a connection of its own; how many took the hot one."""
    with standing_time():
        hot, ordinary = Line(hot=True), Line(hot=False)
        await turns()
        answers = await hot.send(*conversation), await ordinary.send(*conversation)
        ends = hot.transport.closing, ordinary.transport.closing
        assert ends[0] == ends[1], f"one of them ended the connection: {ends}"
        await hot.lose()
        await ordinary.lose()
        assert hot.node.admission.inflight == ordinary.node.admission.inflight == 0
        assert hot.node.admission.arriving == ordinary.node.admission.arriving == 0
        assert len(hot.node.commands) == len(ordinary.node.commands)
    return *answers, hot.taken
