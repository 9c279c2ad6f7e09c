"""What LMDB holds, as far as it took it over or was asked for it lately: dictionaries in front of it.

Looking a key up in LMDB takes several times as long, and whoever changes a key looks up its record, its leaf and its
votes first. Two generations: the younger begins with a memtable that LMDB has taken, which costs nothing, and takes in
what is read. When the next memtable comes, or it has grown large, the elder is dropped and it takes its place. So what
was not wanted for a while goes, without any bookkeeping for each key. A memtable of few changes is taken in, as what is
read is: else a store in which little is written would forget every few seconds what is read again and again.

A newer value of a key is always in a younger generation, or in a memtable, which is looked at first.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.group import Changes
from dynamo.storage.memtable import Memtable

COUNT_MAX = 64_000
"""Keys that a generation takes in beside those with which it began."""
SIZE_BYTES_MAX = 16 * 2**20
"""Bytes of their values."""
TAKEN_IN_MAX = 8000
"""Changes of a memtable that is taken in: half a millisecond's work, in which the loop does nothing else."""
VALUE_BYTES_MAX = 64 * 1024
"""Larger ones cost more to keep than to read."""


class Recent:
    """`get` reads LMDB: the value, or None for a key that is not there. Raises what that raises."""

    def __init__(self, get: Callable[[Keyspace, bytes], bytes | None]) -> None:
        self._get = get
        self._younger: Changes = _nothing()
        self._elder: Changes = _nothing()
        self._count = 0
        self._size_bytes = 0

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        """What LMDB holds under a key."""
        pairs = self._younger[space]
        if key in pairs:
            return pairs[key]
        elder = self._elder[space]
        value = elder[key] if key in elder else self._get(space, key)
        size_bytes = 0 if value is None else len(value)
        if size_bytes <= VALUE_BYTES_MAX:
            pairs[key] = value
            self._count += 1
            self._size_bytes += size_bytes
            if self._count >= COUNT_MAX or self._size_bytes >= SIZE_BYTES_MAX:
                self._turn(_nothing())
        return value

    def shown(self, space: Keyspace, pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """LMDB has just shown these pairs. What is remembered otherwise hides damage to its file, and is forgotten."""
        generations = (self._younger[space], self._elder[space])
        for key, value in pairs:
            if any(key in known and known[key] != value for known in generations):
                for known in generations:
                    known.pop(key, None)
        return pairs

    def took(self, table: Memtable) -> None:
        """LMDB has taken this table over, which nobody will change any more."""
        count, size_bytes = self._count + table.count, self._size_bytes + table.size_bytes
        if table.count > TAKEN_IN_MAX or count > COUNT_MAX or size_bytes > SIZE_BYTES_MAX:
            self._turn(table.changes)
            return
        for space, pairs in table.changes.items():
            self._younger[space].update(pairs)
        self._count, self._size_bytes = count, size_bytes

    def clear(self) -> None:
        """LMDB was changed in another way."""
        self._turn(_nothing())
        self._elder = _nothing()

    def _turn(self, younger: Changes) -> None:
        self._elder, self._younger = self._younger, younger
        self._count = self._size_bytes = 0


def _nothing() -> Changes:
    return {space: {} for space in Keyspace}
