"""A server of asyncio streams that leaves no connection behind when its test has ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving_streams(serve: Serve, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[tuple[str, int]]:
    """The endpoint at which `serve` is called for each connection.

    At the end every connection is aborted and every call cancelled, whether it has begun or not: a call that is
    cancelled before its first step never comes to the line that would close its connection.
    """
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []

    def accepted() -> _Connection:
        connections.append(_Connection(serve, loop))
        return connections[-1]

    server = await loop.create_server(accepted, host, port, family=socket.AF_INET)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        for connection in connections:
            await connection.end()


class _Connection(asyncio.StreamReaderProtocol):
    """Of the server; it exists before it is made."""

    def __init__(self, serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(asyncio.StreamReader(loop=loop), self._call, loop=loop)
        self._serve = serve
        self._made, self._lost = asyncio.Event(), asyncio.Event()
        self._calling: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.set()

    def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._calling = asyncio.ensure_future(self._serve(reader, writer))

    async def end(self) -> None:
        """Abort it, and wait until it is gone."""
        await self._made.wait()
        assert self._calling is not None
        self._writer.transport.abort()
        await self._lost.wait()
        self._calling.cancel()
        await asyncio.gather(self._calling, return_exceptions=True)
