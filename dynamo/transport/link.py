"""One peer, as this node reaches it: connects, connects again after a loss, and stands for whatever connection is up.

The first attempt is made at once. After a failure the pauses double from `backoff_min_s` to `backoff_max_s`, each cut
to between half and all of itself by chance, so that nodes that lost the same peer do not come back in step. They start
over only after a connection that lasted: a peer that accepts and closes at once is not tried in a tight loop. A pause
ends early when there is reason to hope (`retry_now`: the peer has just connected to us).
"""

from __future__ import annotations

import asyncio
import ssl

import msgspec

from dynamo.config import MemberSection
from dynamo.ports import Randomness
from dynamo.protocol.codec import Welcome
from dynamo.protocol.effects import PeerFailure
from dynamo.transport.connection import Monotonic, Timings, log
from dynamo.transport.handshake import Introduction
from dynamo.transport.outgoing import Limits, OutgoingConnection
from dynamo.transport.statistics import LinkStatistics


def pause_s(failures: int, timings: Timings, chance: float) -> float:
    """How long to wait after so many failures in a row (from 1); `chance` is uniform in [0, 1)."""
    doubled = timings.backoff_min_s * 2.0 ** min(failures - 1, 32)
    return min(doubled, timings.backoff_max_s) * (0.5 + 0.5 * chance)


class Link:
    """The connection to one member, over time. `connection` is None while there is none to send on."""

    def __init__(
        self,
        member: MemberSection,
        me: Introduction,
        randomness: Randomness,
        limits: Limits,
        tls: ssl.SSLContext | None,
        timings: Timings,
        monotonic: Monotonic,
    ) -> None:
        self.peer = member.id
        self.connection: OutgoingConnection | None = None
        self._host = member.host
        self._port = member.peer_port
        self._me = me
        self._randomness = randomness
        self._limits = limits
        self._tls = tls
        self._timings = timings
        self._monotonic = monotonic
        self._statistics = LinkStatistics()
        self._opening: OutgoingConnection | None = None
        self._failures = 0
        self._up_since = 0.0
        self._told = ""
        self._pause: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"link to {self.peer}")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Close in order; everybody who waits is told."""
        self._stopping = True
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._opening is not None:
            await self._opening.close()

    def retry_now(self) -> None:
        """The peer seems to be there: do not wait any longer."""
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    def sweep(self, now: float) -> None:
        if self._opening is not None:
            self._opening.sweep(now)

    def excuse(self, now: float) -> None:
        if self._opening is not None:
            self._opening.excuse(now)

    def statistics(self) -> LinkStatistics:
        """A copy, with the present state filled in."""
        connection = self.connection
        if connection is None:
            return msgspec.structs.replace(self._statistics, is_up=False, in_flight=0, queued_bytes=0)
        return msgspec.structs.replace(
            self._statistics,
            is_up=connection.has_room,
            in_flight=connection.in_flight,
            queued_bytes=connection.waiting_bytes + connection.unsent_bytes,
        )

    def count(self, failure: PeerFailure) -> None:
        """A send that failed before it joined a connection."""
        self._statistics.count(failure)

    # What the connection tells.

    def on_up(self, connection: OutgoingConnection, theirs: Welcome) -> None:
        self.connection = connection
        self._up_since = self._monotonic()
        self._told = ""
        self._statistics.connects += 1
        self._statistics.incarnation = theirs.incarnation
        self._statistics.epoch = theirs.epoch
        log.info("peer up", peer=self.peer, address=connection.address, protocol=theirs.protocol)

    def on_down(self, connection: OutgoingConnection) -> None:
        if self._opening is connection:
            self._opening = None
        if self.connection is not connection:
            self._failed(connection.reason or "closed by the other side during the handshake")
            return
        self.connection = None
        if self._monotonic() - self._up_since >= self._timings.backoff_max_s:
            self._failures = 0
        reason = connection.reason or "closed by the other side"
        say = log.info if self._stopping else log.warning
        say("peer down", peer=self.peer, reason=reason, requests_in_flight=connection.in_flight)

    # Connecting.

    async def _run(self) -> None:
        while True:
            await self._connect()
            self._failures += 1
            await self._rest(pause_s(self._failures, self._timings, self._randomness.random()))

    async def _connect(self) -> None:
        """Try once; returns when there is no connection any more."""
        connection = OutgoingConnection(
            self.peer, self._me, self, self._statistics, self._limits, self._timings, self._monotonic
        )
        try:
            async with asyncio.timeout(self._timings.connect_s):
                await self._open(connection)
        except (OSError, UnicodeError) as problem:  # UnicodeError: a host name that is none
            connection.end(f"{type(problem).__name__}: {str(problem) or 'took too long'}")
        except asyncio.CancelledError:
            connection.end("closed by this node")
            raise
        await asyncio.wait([connection.closed])

    async def _open(self, connection: OutgoingConnection) -> None:
        def begin() -> OutgoingConnection:
            self._opening = connection
            return connection

        loop = asyncio.get_running_loop()
        name = None if self._tls is None else self.peer
        await loop.create_connection(begin, self._host, self._port, ssl=self._tls, server_hostname=name)

    async def _rest(self, pause: float) -> None:
        self._pause = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._pause], timeout=pause)
        self._pause = None

    def _failed(self, reason: str) -> None:
        """Nobody was reached. Said once for each new reason, not at every attempt."""
        self._statistics.attempts_failed += 1
        if reason != self._told and not self._stopping:
            self._told = reason
            log.warning("peer not reachable", peer=self.peer, address=f"{self._host}:{self._port}", reason=reason)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.bug("link ended", bug, peer=self.peer)
