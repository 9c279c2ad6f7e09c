"""Which partitions this node may hold too little of, because it began with an empty store.

A disk that was lost took acknowledged writes with it. What a node does not hold in such a partition proves nothing, so
it must not be counted as "nothing" by a quorum: it refuses, and the reader asks another replica. Writes are taken from
the start. A partition is rebuilt once it was compared with every other primary of it, after the node's start: any of
them may be the one that has a write whose other copy was on the lost disk. One that stays away for AWAY_S is given up
on, as long as one other was compared; then two replicas of the partition were lost at once.

Kept in the store, so that a restart in the middle goes on; a store that has this mark, or anything else, is not empty.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import CorruptValue, DynamoError, NotReady
from dynamo.layout import note
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Clock, Storage
from dynamo.telemetry.logs import Log

log = Log("node")

MARK = b"rebuilding"
"""Name in META: for each partition still to be rebuilt, the nodes that it was compared with."""
VOTING = b"voting"
"""Name in META of what is written before it (`node/voting.py`): a store with nothing else is still empty."""
AWAY_S = 30.0
_decoder = msgspec.msgpack.Decoder(list[tuple[int, list[str]]])


class Rebuilding:
    """One per node."""

    def __init__(self, partitions: int, others: int, clock: Clock, storage: Storage) -> None:
        self._partitions = partitions
        self._others = others
        self._clock = clock
        self._storage = storage
        self._left: dict[int, list[str]] = {}
        self._changed = False
        self._started_at = clock.monotonic()

    def load(self) -> None:
        """At the node's start, before any request: see whether it is to be rebuilt, or was being."""
        self._started_at = self._clock.monotonic()
        mark = self._storage.read(Keyspace.META, MARK)
        if mark is not None:
            self._restore(mark)
        elif self._is_empty():
            # With no other member there is nobody to have anything.
            self._left = self._everything() if self._others else {}
            self._changed = True
        self.save()
        if self._left:
            log.info("rebuilding", partitions=len(self._left))

    def _restore(self, mark: bytes) -> None:
        """Of a damaged mark nothing is taken for rebuilt: to compare once more costs little, a false "nothing" much."""
        try:
            left = note.decode(mark, _decoder, "mark of what is rebuilt")
        except CorruptValue as problem:
            log.warning("all partitions are compared again", problem=problem.detail)
            self._left = self._everything()
            self._changed = True
        else:
            self._left = dict(left)

    def _everything(self) -> dict[int, list[str]]:
        return {partition: [] for partition in range(self._partitions)}

    def __len__(self) -> int:
        return len(self._left)

    def left(self) -> list[int]:
        """Partitions still to be rebuilt, in order."""
        return list(self._left)

    def __contains__(self, partition: int) -> bool:
        return partition in self._left

    def check(self, partition: int) -> None:
        """Before saying that there is nothing in a partition. Raises NotReady if that is not known."""
        if partition in self._left:
            raise NotReady("this replica began with an empty disk and does not know yet what it should hold")

    def owed(self, partition: int, primaries: tuple[str, ...]) -> list[str]:
        """The primaries that a partition is still to be compared with."""
        compared = self._left.get(partition)
        return [] if compared is None else [node for node in primaries if node not in compared]

    def compared(self, partition: int, peer: str) -> None:
        """Everything that the peer holds in the partition is here, durably."""
        known = self._left.get(partition)
        if known is not None and peer not in known:
            known.append(peer)
            self._changed = True

    def settle(self, partition: int, primaries: tuple[str, ...], alive: list[str]) -> None:
        """Call a partition rebuilt if that is so. `primaries` are the others of every bucket, `alive` those of them."""
        compared = self._left.get(partition)
        if compared is None:
            return
        missing = [node for node in primaries if node not in compared]
        if missing:
            if len(missing) == len(primaries) or any(node in alive for node in missing):
                return
            if self._clock.monotonic() < self._started_at + AWAY_S:
                return
            log.warning("rebuilt without a replica that is away", partition=partition, away=missing)
        del self._left[partition]
        self._changed = True
        if not self._left:
            log.info("rebuilt")

    def save(self) -> None:
        """Put what has changed on disk. If that fails, the next start compares some partitions again."""
        if self._changed:
            self._changed = False
            mark = note.encode(list(self._left.items()))
            self._storage.write([(Keyspace.META, MARK, mark)], True, _unheeded)

    def _is_empty(self) -> bool:
        return all(stored == VOTING for space in Keyspace for stored, _ in self._storage.scan(space, b"", None, 2))


def _unheeded(_: DynamoError | None) -> None:
    """Whatever the node writes next meets the same disk, and says so."""
