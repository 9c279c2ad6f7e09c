"""Pages of a bucket's keys, gathered partition by partition.

Order is by partition, then by key bytes; inside one partition key that is key order. Where the range names one
partition key (a prefix with a `/`, or a start and an end that share one) only its partition is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dynamo.errors import DynamoError
from dynamo.node.coordinator import Coordinator
from dynamo.node.records import after
from dynamo.ports import Clock
from dynamo.protocol.commands import ListCommand, ListOutcome
from dynamo.replication.scan import ScanPage
from dynamo.ring.preference_list import PreferenceLists
from dynamo.versioning.record import Record

_WINDOW_FIRST = 8
_WINDOW_MAX = 64
VALUES_BYTES_MAX = 8 * 2**20
"""A page ends once its values come to this: it is built in memory, and a larger one would hold up everybody else."""
_SCAN_MAX = 1000
"""Records asked of a replica at a time: bounds a reply's size and a replica's work."""


class Listing:
    """Serves one node's list requests."""

    def __init__(self, clock: Clock, preference: PreferenceLists, coordinator: Coordinator) -> None:
        self._clock = clock
        self._preference = preference
        self._coordinator = coordinator

    async def page(self, command: ListCommand, deadline: float, trace: str) -> ListOutcome:
        """Up to `limit` live keys. Raises DynamoError; a listing never leaves out a partition silently."""
        first, after_key = command.after if command.after is not None else (0, b"")
        queue = [p for p in self._partitions(command) if p >= first]
        taken = _Taken(command.limit)
        window = _WINDOW_FIRST
        while queue:
            batch, queue = queue[:window], queue[window:]
            starts = [after(after_key) if after_key and p == first else command.start for p in batch]
            pages = await asyncio.gather(
                *(self._scan(command, p, start, deadline, trace) for p, start in zip(batch, starts, strict=True))
            )
            for index, (partition, found) in enumerate(zip(batch, pages, strict=True)):
                page = found
                full = taken.add(page, self._clock.wall_ms())
                while full is None and page.more:
                    page = await self._scan(command, partition, after(page.entries[-1][0]), deadline, trace)
                    full = taken.add(page, self._clock.wall_ms())
                if full is not None:
                    return self._ended(taken.entries, (partition, full), last=page, rest=batch[index + 1 :] + queue)
            if not command.values:
                window = min(window * 2, _WINDOW_MAX)
        return ListOutcome(taken.entries, None)

    def _ended(
        self, entries: list[tuple[bytes, Record]], after_last: tuple[int, bytes], *, last: ScanPage, rest: list[int]
    ) -> ListOutcome:
        finished = not rest and not last.more and last.entries[-1][0] == after_last[1]
        return ListOutcome(entries, None if finished else after_last)

    async def _scan(self, command: ListCommand, partition: int, start: bytes, deadline: float, trace: str) -> ScanPage:
        future: asyncio.Future[ScanPage] = asyncio.get_running_loop().create_future()
        limit = min(command.limit, _SCAN_MAX)
        self._coordinator.scan(command, partition, start, limit, deadline, trace, _into(future))
        return await future

    def _partitions(self, command: ListCommand) -> list[int]:
        for known in (command.prefix, _shared_prefix(command.start, command.end)):
            if b"/" in known:
                return [self._preference.partition(command.bucket, known)]
        return list(range(self._preference.ring.partitions))


class _Taken:
    """The live entries of a page, as they are gathered."""

    def __init__(self, limit: int) -> None:
        self.entries: list[tuple[bytes, Record]] = []
        self._limit = limit
        self._bytes_left = VALUES_BYTES_MAX

    def add(self, page: ScanPage, now_ms: int) -> bytes | None:
        """Take over what lives in a replicas' page; the last key taken if nothing more fits."""
        for key, record in page.entries:
            live = record.live(now_ms)
            if live:
                self.entries.append((key, record))
                self._bytes_left -= sum(len(s.value or b"") for s in live)
                if len(self.entries) == self._limit or self._bytes_left <= 0:
                    return key
        return None


def _shared_prefix(start: bytes, end: bytes) -> bytes:
    """What every key between the two begins with (the end is exclusive, so this holds for all of them)."""
    length = 0
    for left, right in zip(start, end, strict=False):
        if left != right:
            break
        length += 1
    return start[:length]


def _into(future: asyncio.Future[ScanPage]) -> Callable[[ScanPage | DynamoError], None]:
    def done(outcome: ScanPage | DynamoError) -> None:
        if future.done():
            return
        if isinstance(outcome, DynamoError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    return done
