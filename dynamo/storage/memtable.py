"""What is durable in the log and not yet in LMDB: plain dictionaries over it (pure).

A removed key is a None. Keys are never taken out, so the dictionary's own order says which of them are new since the
last scan, and only those are sorted in.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.group import Changes, Group


class Memtable:
    """Changes of many groups, the last of each key."""

    __slots__ = ("_sorted", "changes", "count", "size_bytes", "weight")

    def __init__(self) -> None:
        self.changes: Changes = {space: {} for space in Keyspace}
        self._sorted: dict[Keyspace, list[bytes]] = {space: [] for space in Keyspace}
        self.count = 0
        """Changes taken, those of one key counted each time."""
        self.weight = 0
        """Bytes, about, that writing them to LMDB dirties; as a group is weighed."""
        self.size_bytes = 0
        """Bytes of their values."""

    def add(self, group: Group) -> None:
        """Take what a group has changed, over what is here."""
        for space, pairs in group.changes.items():
            self.changes[space].update(pairs)
        self.count += group.count
        self.weight += group.weight
        self.size_bytes += group.size_bytes

    def keys(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[bytes]:
        """Keys with start <= key < end (None: to the end), in order, at most `limit`; removed ones, too."""
        pairs, keys = self.changes[space], self._sorted[space]
        if len(keys) < len(pairs):
            keys.extend(islice(pairs, len(keys), None))
            keys.sort()
        first = bisect_left(keys, start)
        last = len(keys) if end is None else bisect_left(keys, end)
        return keys[first : min(last, first + limit)]
