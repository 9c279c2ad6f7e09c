"""How far the auditor has come: kept over restarts, shown to operators, and where they ask for a pass.

The daemon (`daemons/auditor.py`) writes here and the operations listener reads; neither knows the other.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.keyspaces import Keyspace
from dynamo.layout.sealed import seal, unseal
from dynamo.node.quarantine import Quarantine
from dynamo.ports import Clock, Storage
from dynamo.telemetry.logs import Log

log = Log("node")

FORMAT = 1
_NAME = b"audit/progress"


class Progress(msgspec.Struct, array_like=True):
    """What is kept. Times are wall-clock milliseconds, 0 for never."""

    next_partition: int = 0
    """Where the pass goes on; 0 if none is under way."""
    began_ms: int = 0
    finished_ms: int = 0
    """End of the last whole pass."""


_decoder = msgspec.msgpack.Decoder(Progress)


class AuditStatus(msgspec.Struct, frozen=True):
    """How the audit of a node stands. The counts are those of the pass that runs, or of the last one in this life."""

    running: bool
    partitions_done: int
    partitions: int
    entries: int
    damaged: int
    leaves_rewritten: int
    unreadable: int
    in_doubt: int
    """Keys that were found damaged, by whomever, and are not brought back yet."""
    finished_age_s: float | None
    """Since the last whole pass ended, also before a restart; None if none ever did."""


class AuditBook:
    """One per node."""

    def __init__(self, storage: Storage, clock: Clock, quarantine: Quarantine, partitions: int) -> None:
        self._storage = storage
        self._clock = clock
        self._quarantine = quarantine
        self._partitions = partitions
        self.progress = Progress()
        self.running = False
        self.asked = False
        """An operator wants a pass now; the auditor takes the wish back once it has begun."""
        self.checked = 0
        """Entries that this pass has looked at."""
        self.found = 0
        """Of those, damaged ones."""
        self.rewritten = 0
        """Leaves that did not fit their records."""
        self.unreadable = 0
        """Ranges with a page that the store cannot read."""

    def load(self) -> None:
        """Go on where the last life ended."""
        data = self._storage.read(Keyspace.META, _NAME)
        if data is None:
            return
        try:
            self.progress = unseal(data, _decoder, FORMAT, "note of the audit")
        except CorruptValue as problem:
            log.warning("the audit begins anew", problem=problem.detail)

    def status(self) -> AuditStatus:
        """For operators."""
        finished_ms = self.progress.finished_ms
        return AuditStatus(
            running=self.running or self.asked,
            partitions_done=self.progress.next_partition if self.running else 0,
            partitions=self._partitions,
            entries=self.checked,
            damaged=self.found,
            leaves_rewritten=self.rewritten,
            unreadable=self.unreadable,
            in_doubt=len(self._quarantine.open),
            finished_age_s=max(0.0, (self._clock.wall_ms() - finished_ms) / 1000) if finished_ms else None,
        )

    def ask(self) -> None:
        """Have a pass made now, as fast as it goes without being in the way."""
        self.asked = True

    def begin(self, now_ms: int) -> None:
        """A pass begins."""
        self.checked = self.found = self.rewritten = self.unreadable = 0
        self.progress = msgspec.structs.replace(self.progress, next_partition=0, began_ms=now_ms)

    def reached(self, partition: int) -> None:
        """All partitions before this one are done."""
        self.progress.next_partition = partition
        self._keep()

    def finish(self, now_ms: int) -> None:
        """The pass is over."""
        self.progress = msgspec.structs.replace(self.progress, next_partition=0, finished_ms=now_ms)
        self._keep()

    def _keep(self) -> None:
        changes = [(Keyspace.META, _NAME, seal(self.progress, FORMAT))]
        self._storage.write(changes, False, _unheeded)  # the port's order


def _unheeded(error: DynamoError | None) -> None:
    """The next note comes with the next partition."""
    if error is not None:
        log.debug("the audit's progress was not kept", problem=str(error))
