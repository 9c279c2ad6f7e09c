"""What lies in the nodes' stores, read from outside, running or stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lmdb

from dynamo.checker.history import Place, Sibling, Version
from dynamo.checker.replicas import Copy, Holding
from dynamo.layout import hint
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.ring.preference_list import PreferenceLists
from dynamo.storage import at_rest
from dynamo.versioning.record import Record, decode
from tests.chaos.clients import name_of
from tests.chaos.nodes import N


@dataclass(slots=True)
class Content:
    """All that one node holds."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    hints: dict[bytes, bytes] = field(default_factory=dict)


def content(data: Path) -> Content:
    """The content of a data directory, its log applied; nothing where there is no store yet."""
    try:
        held = at_rest.content(data)
    except lmdb.Error:
        if (data / "store" / "data.mdb").exists():
            raise
        return Content()  # The disk was lost just now.
    return Content(held[Keyspace.RECORDS], held[Keyspace.HINTS])


def homes(lists: PreferenceLists, stored: bytes, replicas: Mapping[str, int]) -> tuple[str, ...]:
    """The nodes that hold the record of a stored key. `replicas`: of buckets that have not the usual number."""
    partition, bucket, _ = split_record_key(stored)
    return lists.primaries(partition, replicas.get(bucket, N))


def place_of(stored: bytes) -> Place:
    """Bucket and key of a record's key."""
    _, bucket, key = split_record_key(stored)
    return (bucket, key.decode(errors="replace"))


def diverged(
    contents: Mapping[str, Content],
    lists: PreferenceLists,
    replicas: Mapping[str, int],
    concerns: Callable[[Place], bool],
) -> list[Place]:
    """The keys whose replicas do not hold the same bytes, of those that `concerns` names."""
    everything = {stored for each in contents.values() for stored in each.records}
    found = []
    for stored in everything:
        forms = {contents[node].records.get(stored) for node in homes(lists, stored, replicas) if node in contents}
        if len(forms) > 1 and concerns(place_of(stored)):
            found.append(place_of(stored))
    return found


def holdings(contents: Mapping[str, Content]) -> dict[str, Holding]:
    """The same as the checker knows it."""
    return {
        node: Holding({place_of(key): Copy(version_of(decode(data)), data.hex()) for key, data in each.records.items()})
        for node, each in contents.items()
    }


def all_homes(
    contents: Mapping[str, Content], lists: PreferenceLists, replicas: Mapping[str, int]
) -> dict[Place, tuple[str, ...]]:
    """The replicas of every key that anybody holds."""
    everything = {stored for each in contents.values() for stored in each.records}
    return {place_of(stored): homes(lists, stored, replicas) for stored in everything}


def version_of(record: Record) -> Version:
    """A record as the checker knows versions; values by their names."""
    siblings = (
        Sibling(s.actor, s.counter, None if s.value is None else name_of(s.value), s.request.hex(), s.hybrid, None)
        for s in record.siblings
    )
    return Version(dict(sorted(record.clock.items())), tuple(siblings))


def hinted(contents: Mapping[str, Content]) -> Iterator[tuple[str, str, Version]]:
    """Every hint: who keeps it, for whom, and what it holds."""
    for node, each in sorted(contents.items()):
        for key, data in sorted(each.hints.items()):
            target = key.partition(b"\0")[0].decode()
            yield node, target, version_of(decode(hint.decode(data).record))


def values_of(version: Version) -> Sequence[str]:
    """Names of the values that are alive in it."""
    return [sibling.value for sibling in version.siblings if sibling.value is not None]
