"""Records of this node over the Storage port: read, replace, scan, and the Merkle leaf that goes with each.

Invariant kept here: a leaf equals the records under it, because both change in one batch (checked again by the auditor
and by the simulation). No byte leaves this file that has not passed its checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from dynamo.consensus.record import digest_of, version_shown
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.digests import contribution, decode_leaf, encode_leaf, leaf_of
from dynamo.layout.keyspaces import (
    Keyspace,
    bucket_range,
    digest_key_of,
    partition_range,
    place_of,
    record_key,
    split_record_key,
    successor,
)
from dynamo.node.quarantine import Quarantine
from dynamo.ports import Change, Storage
from dynamo.ring.preference_list import PreferenceLists
from dynamo.versioning.record import Record, decode, digest, encode, is_sound
from dynamo.versioning.siblings import EMPTY

_CHUNK = 64
"""Records read at a time in a scan: bounds what is in memory at once."""
PAGE_BYTES = 2**20
"""A page of a scan ends before it grows beyond this, unless its first record alone does."""

Done = Callable[[DynamoError | None], None]


class Base:
    """What a write starts from: the newest state of a key, durable or queued."""

    __slots__ = ("data", "record", "stored_key")

    def __init__(self, stored_key: bytes, data: bytes) -> None:
        self.stored_key = stored_key
        self.data = data
        self.record = decode(data) if data else EMPTY


class Replacement(msgspec.Struct, gc=False):
    """A record in byte form that takes the place of another; of both the digests, which is all that a leaf needs."""

    stored_key: bytes
    data: bytes
    digest: int
    before: int | None
    """Of what it replaces; None if there is nothing."""


class Records:
    """Typed view of the store. Reading for an answer shows durable state only."""

    def __init__(
        self,
        storage: Storage,
        preference: PreferenceLists,
        quarantine: Quarantine,
        *,
        sync: bool,
        page_bytes_max: int = PAGE_BYTES,
    ) -> None:
        self._storage = storage
        self._preference = preference
        self.quarantine = quarantine
        self._sync = sync
        """Whether writes are synced unless asked otherwise (`durability = "sync"`)."""
        self._page_bytes_max = page_bytes_max

    def partition(self, bucket: str, key: bytes) -> int:
        """Where a key lies."""
        return self._preference.partition(bucket, key)

    def queued_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._storage.queued_bytes()

    def read(self, bucket: str, key: bytes, partition: int | None = None) -> bytes:
        """The durable record in byte form, its checksum verified; empty if there is none. `partition` if it is known.

        Raises CorruptValue if it is damaged, or was and is not repaired yet.
        """
        if partition is None:
            partition = self._preference.partition(bucket, key)
        stored = record_key(partition, bucket, key)
        if self.quarantine.open:
            self.quarantine.check(stored)
        data = self._storage.read(Keyspace.RECORDS, stored)
        if data is None:
            return b""
        return data if is_sound(data) else self.quarantine.verified(stored, data)

    def has_votes(self, base: Base) -> bool:
        """Whether this node has an acceptor's state of the key, or will have."""
        return self._storage.latest(Keyspace.BALLOTS, base.stored_key) is not None

    def base(self, bucket: str, key: bytes) -> Base:
        """The newest state, to compute the next one from; of a damaged record nothing is left.

        Raises CorruptValue if its page cannot be read.
        """
        return self.base_at(record_key(self._preference.partition(bucket, key), bucket, key))

    def base_at(self, stored: bytes) -> Base:
        """The same of a stored key."""
        data = self._storage.latest(Keyspace.RECORDS, stored) or b""
        try:
            return Base(stored, data)
        except CorruptValue as problem:
            if not self.quarantine.found(stored, data, problem.detail):
                raise
        return Base(stored, b"")

    def shown(self, stored: bytes) -> tuple[int, int | None]:
        """The version that the newest state shows of a linearizable key, 0 if it shows none; and the digest of what
        lies there, None if nothing does. Raises as `base_at`, which reads what is not of the form that was chosen.
        """
        data = self._storage.latest(Keyspace.RECORDS, stored)
        if data is None:
            return 0, None
        found = version_shown(data)
        if found is not None:
            return found[0], digest_of(*found)
        base = self.base_at(stored)
        return 0, digest(base.record) if base.data else None

    def base_to_mint(self, bucket: str, key: bytes, *, sole: bool) -> Base:
        """The same for a write that begins here.

        Raises CorruptValue over a record in doubt, too: its clock could hide what the others still have. Where there
        are no others (`sole`) the write takes the place of what was lost.
        """
        base = self.base(bucket, key)
        if self.quarantine.open and not sole:
            self.quarantine.check_to_mint(base.stored_key)
        return base

    def is_in_doubt(self, base: Base) -> bool:
        """Whether there was a record that is damaged, and not repaired yet."""
        return bool(self.quarantine.open) and base.stored_key in self.quarantine.open

    def replace(self, base: Base, record: Record, data: bytes, done: Done, *, durable: bool = False) -> None:
        """Write `record` (whose byte form is `data`) over `base`, with its leaf."""
        stored = base.stored_key
        place = place_of(stored)
        change = contribution(place, digest(record))
        if base.data:
            change ^= contribution(place, digest(base.record))
        changes = ((Keyspace.RECORDS, stored, data), self._changed_leaf(stored, place, change))
        self._storage.write(changes, durable or self._sync, done)

    def replace_all_unsynced(self, replacements: Iterable[Replacement], done: Done) -> None:
        """Replace several at once, with what another keyspace has on disk already: nobody waits for a sync of its own.
        No key may be in it twice.
        """
        self._storage.write(self._changes(replacements), False, done)

    def _changes(self, replacements: Iterable[Replacement]) -> list[Change]:
        """The records, and their leaves, each of which is read and written once."""
        changes: list[Change] = []
        leaves: dict[bytes, int] = {}
        for new in replacements:
            stored = new.stored_key
            changes.append((Keyspace.RECORDS, stored, new.data))
            place = place_of(stored)
            stored_leaf = digest_key_of(stored, leaf_of(place))
            leaf = leaves.get(stored_leaf)
            if leaf is None:
                leaf = decode_leaf(self._storage.latest(Keyspace.DIGESTS, stored_leaf))
            if new.before is not None:
                leaf ^= contribution(place, new.before)
            leaves[stored_leaf] = leaf ^ contribution(place, new.digest)
        changes += [(Keyspace.DIGESTS, stored_leaf, encode_leaf(leaf)) for stored_leaf, leaf in leaves.items()]
        return changes

    def remove(self, base: Base, done: Done) -> None:
        """Forget a record, with its part of the leaf, durably. What may be forgotten: `repair/tombstones.py`."""
        assert base.data, "there is something to forget"
        stored = base.stored_key
        place = place_of(stored)
        leaf = self._changed_leaf(stored, place, contribution(place, digest(base.record)))
        self._storage.write(((Keyspace.RECORDS, stored, None), leaf), True, done)

    def _changed_leaf(self, stored: bytes, place: int, change: int) -> Change:
        """The leaf of a record that is the only one to change, and changes what it adds by so much."""
        stored_leaf = digest_key_of(stored, leaf_of(place))
        leaf = decode_leaf(self._storage.latest(Keyspace.DIGESTS, stored_leaf))
        return (Keyspace.DIGESTS, stored_leaf, encode_leaf(leaf ^ change))

    def page(self, partition: int, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Durable records of a partition with their stored keys, in order, from `start` (empty: the first)."""
        first, beyond = partition_range(partition)
        return self._storage.scan(Keyspace.RECORDS, max(first, start), beyond, limit)

    def barrier(self, done: Done, *, durable: bool = False) -> None:
        """Done once everything written before is as durable as a write would be."""
        self._storage.write((), durable or self._sync, done)

    def scan(
        self, bucket: str, partition: int, start: bytes, end: bytes, prefix: bytes, limit: int, *, values: bool
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Keys and byte forms from `start` to before `end` (empty: none) under `prefix`, and whether cut short.

        Cut at `limit`, or when the page has grown large. Raises CorruptValue where something in the range is damaged.
        """
        first, beyond = bucket_range(partition, bucket)
        low = max(first, first + start, first + prefix)
        high = min(beyond, first + end) if end else beyond
        if prefix:
            high = min(high, first + _after_prefix(prefix)) if _after_prefix(prefix) else high
        if low >= high:
            return [], False
        entries: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        if self.quarantine.open:
            self.quarantine.check_range(low, high)
        for stored, data in self._pairs(low, high):
            sound = self.quarantine.verified(stored, data)
            shown = sound if values else encode(decode(sound).without_values())
            size_bytes += len(stored) + len(shown)
            if len(entries) == limit or (entries and size_bytes > self._page_bytes_max):
                return entries, True
            entries.append((split_record_key(stored)[2], shown))
        return entries, False

    def _pairs(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        while chunk := self._storage.scan(Keyspace.RECORDS, low, high, _CHUNK):
            yield from chunk
            if len(chunk) < _CHUNK:
                return
            low = successor(chunk[-1][0])


def after(key: bytes) -> bytes:
    """Where a scan goes on after `key`."""
    return successor(key)


def _after_prefix(prefix: bytes) -> bytes:
    """The first key beyond all that begin with `prefix`; empty if there is none."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else b""
