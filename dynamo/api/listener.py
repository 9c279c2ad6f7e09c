"""Sockets of the API: limits that hold before a request is one, and a stop that lets running requests end.

aiohttp parses (`connection.py` sets its limits: line and field sizes, time for headers, no decompression); what cannot
be parsed is answered in the same form as every other error, without a traceback in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
from aiohttp import http_parser, web

from dynamo.api import trial
from dynamo.api.answer import Answer, Outbox
from dynamo.api.connection import Connection
from dynamo.api.cooling import Cooling
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.gate import Gate
from dynamo.api.hot_path import HotHandler
from dynamo.config import LimitsSection
from dynamo.telemetry.exposition import Cell
from dynamo.telemetry.logs import Log

journal = Log("api")

Served = Callable[[web.BaseRequest], Awaitable[Answer]]
"""What a listener calls with each request."""


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


async def serve_listener(
    handler: Served,
    host: str,
    port: int,
    limits: LimitsSection,
    shed: Cell,
    early: EarlyRefusal | None = None,
    hot: HotHandler | None = None,
) -> Listener:
    """Listen and answer with `handler`. Port 0 takes a free one; `shed` counts connections above the limit.

    `early` refuses requests before they are parsed while their node is full; with it `hot` takes those of the hot path.

    Raises OSError if the port cannot be bound.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        journal.warning("aiohttp's compiled parser is missing; the one in Python is slow and less strict")
    if early is not None and (fault := await trial.fault()):
        journal.warning("plain requests go the ordinary way", aiohttp=aiohttp.__version__, problem=fault)
        early = hot = None
    web_server = web.Server(cast("Any", handler))  # its answers have all that aiohttp calls
    gate = Gate(limits.connections_max, shed)
    loop = asyncio.get_running_loop()
    outbox, cooling = Outbox(loop), Cooling(loop)
    server = await loop.create_server(
        lambda: Connection(web_server, gate, limits, outbox, cooling, early, hot),
        host,
        port,
        backlog=1024,
        reuse_address=True,
    )
    return Listener(server, web_server, gate)
