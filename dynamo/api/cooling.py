"""Refused connections are read from again a little later, if there are too many of them.

A refusal is cheap, not free: one read and one write of a socket, some 20 us. Clients that come again at once could keep
a node busy with nothing but refusing them. Each was told to come back after a second or more, so a connection that was
refused may be left unread for less than that, and no client that does as it is told notices. What others send meanwhile
waits in the kernel, which stops them by its own means.

Refusals are paced like cells in a network (GCRA): each takes a slot of 1/REFUSALS_PER_S. While the slots keep up with
the clock nobody waits; a connection whose slot lies ahead is read from again when it is there, or after PAUSE_MAX_S.
"""

from __future__ import annotations

import asyncio
from collections import deque

REFUSALS_PER_S = 1000.0
BURST_S = 0.05
"""How far the slots may be ahead before anybody waits: fifty refusals at a time are nothing."""
PAUSE_MAX_S = 0.5
_GRAIN_S = 0.01
"""Connections are woken in groups; a timer for each would cost as much as a refusal."""


class Slots:
    """When each refused connection may be read from again. Times in monotonic seconds."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def pause_s(self, now: float) -> float:
        """How long the connection that is being refused at `now` has to rest; 0 for not at all."""
        self._next = min(max(self._next, now) + 1 / REFUSALS_PER_S, now + PAUSE_MAX_S)
        ahead_s = self._next - now
        return ahead_s if ahead_s > BURST_S else 0.0


class Cooling:
    """The connections of one listener that rest."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots = Slots()
        self._resting: deque[tuple[float, asyncio.Transport]] = deque()
        """In the order of their ends: slots are given in order, and none is further ahead than the longest pause."""

    def refused(self, transport: asyncio.Transport) -> None:
        """A request of this connection was refused."""
        now = self._loop.time()
        pause_s = self._slots.pause_s(now)
        if not pause_s:
            return
        transport.pause_reading()
        if not self._resting:
            self._loop.call_later(pause_s, self._wake)
        self._resting.append((now + pause_s, transport))

    def _wake(self) -> None:
        until = self._loop.time() + _GRAIN_S
        resting = self._resting
        while resting and resting[0][0] <= until:
            transport = resting.popleft()[1]
            if not transport.is_closing():
                transport.resume_reading()
        if resting:
            self._loop.call_later(max(resting[0][0] - self._loop.time(), _GRAIN_S), self._wake)
