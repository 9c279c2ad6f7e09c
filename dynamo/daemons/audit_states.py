"""The auditor's rounds through the states of acceptors.

A damaged state is reported, and stays where it is: taken away, it would read as "nothing promised, nothing accepted",
and that is the one thing that it must not say. The node does not vote on such a key any more, and the key's other
acceptors go on without it.

A state whose register is newer than the key's record was accepted and not learnt, or was not chosen. Which of the two,
the settler finds out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dynamo.daemons.audit_pace import PAGE, PAGE_PAUSE_S
from dynamo.daemons.daemon import pause
from dynamo.errors import CorruptValue
from dynamo.layout import ballot, register
from dynamo.layout.keyspaces import Keyspace, successor
from dynamo.node.chosen import version_of
from dynamo.node.node import Node
from dynamo.repair.faults import state_fault
from dynamo.telemetry.logs import Log

log = Log("daemons")


class StatesAudit:
    """Part of the auditor."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._book = node.audit
        self._known: dict[bytes, None] = {}
        """Stored keys of damaged states that were reported."""

    async def run(self) -> None:
        """One round. Raises CorruptValue for a page that cannot be read."""
        async for page in self._pages():
            for stored, data in page:
                self._audit(stored, data)

    def _audit(self, stored: bytes, data: bytes) -> None:
        self._book.checked += 1
        self._node.metrics.audit_entries.value += 1
        fault = state_fault(stored, data, self._node.ring.partitions)
        if fault:
            self._report(stored, data, fault)
        elif self._is_behind(stored, data):
            self._node.unlearned.add(stored)

    def _report(self, stored: bytes, data: bytes, fault: str) -> None:
        self._book.found += 1
        if stored in self._known:
            return
        self._known[stored] = None
        self._node.metrics.audit_damaged["ballots"].value += 1
        log.error(
            "the vote on a key is damaged",
            stored=stored.hex(),
            fault=fault,
            size_bytes=len(data),
            advice="this node does not vote on the key any more; if another of its replicas is lost, so is the key: "
            "stop this node, move its data directory away and start it, so that it learns from the others",
        )

    def _is_behind(self, stored: bytes, data: bytes) -> bool:
        """Whether the key's record, as it is on disk, shows less than the state holds."""
        accepted = register.decode(ballot.decode(data).value or b"")
        if stored in self._node.unlearned or not accepted.version:
            return False
        try:
            return accepted.version > version_of(self._node.records.base_at(stored).record)
        except CorruptValue:
            return True

    async def _pages(self) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        start = b""
        while page := self._node.storage.scan(Keyspace.BALLOTS, start, None, PAGE):
            yield page
            await pause(self._node.clock, PAGE_PAUSE_S)
            start = successor(page[-1][0])
