"""Sockets of the API: limits that hold before a request is one, and a stop that lets running requests end.

aiohttp parses; this file sets its limits (line and field sizes, time for headers, no decompression), caps the number of
connections, and answers what cannot be parsed in the same form as every other error, without a traceback in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import http_exceptions, http_parser, web

from dynamo.api.answer import Outbox
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
LINGERING_S = 1.0
"""How long the rest of a refused body is read, so that the client sees the answer before the connection ends."""


class Gate:
    """How many connections a listener has, and what clients do wrong on them."""

    def __init__(self, connections_max: int, shed: Cell) -> None:
        self._connections_max = connections_max
        self._shed = shed
        self._malformed = Repeated()
        self.connections = 0

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

    __slots__ = ("_gate", "_inside", "outbox")

    def __init__(self, server: web.Server, gate: Gate, limits: LimitsSection, outbox: Outbox) -> None:
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
        self.outbox = outbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
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
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inside:
            super().data_received(data)

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

    def __init__(self, server: asyncio.Server, web_server: web.Server) -> None:
        self._server = server
        self._web_server = web_server
        self.host, self.port = server.sockets[0].getsockname()[:2]

    async def stop(self, timeout_s: float) -> None:
        """Take no more connections, end idle ones, give running requests that long, then cut."""
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
) -> Listener:
    """Listen and answer with `handler`. Port 0 takes a free one; `shed` counts connections above the limit.

    Raises OSError if the port cannot be bound.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        journal.warning("aiohttp's compiled parser is missing; the one in Python is slow and less strict")
    web_server = web.Server(handler)
    gate = Gate(limits.connections_max, shed)
    loop = asyncio.get_running_loop()
    outbox = Outbox(loop)
    server = await loop.create_server(
        lambda: Connection(web_server, gate, limits, outbox), host, port, backlog=1024, reuse_address=True
    )
    return Listener(server, web_server)
