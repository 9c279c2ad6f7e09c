"""A TCP proxy that holds back what goes through it: a slow network to one node, or a slow node, as the others see it.

Run as a process of its own: `python -m dynamo.workload.delay_proxy PORT TARGET_PORT DELAY_MS`, with more such threes
for more links. It begins without delay; SIGUSR1 switches it on, SIGUSR2 off, and each time it says so. What comes back
from the target is passed on at once, or with `--both-ways` held back as well, as on a long wire. Order is kept: what
was held back when the delay ends still goes first.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

from dynamo.workload.event_loop import new_event_loop

ON, OFF = "messages are held back", "messages are passed on at once"
"""What it says when it was switched."""
HELD_BYTES_MAX = 2**24
"""So much may be held back on one connection before its sender is not read from any more."""


class Delay:
    """How long everything is held back now; shared by all connections of a link."""

    def __init__(self, delay_s: float, *, both_ways: bool = False) -> None:
        self._delay_s = delay_s
        self.both_ways = both_ways
        self.seconds = 0.0

    def on(self) -> None:
        self.seconds = self._delay_s

    def off(self) -> None:
        self.seconds = 0.0


class _End(asyncio.Protocol):
    """One of the two sockets of a connection; `other` is where its bytes go, and while there is none they are held."""

    def __init__(self, delay: Delay | None) -> None:
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        delay_s = 0.0 if self._delay is None else self._delay.seconds
        if not delay_s and not self._held and self.other is not None:
            self._pass_on(data)
            return
        due = self._loop.time() + delay_s
        if not self._held and self.other is not None:
            self._loop.call_at(due, self._due)
        self._held.append((due, data))
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def _pass_on(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def _due(self) -> None:
        now = self._loop.time()
        while self._held and self._held[0][0] <= now + 0.001:
            data = self._held.popleft()[1]
            self._held_bytes -= len(data)
            self._pass_on(data)
        if self._held:
            self._loop.call_at(self._held[0][0], self._due)
        if self._held_bytes <= HELD_BYTES_MAX and self.transport is not None:
            self.transport.resume_reading()


class _Front(_End):
    """The end that was connected to: it connects on, and what came before that is done waits.

    It waits here and not in the socket: asyncio reads from a transport that `connection_made` paused before Python
    3.11.4.
    """

    def __init__(self, delay: Delay, target_port: int) -> None:
        super().__init__(delay)
        self._back = delay if delay.both_ways else None
        self._target_port = target_port
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        back = _End(self._back)
        back.other = self
        try:
            await self._loop.create_connection(lambda: back, "127.0.0.1", self._target_port)
        except OSError:
            if self.transport is not None:
                self.transport.close()
            return
        self.other = back
        self._due()
        if self.transport is None:
            self.connection_lost(None)


async def serve(port: int, target_port: int, delay: Delay) -> asyncio.Server:
    """Listen on a port of loopback (0: a free one) and pass on to another. Raises OSError."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Front(delay, target_port), "127.0.0.1", port)


async def _run(links: list[tuple[int, int, Delay]]) -> None:
    servers = [await serve(*link) for link in links]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, _switch, links, Delay.on, ON)
    loop.add_signal_handler(signal.SIGUSR2, _switch, links, Delay.off, OFF)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    for server in servers:
        server.close()


def _switch(links: list[tuple[int, int, Delay]], to: Callable[[Delay], None], said: str) -> None:
    for _, _, delay in links:
        to(delay)
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Serve until told to end."""
    both_ways = "--both-ways" in arguments
    numbers = [int(each) for each in arguments if each != "--both-ways"]
    threes = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    links = [(port, target, Delay(delay_ms / 1000, both_ways=both_ways)) for port, target, delay_ms in threes]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(links))


if __name__ == "__main__":
    main(sys.argv[1:])
