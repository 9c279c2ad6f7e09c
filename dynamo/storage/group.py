"""Batches that are made durable together: what the loop hands to the thread that writes.

A group is filled on the loop, closed, and from then on looked at by the writing thread only, until that has reported
it. Of each key only the last change is kept, as nobody sees the ones between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import STORED_KEY_BYTES_MAX, Keyspace
from dynamo.ports import Change

GROUP_WEIGHT_MAX = 32 * 2**20
"""Bytes, about, that one transaction may write before another one is begun. A batch is never split."""
CHANGE_WEIGHT = 4096
"""A change dirties a page, whatever its size."""

Changes = dict[Keyspace, dict[bytes, bytes | None]]
"""Final state of the keys that change: a value, or None for removed."""
Done = Callable[[DynamoError | None], None]


def no_changes() -> Changes:
    """An empty set of changes to fill."""
    return defaultdict(dict)


class Group:
    """Batches that share a transaction, or a frame of the log."""

    __slots__ = ("_weight_max", "changes", "closed", "commit_s", "count", "dones", "durable", "weight")

    def __init__(self, weight_max: int) -> None:
        self.changes: Changes = no_changes()
        self.dones: list[Done] = []
        self.durable = False
        self._weight_max = weight_max
        self.weight = 0
        """Bytes, about, that a transaction will write."""
        self.count = 0
        """Changes taken, those of one key counted each time."""
        self.closed = False
        """Handed to the writer, or heavy enough: takes no further batch."""
        self.commit_s = 0.0
        """How long it took to write, its sync included."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all values."""
        return self.weight - CHANGE_WEIGHT * self.count

    def add(self, changes: Sequence[Change], durable: bool, done: Done) -> None:  # noqa: FBT001 - as in the port
        """Take a batch behind the others."""
        assert not self.closed, "a group that the writer may hold is never changed"
        pairs, weight = self.changes, self.weight + CHANGE_WEIGHT * len(changes)
        for space, key, value in changes:
            assert 0 < len(key) <= STORED_KEY_BYTES_MAX, "what LMDB takes as a key"
            pairs[space][key] = value
            if value is not None:
                weight += len(value)
        self.weight = weight
        self.count += len(changes)
        self.dones.append(done)
        self.durable = self.durable or durable
        self.closed = self.weight >= self._weight_max
