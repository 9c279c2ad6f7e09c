"""Two rings in, moves out: which node must receive which partition before the new ring may be relied on."""

from __future__ import annotations

import msgspec

from dynamo.ring.preference_list import PreferenceLists


class Move(msgspec.Struct, frozen=True):
    """`receiver` becomes a replica of `partition`; each of `sources` holds it under the old ring."""

    partition: int
    receiver: str
    sources: tuple[str, ...]


def moves(old: PreferenceLists, new: PreferenceLists, n: int) -> list[Move]:
    """All moves for buckets of replication factor `n`, in partition order."""
    found: list[Move] = []
    for partition in range(new.ring.partitions):
        before = old.primaries(partition, n)
        found.extend(Move(partition, node, before) for node in new.primaries(partition, n) if node not in before)
    return found
