"""What an operator asks of anti-entropy and sees of it: the board between the operations API and the repairer.

The node keeps it; `daemons/repairer.py` takes requests off it and notes what came of them.
"""

from __future__ import annotations

import msgspec

from dynamo.node.rebuilding import Rebuilding
from dynamo.ports import Clock


class Tally(msgspec.Struct):
    """What some exchanges came to."""

    exchanges: int = 0
    failed: int = 0
    """Exchanges that ended with an error: the peer was away, or busy."""
    keys_compared: int = 0
    """Keys whose digests were looked at; those below equal hashes are not among them."""
    keys_differing: int = 0
    keys_repaired: int = 0
    keys_failed: int = 0
    """Keys that differ and could not be repaired this time."""
    bytes_sent: int = 0
    """Questions, and records, sent to peers by this node as the one who compares."""

    def add(self, other: Tally) -> None:
        """Sum up."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class Run(msgspec.Struct):
    """A comparison of many partitions: a sweep by the clock, or what an operator asked for."""

    number: int
    bucket: str = ""
    """Only this one; empty for all."""
    partition: int = -1
    """Only this one; -1 for all."""
    exchanges_due: int = 0
    """With the peers that were alive when it began."""
    started: bool = False
    finished: bool = False
    peers_away: list[str] = []
    """Replicas that were not compared with, because they are not alive."""
    tally: Tally = msgspec.field(default_factory=Tally)


class RepairStatus(msgspec.Struct):
    """What an operator is shown."""

    enabled: bool
    rebuilding: list[int]
    """Partitions that a node which began with an empty store has not compared with all others."""
    last_full_sweep_age_s: float | None
    """None if there was none since the start."""
    sweep: Run
    run: Run | None
    """The last that was asked for."""
    total: Tally


class RepairBoard:
    """One per node."""

    def __init__(self, clock: Clock, rebuilding: Rebuilding, *, enabled: bool) -> None:
        self._clock = clock
        self._rebuilding = rebuilding
        self._enabled = enabled
        self.requested: list[Run] = []
        """Not begun so far."""
        self.latest: Run | None = None
        """The operator's last run."""
        self.sweep = Run(number=0)
        """The present sweep by the clock."""
        self.total = Tally()
        """Since the node's start."""
        self.last_full_sweep_at: float | None = None
        """When a sweep last ended in which every exchange succeeded, monotonic seconds."""
        self._numbers = 0

    def swept(self) -> None:
        """Everything has been compared with all its replicas."""
        self.last_full_sweep_at = self._clock.monotonic()

    def status(self) -> RepairStatus:
        """All of it, now."""
        last = self.last_full_sweep_at
        return RepairStatus(
            enabled=self._enabled,
            rebuilding=self._rebuilding.left(),
            last_full_sweep_age_s=None if last is None else self._clock.monotonic() - last,
            sweep=self.sweep,
            run=self.latest,
            total=self.total,
        )

    def request(self, bucket: str, partition: int) -> Run:
        """Ask for a run. One that waits already and covers the same is not doubled."""
        for waiting in self.requested:
            if (waiting.bucket, waiting.partition) == (bucket, partition):
                return waiting
        self._numbers += 1
        run = Run(number=self._numbers, bucket=bucket, partition=partition)
        self.requested.append(run)
        self.latest = run
        return run
