"""The auditor's rounds through what is no record: hints and their totals, and bucket properties.

A damaged hint is kept in quarantine and ends: what it held reaches its target from the key's other replicas, by
anti-entropy. Bucket properties are held in memory, and written anew where the disk says something else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dynamo.daemons.audit_pace import PAGE, PAGE_PAUSE_S
from dynamo.daemons.daemon import pause
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.keyspaces import Keyspace, hint_range, split_hint_key, successor
from dynamo.node.node import Node
from dynamo.repair.faults import hint_fault
from dynamo.telemetry.logs import Log

log = Log("daemons")


class NotesAudit:
    """Part of the auditor."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._book = node.audit

    async def run(self) -> None:
        """One round."""
        for target in self._targets():
            await self._audit_hints(target)
        damaged = self._node.buckets.rewrite_damaged()
        self._book.found += damaged
        self._node.metrics.audit_damaged["meta"].value += damaged
        self._count(len(self._node.buckets.everything()))

    def _targets(self) -> list[str]:
        """Whoever has hints here, by the hints themselves."""
        found = dict.fromkeys(self._node.hints.targets())
        start = b""
        while page := self._node.storage.scan(Keyspace.HINTS, start, None, 1):
            target = split_hint_key(page[0][0])[0]
            found[target] = None
            start = hint_range(target)[1]
        return sorted(found)

    async def _audit_hints(self, target: str) -> None:
        hints, count, size_bytes = self._node.hints, 0, 0
        before = hints.totals(target)
        async for page in self._pages(target):
            self._count(len(page))
            damaged = [pair for pair in page if self._is_damaged(*pair)]
            if damaged:
                hints.remove(target, damaged, _unheeded)
            count += len(page) - len(damaged)
            size_bytes += sum(len(k) + len(v) for k, v in page) - sum(len(k) + len(v) for k, v in damaged)
        if hints.totals(target) == before and hints.correct(target, count, size_bytes):
            log.info("the total of the hints for a node was wrong", target=target, hints=count)

    def _is_damaged(self, stored: bytes, data: bytes) -> bool:
        fault = hint_fault(stored, data, self._node.ring.partitions)
        if fault:
            self._book.found += 1
            self._node.quarantine.keep(Keyspace.HINTS, stored, data, fault)
            self._node.hints.report_damage(stored, CorruptValue(fault))
        return bool(fault)

    async def _pages(self, target: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        start = b""
        while page := self._node.hints.page(target, start, PAGE):
            yield page
            await pause(self._node.clock, PAGE_PAUSE_S)
            start = successor(page[-1][0])

    def _count(self, entries: int) -> None:
        self._book.checked += entries
        self._node.metrics.audit_entries.value += entries


def _unheeded(error: DynamoError | None) -> None:
    """What could not be removed is found again."""
    if error is not None:
        log.debug("a damaged hint could not be removed", problem=str(error))
