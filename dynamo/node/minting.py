"""Dots: who mints them, and when this node must become another actor.

The one rule: a dot (actor, counter) names one write for ever. Counters grow over the whole node and are never given out
twice by an incarnation; whenever this node may have forgotten what it minted, it takes another incarnation first. That
is so after a start from an empty, restored or crashed store (`storage/identity`), when a batch that held a fresh dot
failed, when a record was found damaged, and when anyone shows us a counter of ours that we have not reached.
"""

from __future__ import annotations

from dynamo.errors import StorageFull
from dynamo.ports import Clock as Time
from dynamo.ports import Identity
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.clock import Actor, Clock, Dot

log = Log("node")


RENEWAL_PAUSE_S = 1.0
RENEWAL_PAUSE_MAX_S = 60.0


class Mint:
    """Gives out the dots of one node.

    Each incarnation leaves an entry in the clocks of the keys it wrote, for ever. So while writes keep failing (a full
    disk) renewals come ever more rarely: the first at once, then after pauses that double up to a minute.
    """

    def __init__(self, node: str, clock: Time, identity: Identity, metrics: Metrics) -> None:
        self._node = node
        self._clock = clock
        self._pause_s = 0.0
        self._not_before = 0.0
        self._identity = identity
        self._metrics = metrics
        self._must_renew = False
        self.counter = identity.counter
        self.actor: Actor = f"{node}.{identity.incarnation}"

    def dot(self, base: Clock) -> Dot:
        """A dot for a write over `base`.

        Raises StorageFull or StorageRefused if a new incarnation cannot be kept, or was lost to a full store just now.
        """
        self.check(base)
        if self._must_renew:
            self._renew()
        self.counter += 1
        return (self.actor, self.counter)

    def check(self, seen: Clock) -> None:
        """Take note of a clock: one that knows more of us than we do means that we have forgotten."""
        if seen.get(self.actor, 0) > self.counter:
            log.warning("a counter of ours is known elsewhere", actor=self.actor, ours=self.counter)
            self._must_renew = True

    def forgot(self) -> None:
        """A batch with dots of ours failed after they may have left the node."""
        if not self._must_renew:
            self._not_before = self._clock.monotonic() + self._pause_s
            self._pause_s = min(max(self._pause_s * 2, RENEWAL_PAUSE_S), RENEWAL_PAUSE_MAX_S)
        self._must_renew = True

    def lost(self) -> None:
        """A record that may have held dots of ours is damaged: the next clock must not cover what it forgot."""
        self._must_renew = True

    def kept(self) -> None:
        """A batch is on disk: there is room."""
        self._pause_s = 0.0
        self._not_before = 0.0

    def close(self) -> None:
        """Everything minted is on disk: the next run may go on."""
        if not self._must_renew:
            self._identity.close(self.counter)

    def _renew(self) -> None:
        left_s = self._not_before - self._clock.monotonic()
        if left_s > 0:
            raise StorageFull(f"this node's store took no writes just now; it tries again in {left_s:.1f} s")
        self._identity.renew()
        self.actor = f"{self._node}.{self._identity.incarnation}"
        self.counter = 0
        self._must_renew = False
        self._metrics.incarnation_renewals.value += 1
        log.warning("took another incarnation", actor=self.actor)
