"""Hints of this node over the Storage port: keep, show, remove, and what they come to for each target.

As with records, answers show durable state only and the next state is computed from the newest. Invariant kept here:
the totals of a target equal the sum of its hints, because both change in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from dynamo.config import HintsSection
from dynamo.errors import CorruptValue, DynamoError, InvalidParameter, StorageFull
from dynamo.layout import note
from dynamo.layout.hint import Hint, decode, encode
from dynamo.layout.keyspaces import (
    Keyspace,
    hint_key,
    hint_range,
    record_key,
    successor,
)
from dynamo.node.replica import Replica
from dynamo.node.unsettled import UnsettledChanges
from dynamo.ports import Change, Clock, Storage
from dynamo.protocol.bucket import Mode
from dynamo.replication.hints import HintTotals, kept
from dynamo.replication.read_repair import keep_newest, keep_siblings
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning import record as records

log = Log("node")

_TOTALS = b"hints/totals/"
_PAGE = 100
_totals_decoder = msgspec.msgpack.Decoder(HintTotals)
Done = Callable[[DynamoError | None], None]


class HintBook:
    """One per node."""

    def __init__(
        self,
        settings: HintsSection,
        node: str,
        clock: Clock,
        storage: Storage,
        preference: PreferenceLists,
        replica: Replica,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._storage = storage
        self._preference = preference
        self._replica = replica
        self._metrics = metrics
        self._unsettled = UnsettledChanges()
        self._others = frozenset(m.id for m in preference.ring.members if m.id != node)
        self._targets: dict[str, None] = {}
        """Whoever has hints here, or had some since the start; members of an earlier topology may be among them."""

    def load(self) -> None:
        """Find out for whom there are hints."""
        start, beyond = _TOTALS, _TOTALS[:-1] + b"0"
        for stored, _ in self._storage.scan(Keyspace.META, start, beyond, 2**16):
            self._targets[stored.removeprefix(_TOTALS).decode()] = None

    # --- for requests

    def store(self, target: str, bucket: str, key: bytes, record: bytes, done: Done) -> None:
        """Keep a record for `target`, merged into what is kept for it; `done` once that is synced.

        Raises StorageFull above hints.bytes_max, InvalidParameter, CorruptValue, ClockDrift, ModeConflict: then nothing
        was written.
        """
        self._check_target(target)
        self._replica.refuse_plain(bucket)
        incoming = records.decode(record)
        resolve = keep_newest if self._replica.take_note(bucket, incoming) is Mode.LWW else keep_siblings
        stored = self._stored(target, bucket, key)
        held = self._storage.latest(Keyspace.HINTS, stored)
        hint = kept(
            self._readable(stored, held),
            record,
            incoming,
            resolve,
            now_ms=self._clock.wall_ms(),
            age_max_ms=int(self._settings.age_max_s * 1000),
        )
        data = encode(hint)
        changes: list[Change] = []
        if data != held:
            totals = self.totals(target)
            changed = totals.changed(stored, held, data, hint.first_failed_ms)
            self._check_room(target, totals, changed)
            changes = [(Keyspace.HINTS, stored, data), _totals_change(target, changed)]
        self._targets[target] = None
        event = "created" if held is None else "merged"
        change = self._unsettled.begin(stored, is_new=False)

        def settled(error: DynamoError | None) -> None:
            if error is not None:
                self._replica.lost_batch(error)
            elif changes:
                self._metrics.hints[event].value += 1
                self._replica.mint.kept()
            done(self._unsettled.settle(change, error))

        self._storage.write(changes, True, settled)

    def fetch(self, target: str, bucket: str, key: bytes) -> bytes:
        """The record that is durably kept for `target`; empty if there is none. Raises CorruptValue."""
        data = self._storage.read(Keyspace.HINTS, self._stored(target, bucket, key))
        return b"" if data is None else decode(data).record

    def latest(self, target: str, bucket: str, key: bytes) -> bytes:
        """The same with what still waits for the disk: the base of a write, which carries it away to other nodes.

        Raises CorruptValue.
        """
        stored = self._stored(target, bucket, key)
        data = self._storage.latest(Keyspace.HINTS, stored)
        self._unsettled.carry_away(stored)
        return b"" if data is None else decode(data).record

    def holds_any(self, bucket: str, key: bytes) -> bool:
        """Whether anything is kept for the key, for whomever, durably or about to be."""
        for target in self._targets:
            stored = self._stored(target, bucket, key)
            if self._storage.read(Keyspace.HINTS, stored) or self._storage.latest(Keyspace.HINTS, stored):
                return True
        return False

    # --- for their delivery

    def targets(self) -> list[str]:
        """Whoever has hints here, in order."""
        return sorted(target for target in self._targets if self.totals(target).count)

    def totals(self, target: str) -> HintTotals:
        """What the hints for a target come to, with what still waits for the disk. If damaged, counted anew, once."""
        data = self._storage.latest(Keyspace.META, _TOTALS + target.encode())
        if data is None:
            return HintTotals()
        try:
            return note.decode(data, _totals_decoder, "total of hints")
        except CorruptValue as damage:
            log.warning("the total of the hints for a node is damaged", target=target, problem=damage.detail)
            # A hint that waits for the disk would have its total waiting with it, and what was read is no such one.
            counted = self._counted(target)
            self._storage.write([_totals_change(target, counted)], False, self._note)
            return counted

    def _counted(self, target: str) -> HintTotals:
        """The totals, from the durable hints themselves."""
        totals, start = HintTotals(), b""
        while page := self.page(target, start, _PAGE):
            for stored, data in page:
                totals = totals.changed(stored, None, data, _first_failed_ms(data))
            start = successor(page[-1][0])
        return totals

    def correct(self, target: str, count: int, size_bytes: int) -> bool:
        """A walk has counted the hints for the target. Whether the totals had to be put right.

        A walk takes time, and what waited for the disk when it passed may be there now; so they are counted again, all
        at once. Not while a change of them waits for the disk: it was computed from something that was not counted.
        """
        stored = _TOTALS + target.encode()
        totals = self.totals(target)
        waits = self._storage.read(Keyspace.META, stored) != self._storage.latest(Keyspace.META, stored)
        if waits or (totals.count, totals.size_bytes) == (count, size_bytes):
            return False
        counted = self._counted(target)
        if (totals.count, totals.size_bytes) == (counted.count, counted.size_bytes):
            return False
        self._storage.write([_totals_change(target, counted)], False, self._note)
        self._targets[target] = None
        return True

    def page(self, target: str, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Durable hints for a target in the order of their stored keys, from `start` (empty: the first)."""
        first, beyond = hint_range(target)
        return self._storage.scan(Keyspace.HINTS, max(first, start), beyond, limit)

    def remove(self, target: str, ended: Sequence[tuple[bytes, bytes]], done: Done) -> int:
        """Remove hints, given as stored key and bytes, unless they have changed since; how many go.

        `done` is called once they are durably gone.
        """
        totals = self.totals(target)
        changes: list[Change] = []
        for stored, data in ended:
            if self._storage.latest(Keyspace.HINTS, stored) == data:
                totals = totals.changed(stored, data, None)
                changes.append((Keyspace.HINTS, stored, None))

        def settled(error: DynamoError | None) -> None:
            if error is not None:
                self._replica.lost_batch(error)
            done(error)

        gone = len(changes)
        if changes:
            changes.append(_totals_change(target, totals))
        self._storage.write(changes, True, settled)
        return gone

    def none_older(self, target: str, oldest_ms: int) -> None:
        """All hints for the target were looked at: none is older than that."""
        totals = self.totals(target)
        if totals.count and totals.oldest_ms < oldest_ms:
            changed = msgspec.structs.replace(totals, oldest_ms=oldest_ms)
            self._storage.write([_totals_change(target, changed)], False, self._note)

    def _note(self, error: DynamoError | None) -> None:
        if error is not None:
            self._replica.lost_batch(error)

    # --- inside

    def _stored(self, target: str, bucket: str, key: bytes) -> bytes:
        return hint_key(target, record_key(self._preference.partition(bucket, key), bucket, key))

    def _readable(self, stored: bytes, data: bytes | None) -> Hint | None:
        """What is kept already; None if it is damaged: the new hint takes its place."""
        if data is None:
            return None
        try:
            hint = decode(data)
            records.decode(hint.record)
        except CorruptValue as damage:
            self.report_damage(stored, damage)
            return None
        return hint

    def report_damage(self, stored: bytes, damage: CorruptValue) -> None:
        """A damaged hint is about to go: anti-entropy brings what it held. Its key may be damaged, too."""
        log.warning("a hint is damaged", stored=stored.hex(), problem=damage.detail)
        self._metrics.hints["damaged"].value += 1

    def _check_target(self, target: str) -> None:
        if target not in self._others:
            raise InvalidParameter(f"there is no other node {target} to keep a hint for", parameter="hint_for")
        if not self._settings.enabled:
            self._metrics.hints["refused"].value += 1
            raise StorageFull("this node keeps no hints: hints.enabled is false")

    def _check_room(self, target: str, before: HintTotals, after: HintTotals) -> None:
        if before.size_bytes < after.size_bytes and after.size_bytes > self._settings.bytes_max:
            self._metrics.hints["refused"].value += 1
            raise StorageFull(
                f"the hints for {target} take {before.size_bytes} bytes, hints.bytes_max are "
                f"{self._settings.bytes_max}: no more are kept until it is back"
            )


def _first_failed_ms(data: bytes) -> int:
    """When a hint began to wait; for ever, as far as a damaged one can tell."""
    try:
        return decode(data).first_failed_ms
    except CorruptValue:
        return 0


def _totals_change(target: str, totals: HintTotals) -> Change:
    data = note.encode(totals) if totals.count else None
    return (Keyspace.META, _TOTALS + target.encode(), data)
