"""Sockets of the API: limits that hold before a request is one, and a stop that lets running requests end.

aiohttp parses; this file sets its limits (line and field sizes, time for headers, no decompression), caps the number of
connections, and answers what cannot be parsed in the same form as every other error, without a traceback in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import http_exceptions, http_parser, web

from dynamo.api.answer import Outbox
from dynamo.api.cooling import Cooling
from dynamo.api.early_refusal import EarlyRefusal, request_bytes
from dynamo.api.problems import body, problem
from dynamo.config import LimitsSection
from dynamo.errors import BadRequest, DynamoError, HeadersTooLarge, Internal, Overloaded
from dynamo.protocol.http_fields import PROBLEM_JSON, REQUEST_ID
from dynamo.telemetry.exposition import Cell
from dynamo.telemetry.logs import Log, Repeated
from dynamo.telemetry.trace import mint

journal = Log("api")

LINE_BYTES_MAX = 8190
"""Request line, or one header field."""
HEADERS_MAX = 128
_LOST = -1
LINGERING_S = 1.0
"""How long the rest of a refused body is read, so that the client sees the answer before the connection ends."""


class Gate:
    """How many connections a listener has, and what clients do wrong on them."""

    def __init__(self, connections_max: int, shed: Cell) -> None:
        self._connections_max = connections_max
        self._shed = shed
        self._malformed = Repeated()
        self.connections = 0
        self.closed = False
        """Nobody is let in any more: a connection may be accepted just before the end, and be told only after it."""

    def enter(self) -> bool:
        """Whether another connection is let in; if so, `leave` follows."""
        if self.connections >= self._connections_max:
            self._shed.value += 1
            return False
        self.connections += 1
        return True

    def leave(self) -> None:
        self.connections -= 1

    def malformed(self, error: BaseException | None) -> None:
        """Note a request that could not be parsed: one line in a while, without its bytes."""
        if count := self._malformed.due():
            journal.warning("malformed requests", count=count, last=type(error).__name__)


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ("_arrived", "_cooling", "_early", "_gate", "_idle_s", "_inside", "_is_arriving", "_missing", "outbox")

    def __init__(
        self,
        server: web.Server,
        gate: Gate,
        limits: LimitsSection,
        outbox: Outbox,
        early: EarlyRefusal | None,
        cooling: Cooling,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.header_timeout_s,
            lingering_time=LINGERING_S,
            access_log=None,  # type: ignore[arg-type]  # documented; the annotation forgets it
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
        )
        self._gate = gate
        self._inside = False
        self._early = early
        self._cooling = cooling
        self._idle_s = limits.header_timeout_s
        self._missing = 0
        """Bytes until the parser stands between two requests; _LOST: that is not known any more."""
        self._is_arriving = False
        self._arrived = 0.0
        self.outbox = outbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._gate.closed:
            transport.close()
            return
        self._inside = self._gate.enter()
        if self._inside:
            super().connection_made(transport)
        else:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(_refusal())
            transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._inside:
            self._gate.leave()
        self.begin()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._inside:
            return
        early = self._early
        if early is not None and self._missing != _LOST:
            if self._missing:
                self._missing -= len(data)
            else:
                self._missing = request_bytes(data) - len(data)
                if self._missing == 0 and self._is_between():
                    if early.admission.is_full and self._refused(early, data):
                        return
                    self._arrive(early)
            if self._missing < 0:
                self._missing = _LOST
        super().data_received(data)

    def begin(self) -> float:
        """The request that came last is being started. When it had come (monotonic seconds); 0 if that is not known."""
        if not self._is_arriving:
            return 0.0
        assert self._early is not None, "counted by the same object"
        self._is_arriving = False
        self._early.admission.arriving -= 1
        return self._arrived

    def _arrive(self, early: EarlyRefusal) -> None:
        if not self._is_arriving:
            self._is_arriving = True
            early.admission.arriving += 1
            self._arrived = time.monotonic()

    def _is_between(self) -> bool:
        """Whether no request of this connection is under way, or waits, or may not be followed by another."""
        return not (self._messages or self._request_in_progress or self._upgraded or self._close or self._force_close)

    def _refused(self, early: EarlyRefusal, data: bytes) -> bool:
        """Answer a whole request at once, if aiohttp waits for one and the client takes its answers."""
        waiter = self._waiter
        if waiter is None or waiter.done() or self.writing_paused or self.transport is None:
            return False
        answer = early.answer(data)
        if answer is None:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._idle_s
        self.outbox.put(self.transport, answer)
        self._cooling.refused(self.transport)
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The place for what never reached a handler, or failed after one."""
        trace = mint()
        error: DynamoError
        if isinstance(exc, http_exceptions.LineTooLong):
            error = HeadersTooLarge(
                f"a line of the request is longer than {LINE_BYTES_MAX} bytes", limit=LINE_BYTES_MAX
            )
        elif status < 500:
            error = BadRequest("the request is not valid HTTP/1.1")
        else:
            error = Internal("this is a bug; the node's log has more under this id")
        if status < 500:
            self._gate.malformed(exc)
        else:
            journal.bug("answer failed", exc or RuntimeError(message), request_id=trace)
        answer = problem(error, trace, request.method)
        answer.close = True
        return answer


class Listener:
    """A listening socket. `port` is the one that was bound."""

    def __init__(self, server: asyncio.Server, web_server: web.Server, gate: Gate) -> None:
        self._server = server
        self._gate = gate
        self._web_server = web_server
        self.host, self.port = server.sockets[0].getsockname()[:2]

    async def stop(self, timeout_s: float) -> None:
        """Take no more connections, end idle ones, give running requests that long, then cut."""
        self._gate.closed = True
        self._server.close()
        self._web_server.pre_shutdown()
        await self._web_server.shutdown(timeout_s)
        await self._server.wait_closed()


def _refusal() -> bytes:
    """The answer to a connection that is not let in: written before any request was read."""
    trace = mint()
    text = msgspec.json.encode(body(Overloaded("this node has as many connections as it allows"), trace, "PUT"))
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {PROBLEM_JSON}\r\n{REQUEST_ID}: {trace}\r\n"
        f"Retry-After: 1\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode("ascii") + text


async def serve_listener(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    host: str,
    port: int,
    limits: LimitsSection,
    shed: Cell,
    early: EarlyRefusal | None = None,
) -> Listener:
    """Listen and answer with `handler`. Port 0 takes a free one; `shed` counts connections above the limit.

    `early` refuses requests before they are parsed while their node is full.

    Raises OSError if the port cannot be bound.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        journal.warning("aiohttp's compiled parser is missing; the one in Python is slow and less strict")
    web_server = web.Server(handler)
    gate = Gate(limits.connections_max, shed)
    loop = asyncio.get_running_loop()
    outbox, cooling = Outbox(loop), Cooling(loop)
    server = await loop.create_server(
        lambda: Connection(web_server, gate, limits, outbox, early, cooling),
        host,
        port,
        backlog=1024,
        reuse_address=True,
    )
    return Listener(server, web_server, gate)
