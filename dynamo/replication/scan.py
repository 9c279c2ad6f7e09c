"""QuorumScan: the keys of a bucket in one partition, merged from R replicas.

Each replica returns a page in key order. Beyond the last key of a page that was cut short that replica is silent, not
empty; so the merged page ends at the smallest such key, and the next one begins after it.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import CorruptValue, DynamoError, ReadTimeout
from dynamo.protocol.effects import Effects, Finish, PeerError, Send, WakeAt
from dynamo.protocol.messages import Message, Scan, Scanned
from dynamo.replication.read_repair import Resolve
from dynamo.versioning.record import Record, decode


class ScanPage(msgspec.Struct, gc=False):
    """Merged records in key order, dead ones included."""

    entries: list[tuple[bytes, Record]]
    more: bool
    """More may follow `entries[-1]`."""


class QuorumScan:
    """Machine. `replicas` are the live primaries, nearest first; `needed` of them must answer."""

    __slots__ = ("_corrupt", "_deadline", "_needed", "_pages", "_pending", "_resolve", "_scan", "_unasked", "outcome")

    def __init__(self, replicas: tuple[str, ...], scan: Scan, needed: int, resolve: Resolve, deadline: float) -> None:
        assert len(replicas) >= needed, "too few replicas must be refused before"
        self._scan = scan
        self._needed = needed
        self._resolve = resolve
        self._deadline = deadline
        self._pending = list(replicas[:needed])
        self._unasked = list(replicas[needed:])
        self._pages: list[ScanPage] = []
        self._corrupt: CorruptValue | None = None
        self.outcome: ScanPage | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        return [*(Send(peer, self._scan) for peer in self._pending), WakeAt(self._deadline)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None or peer not in self._pending:
            return []
        assert isinstance(message, Scanned), message
        self._pending.remove(peer)
        try:
            self._pages.append(ScanPage([(key, decode(data)) for key, data in message.entries], message.more))
            if len(self._pages) < self._needed:
                return []
            return self._finish(merged_page(self._pages, self._resolve))
        except CorruptValue as problem:
            self._corrupt = problem
            return self._replace()

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None or peer not in self._pending:
            return []
        self._pending.remove(peer)
        if isinstance(error.error, CorruptValue):
            self._corrupt = error.error
        return self._replace()

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is None and now >= self._deadline:
            return self._finish(self._too_late())
        return []

    def _replace(self) -> Effects:
        """A replica failed: ask the next one, or give up."""
        if self._unasked:
            self._pending.append(self._unasked.pop(0))
            return [Send(self._pending[-1], self._scan)]
        return self._finish(self._corrupt or self._too_late())

    def _too_late(self) -> ReadTimeout:
        return ReadTimeout(
            f"{len(self._pages)} of the {self._needed} replicas needed listed their keys in time; retry",
            received=len(self._pages),
            required=self._needed,
        )

    def _finish(self, outcome: ScanPage | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]


def merged_page(pages: list[ScanPage], resolve: Resolve) -> ScanPage:
    """One page of several replicas' pages. Raises CorruptValue if one dot has two values."""
    cut = [page.entries[-1][0] for page in pages if page.more and page.entries]
    horizon = min(cut) if cut else None
    found: dict[bytes, Record] = {}
    for page in pages:
        for key, record in page.entries:
            if horizon is not None and key > horizon:
                break
            found[key] = resolve(found.get(key, record), record)
    return ScanPage(sorted(found.items()), more=horizon is not None)
