"""An event loop on which connections are function calls: no sockets, no kernel, and time that only moves on when asked.

Servers and clients find each other by port, as on loopback. What is written in one turn of the loop is read in the next
one, whole, and in the order of writing: so a program that runs on it does the same each time, instruction by
instruction, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from dynamo.simulation.world import VirtualLoop

Factory = Callable[[], asyncio.Protocol]


class _Socket:
    """As much of a socket as is asked for."""

    family = socket.AF_UNIX
    """So that nobody sets what TCP has."""

    def __init__(self, port: int) -> None:
        self._port = port

    def setsockopt(self, *_: int) -> None:
        """There is nothing to set."""

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, port: int) -> None:
        super().__init__({"socket": _Socket(port), "peername": ("127.0.0.1", port)})
        self._loop = loop
        self._protocol = protocol
        self._closing = False
        self.other: Wire | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.other is not None and not self._closing:
            self._loop.call_soon(self.other.take, bytes(data))

    def take(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)
            if self.other is not None:
                self._loop.call_soon(self.other.close)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits."""

    def pause_reading(self) -> None:
        raise AssertionError("nobody is to be slow here")

    def resume_reading(self) -> None:
        """See `pause_reading`."""


class _Server:
    """What listens at a port."""

    def __init__(self, ports: dict[int, Factory], port: int) -> None:
        self._ports = ports
        self._port = port
        self.sockets = [_Socket(port)]

    def close(self) -> None:
        self._ports.pop(self._port, None)

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


class WiredLoop(VirtualLoop):
    """Time jumps to the next timer; connections are pairs of `Wire`."""

    def __init__(self) -> None:
        super().__init__()
        self._ports: dict[int, Factory] = {}

    async def create_server(self, protocol_factory: Factory, host: Any = None, port: Any = None, **_: Any) -> Any:
        self._ports[port] = protocol_factory
        return _Server(self._ports, port)

    async def create_connection(self, protocol_factory: Factory, host: Any = None, port: Any = None, **_: Any) -> Any:
        if port not in self._ports:
            raise ConnectionRefusedError(f"nobody listens at {port}")
        here, there = protocol_factory(), self._ports[port]()
        mine, theirs = Wire(self, here, port), Wire(self, there, port)
        mine.other, theirs.other = theirs, mine
        there.connection_made(theirs)
        here.connection_made(mine)
        return mine, here
