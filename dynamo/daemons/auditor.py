"""The auditor: reads again everything that this node stores, and judges it.

A *pass* goes through the partitions, one after another, so that the whole takes `audit.period_s`; one that an operator
asked for does not wait. In a partition it walks each bucket: every record is verified (`repair/faults.py`), and the
Merkle leaves are computed from the records and compared with those that are kept. What is damaged goes into quarantine
(`node/quarantine.py`), a leaf that does not fit is written anew, and digests that belong to no record are removed.

A leaf is judged only if it was the same before and after its records were walked, and nothing is queued that changes
it: each write of a record changes its leaf, so equal leaves mean that no write came in between.

States of acceptors, hints and notes have rounds of their own (`audit_states.py`, `audit_notes.py`).

The same walk runs at once over a bucket in which something was found damaged, whoever found it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dynamo.daemons.audit_notes import NotesAudit
from dynamo.daemons.audit_pace import PAGE, PAGE_PAUSE_S
from dynamo.daemons.audit_states import StatesAudit
from dynamo.daemons.daemon import pause
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.digests import contribution, decode_leaf, encode_leaf, leaf_of
from dynamo.layout.keyspaces import (
    Keyspace,
    bucket_range,
    digest_key,
    first_digest,
    partition_range,
    split_digest_key,
    split_record_key,
    successor,
)
from dynamo.node.node import Node
from dynamo.repair.faults import record_fault
from dynamo.ring.token import key_hash
from dynamo.telemetry.logs import Log
from dynamo.versioning.record import decode, digest

log = Log("daemons")

LOOK_S = 1.0
"""How often a waiting pass looks whether there is something to do at once."""
WALK_S_MAX = 30.0
"""A walk that took longer judges no leaf: a key may have come and been reaped within it, and its leaf be as before."""


class Auditor:
    """Daemon."""

    name = "auditor"
    period_s = LOOK_S

    def __init__(self, node: Node) -> None:
        self._node = node
        self._book = node.audit
        self._storage = node.storage
        self._section = node.config.audit
        self._notes = NotesAudit(node)
        self._states = StatesAudit(node)

    async def run_once(self) -> None:
        """See to what was found damaged; a whole pass, if one is due or asked for."""
        await self._see_to_doubts()
        if self._book.asked or (self._section.enabled and self._is_due()):
            await self._pass()

    def _is_due(self) -> bool:
        progress, now_ms = self._book.progress, self._node.clock.wall_ms()
        # A wall clock that was put back must not put off the next pass by as much.
        return progress.next_partition > 0 or not 0 <= now_ms - progress.began_ms < self._section.period_s * 1000

    async def _pass(self) -> None:
        """Go on with the pass that is under way, or begin one."""
        book, partitions = self._book, self._node.ring.partitions
        first = book.progress.next_partition
        if book.asked or first == 0 or first >= partitions:
            first = 0
            book.begin(self._node.clock.wall_ms())
        hurried, book.asked, book.running = book.asked, False, True
        began = self._node.clock.monotonic()
        try:
            for partition in range(first, partitions):
                await self._audit_partition(partition)
                book.reached(partition + 1)
                if not hurried:
                    share = (partition + 1 - first) / partitions
                    hurried = await self._wait(began + share * self._section.period_s)
        finally:
            book.running = False
        await self._audit_notes()
        book.finish(self._node.clock.wall_ms())
        log.info(
            "audit finished",
            entries=book.checked,
            damaged=book.found,
            leaves_rewritten=book.rewritten,
            unreadable=book.unreadable,
        )

    async def _wait(self, until: float) -> bool:
        """Wait for the next partition's turn; True if an operator does not want to wait for it."""
        while (left_s := until - self._node.clock.monotonic()) > 0:
            await self._see_to_doubts()
            if self._book.asked:
                self._book.asked = False
                return True
            await pause(self._node.clock, min(left_s, LOOK_S))
        return False

    async def _see_to_doubts(self) -> None:
        unsure = self._node.quarantine.unsure
        for place in list(unsure):
            # Before the walk: what is found damaged meanwhile needs another one.
            unsure.pop(place, None)
            if not await self.walk(*place):
                unsure[place] = None

    async def _audit_notes(self) -> None:
        for each in (self._notes, self._states):
            try:
                await each.run()
            except CorruptValue as problem:
                self._unreadable(problem)

    async def _audit_partition(self, partition: int) -> None:
        try:
            self._drop_early_digests(partition)
        except CorruptValue as problem:
            self._unreadable(problem)
        for bucket in self._buckets_in(partition):
            await self.walk(partition, bucket)

    def _drop_early_digests(self, partition: int) -> None:
        """Digests of an earlier form of the store lie before those of all buckets, and fit nothing any more."""
        start, _ = partition_range(partition)
        while early := self._storage.scan(Keyspace.DIGESTS, start, first_digest(partition), PAGE):
            self._remove([key for key, _ in early])
            start = successor(early[-1][0])

    def _buckets_in(self, partition: int) -> list[str]:
        """Every bucket that has records or digests there, in name order, known or not."""
        found = dict.fromkeys(bucket.name for bucket in self._node.buckets.everything())
        for space in (Keyspace.RECORDS, Keyspace.DIGESTS):
            try:
                found |= dict.fromkeys(self._buckets_of(space, partition))
            except CorruptValue as problem:
                self._unreadable(problem)
        return sorted(found)

    def _buckets_of(self, space: Keyspace, partition: int) -> list[str]:
        names = []
        start, end = first_digest(partition), partition_range(partition)[1]
        while page := self._storage.scan(space, start, end, 1):
            names.append(split_record_key(page[0][0])[1])
            start = bucket_range(partition, names[-1])[1]
        return names

    async def walk(self, partition: int, bucket: str) -> bool:
        """Verify the records of a bucket in a partition, and its leaves. False if some leaf could not be judged."""
        began = self._node.clock.monotonic()
        due: dict[int, int] = {}
        try:
            before = self._leaves(partition, bucket)
            async for page in self._pages(*bucket_range(partition, bucket)):
                for stored, data in page:
                    self._audit_record(stored, data, due)
            after = self._leaves(partition, bucket)
        except CorruptValue as problem:
            self._unreadable(problem)
            return True
        wrong = [leaf for leaf in sorted(before | after | due) if after.get(leaf, 0) != due.get(leaf, 0)]
        if self._node.clock.monotonic() > began + WALK_S_MAX:
            return not wrong
        at_rest = [leaf for leaf in wrong if before.get(leaf) == after.get(leaf)]
        judged = [self._rewrite(partition, bucket, leaf, due.get(leaf, 0)) for leaf in at_rest]
        return all(judged) and len(at_rest) == len(wrong)

    def _audit_record(self, stored: bytes, data: bytes, due: dict[int, int]) -> None:
        self._count()
        fault = record_fault(stored, data, self._node.ring.partitions)
        if fault:
            self._book.found += 1
            self._node.quarantine.found(stored, data, fault)
            return
        _, bucket, key = split_record_key(stored)
        place = key_hash(bucket, key)
        leaf = leaf_of(place)
        due[leaf] = due.get(leaf, 0) ^ contribution(place, digest(decode(data)))

    def _leaves(self, partition: int, bucket: str) -> dict[int, int]:
        low, high = bucket_range(partition, bucket)
        pairs = self._storage.scan(Keyspace.DIGESTS, low, high, 1 << 16)
        return {split_digest_key(key)[2]: decode_leaf(data) for key, data in pairs}

    def _rewrite(self, partition: int, bucket: str, leaf: int, right: int) -> bool:
        """Write a leaf anew, unless something is queued that changes it. Whether it is right now."""
        stored = digest_key(partition, bucket, leaf)
        if self._storage.read(Keyspace.DIGESTS, stored) != self._storage.latest(Keyspace.DIGESTS, stored):
            return False
        self._book.rewritten += 1
        self._node.metrics.audit_leaves_rewritten.value += 1
        log.info("a Merkle leaf did not fit its records", partition=partition, bucket=bucket, leaf=leaf)
        self._storage.write([(Keyspace.DIGESTS, stored, encode_leaf(right))], False, _unheeded)  # the port's order
        return True

    def _remove(self, keys: list[bytes]) -> None:
        self._book.rewritten += len(keys)
        self._node.metrics.audit_leaves_rewritten.value += len(keys)
        self._storage.write([(Keyspace.DIGESTS, key, None) for key in keys], False, _unheeded)  # the port's order

    async def _pages(self, start: bytes, end: bytes | None) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        while page := self._storage.scan(Keyspace.RECORDS, start, end, PAGE):
            yield page
            await pause(self._node.clock, PAGE_PAUSE_S)
            start = successor(page[-1][0])

    def _count(self) -> None:
        self._book.checked += 1
        self._node.metrics.audit_entries.value += 1

    def _unreadable(self, problem: CorruptValue) -> None:
        self._book.unreadable += 1
        self._node.quarantine.page_damaged(problem)


def _unheeded(error: DynamoError | None) -> None:
    """What could not be written is found again."""
    if error is not None:
        log.debug("the audit could not write", problem=str(error))
