"""A scan over LMDB with memtables over it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dynamo.layout.keyspaces import Keyspace, successor
from dynamo.storage.memtable import Memtable

Pairs = list[tuple[bytes, bytes]]
Scan = Callable[[Keyspace, bytes, bytes | None, int], Pairs]


def scan(base: Scan, over: Sequence[Memtable], space: Keyspace, start: bytes, end: bytes | None, limit: int) -> Pairs:
    """As `base(space, start, end, limit)` with these memtables applied to it, oldest first.

    Goes by stretches of keys in which nobody has more than what is still asked for. There can be several, since what a
    memtable removes makes room for what lies behind it.
    """
    found: Pairs = []
    while len(found) < limit:
        asked = limit - len(found)
        below = base(space, start, end, asked)
        above = [table.keys(space, start, end, asked) for table in over]
        stops = [successor(keys[-1]) for keys in (*above, [key for key, _ in below]) if len(keys) == asked]
        stop = min(stops, default=None)
        found += _merged(below, zip(over, above, strict=True), space, stop)
        if stop is None:
            break
        start = stop
    return found[:limit]


def _merged(below: Pairs, above: Iterable[tuple[Memtable, list[bytes]]], space: Keyspace, stop: bytes | None) -> Pairs:
    """All that lies before `stop`."""
    together: dict[bytes, bytes | None] = dict(below)
    for table, keys in above:
        pairs = table.changes[space]
        together.update((key, pairs[key]) for key in keys)
    keys = sorted(together) if stop is None else sorted(key for key in together if key < stop)
    return [(key, value) for key in keys if (value := together[key]) is not None]
