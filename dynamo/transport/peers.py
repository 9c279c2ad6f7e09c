"""The `Peers` port over TCP: one persistent connection to each other node, for this node's requests and their replies.

What another node asks of this one arrives on the connection that the other opened (`listener.py`), so each ordered pair
of nodes has its own, and a slow direction does not hold up the other.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable

from dynamo.config import LimitsSection, MemberSection
from dynamo.ports import Randomness, Receiver
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message
from dynamo.transport.connection import Monotonic, Timings
from dynamo.transport.handshake import Introduction
from dynamo.transport.link import Link
from dynamo.transport.outgoing import Limits
from dynamo.transport.statistics import LinkStatistics

_STOPPED_S = 0.5
"""A sweep this much later than planned means that this process did not run, and silence proves nothing."""


class TcpPeers:
    """Implements `ports.Peers`. `members` may include this node, which is left out."""

    def __init__(
        self,
        me: Introduction,
        members: Iterable[MemberSection],
        randomness: Randomness,
        *,
        limits: LimitsSection | None = None,
        tls: ssl.SSLContext | None = None,
        timings: Timings | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        limits = limits or LimitsSection()
        bounds = Limits(limits.peer_frame_bytes_max, limits.peer_queue_bytes_max)
        self._timings = timings = timings or Timings()
        self._monotonic = monotonic
        self._links = {
            member.id: Link(member, me, randomness, bounds, tls, timings, monotonic)
            for member in members
            if member.id != me.node
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._swept_at = 0.0

    async def start(self) -> None:
        """Begin to connect; returns at once. Peers come up in their own time (`is_up`)."""
        assert self._loop is None, "started twice"
        self._loop = asyncio.get_running_loop()
        for link in self._links.values():
            link.start()
        self._swept_at = self._monotonic()
        self._sweeper = self._loop.call_later(self._timings.sweep_s, self._sweep)

    async def stop(self) -> None:
        """Close every connection. What is in flight fails as LOST, later sends as DOWN."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        await asyncio.gather(*(link.stop() for link in self._links.values()))

    def is_up(self, peer: str) -> bool:
        """Whether a message handed over now would be sent: the handshake is done and the queue has room."""
        link = self._links.get(peer)
        return link is not None and link.connection is not None and link.connection.has_room

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        """See `ports.Peers`. A peer that is no member, or whose queue is full, counts as down.

        A message that no frame can hold is REFUSED here, without being sent.
        """
        link = self._links.get(peer)
        error: PeerError | None
        if link is None or (connection := link.connection) is None:
            error = PeerError(PeerFailure.DOWN)
        else:
            error = connection.ask(message, deadline, trace, receiver)
        if error is not None:
            self._fail_soon(link, peer, error, receiver)

    def _fail_soon(self, link: Link | None, peer: str, error: PeerError, receiver: Receiver) -> None:
        assert self._loop is not None, "send before start"
        if link is not None:
            link.count(error.failure)
        self._loop.call_soon(receiver.on_failure, peer, error)

    def retry_now(self, peer: str) -> None:
        """The peer was just heard of: if it is down, try to connect without waiting for the next turn."""
        if peer in self._links:
            self._links[peer].retry_now()

    def statistics(self) -> dict[str, LinkStatistics]:
        """Counters and present state, by peer."""
        return {peer: link.statistics() for peer, link in self._links.items()}

    def _sweep(self) -> None:
        assert self._loop is not None
        now = self._monotonic()
        stopped = now - self._swept_at > self._timings.sweep_s + _STOPPED_S
        self._swept_at = now
        self._sweeper = self._loop.call_later(self._timings.sweep_s, self._sweep)
        for link in self._links.values():
            if stopped:
                link.excuse(now)
            link.sweep(now)
