"""Which replicas are behind, and what brings them up to date.

Pure arithmetic on answers: merge all, and whoever's bytes differ from the merge is stale. Records are canonical, so
equal versions are equal bytes. Repair sends the whole merged record and never mints: it can only spread what exists.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.versioning.record import Record, decode, encode
from dynamo.versioning.siblings import EMPTY, merged, newest_only

Resolve = Callable[[Record, Record], Record]


def keep_siblings(left: Record, right: Record) -> Record:
    """Reconciliation of a siblings bucket."""
    return merged(left, right)


def keep_newest(left: Record, right: Record) -> Record:
    """Reconciliation of an lww bucket."""
    return newest_only(merged(left, right))[0]


class Reconciled:
    """Answers of replicas merged as they come. A replica that has nothing answers with empty bytes."""

    __slots__ = ("_resolve", "by_replica", "data", "record")

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self.by_replica: dict[str, bytes] = {}
        """The answers, in order of arrival."""
        self.record: Record = EMPTY
        self.data = b""
        """The merge in byte form; empty while no replica has shown anything."""

    def add(self, replica: str, data: bytes) -> None:
        """Take in an answer. Raises CorruptValue for bytes that are no record; then nothing is changed."""
        if data != self.data:
            theirs = decode(data) if data else EMPTY
            if not self.data:
                self._begin(theirs, data)
            elif data:
                self.record = self._resolve(self.record, theirs)
                self.data = encode(self.record)
        self.by_replica[replica] = data

    def _begin(self, theirs: Record, data: bytes) -> None:
        """The first record is resolved, too: a replica that had not heard of an lww bucket has kept all siblings."""
        self.record = self._resolve(theirs, theirs)
        self.data = data if self.record is theirs else encode(self.record)

    def __len__(self) -> int:
        return len(self.by_replica)

    def shows(self, replica: str) -> bool:
        """Whether the replica's answer was a record."""
        return bool(self.by_replica.get(replica))

    def stale(self) -> list[str]:
        """Replicas whose answer is not the merge, in order of arrival."""
        return [replica for replica, data in self.by_replica.items() if data != self.data]

    def holds(self, replica: str, data: bytes) -> bool:
        """Whether the replica's last known answer is `data`."""
        return self.by_replica.get(replica) == data

    def brought_up_to_date(self, replica: str, data: bytes) -> None:
        """The replica has stored `data` (it may hold more by now; that is for a later read to find)."""
        self.by_replica[replica] = data

    def drop(self, stamp: int) -> list[str]:
        """Forget all that has a stamp as great as this one; whose answers those were."""
        answers, self.by_replica, self.record, self.data = self.by_replica, {}, EMPTY, b""
        dropped = []
        for replica, data in answers.items():
            if data and decode(data).hybrid_max() >= stamp:
                dropped.append(replica)
            else:
                self.add(replica, data)
        return dropped

    def forget(self) -> None:
        """Drop the answers, keep what was learnt: another round is about to ask again."""
        self.by_replica.clear()
