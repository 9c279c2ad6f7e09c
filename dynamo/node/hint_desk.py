"""Where operators meet hints: how many wait, stop and go, throw away, and wait until all are delivered.

The last is a sync point: every hint that was there at the call has been acknowledged when it returns. Hints carry no
numbers, so it is found by rounds of the delivery: one that began after the call, met all hints of a target and failed
with none, has delivered what was there at the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from dynamo.errors import DynamoError, InvalidParameter
from dynamo.layout.keyspaces import Keyspace, successor
from dynamo.node.hint_book import HintBook
from dynamo.ports import Clock, Storage
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import Metrics

log = Log("node")

_PAUSED = b"hints/paused"
_DROP_PAGE = 256


class HintStatus(msgspec.Struct, frozen=True):
    """The hints for one target."""

    target: str
    count: int
    size_bytes: int
    """In the store, keys included."""
    oldest_age_s: float
    """No hint is older."""
    alive: bool
    """Whether the target is held to be reachable."""
    problem: str
    """What stopped the last delivery: a code of the catalogue, or how the peer failed; empty if nothing did."""


class HintDesk:
    """One per node."""

    def __init__(
        self, book: HintBook, clock: Clock, storage: Storage, is_alive: Callable[[str], bool], metrics: Metrics
    ) -> None:
        self._book = book
        self._clock = clock
        self._storage = storage
        self._is_alive = is_alive
        self._metrics = metrics
        self.paused = False
        """Whether an operator has stopped the delivery; kept over restarts."""
        self.problems: dict[str, str] = {}
        """By target: what stopped its last delivery."""
        self.inflight = 0
        """Hints sent and not answered yet."""
        self._begun: dict[str, int] = {}
        self._clean: dict[str, int] = {}
        """By target: the number of the last round that delivered everything it met."""
        self._waiting: list[asyncio.Future[None]] = []

    def load(self) -> None:
        """Find out whether the delivery was stopped."""
        self.paused = self._storage.read(Keyspace.META, _PAUSED) is not None

    # --- for operators

    def status(self) -> list[HintStatus]:
        """Targets with hints here, in order."""
        now_ms = self._clock.wall_ms()
        found = []
        for target in self._book.targets():
            totals = self._book.totals(target)
            age_s = max(0, now_ms - totals.oldest_ms) / 1000
            problem = self.problems.get(target, "")
            found.append(HintStatus(target, totals.count, totals.size_bytes, age_s, self._is_alive(target), problem))
        return found

    async def pause(self) -> None:
        """Deliver no hints until `resume`, also after a restart. Hints are still kept. Raises DynamoError."""
        self.paused = True
        await self._written(b"1")

    async def resume(self) -> None:
        """Deliver again. Raises DynamoError."""
        self.paused = False
        await self._written(None)

    async def drop(self, target: str) -> int:
        """Throw away the hints that are kept for a target now; how many. Raises InvalidParameter, DynamoError.

        What they held reaches the target by anti-entropy only, if another replica has it.
        """
        if not self._book.totals(target).count:
            raise InvalidParameter(f"no hints are kept here for {target!r}", parameter="target")
        dropped, start = 0, b""
        while page := self._book.page(target, start, _DROP_PAGE):
            dropped += await self.remove(target, page)
            start = successor(page[-1][0])
        self._metrics.hints["dropped"].value += dropped
        log.warning("hints were dropped by an operator", target=target, count=dropped)
        self._changed()
        return dropped

    async def wait(self, deadline: float) -> list[str]:
        """Return once all hints that are kept now are delivered; targets that still have some of them at `deadline`."""
        marks = {target: self._begun.get(target, 0) for target in self._book.targets()}
        # Not the clock but its call says that time is up: it may come a little early, and only once.
        late: list[bool] = []

        def time_is_up() -> None:
            late.append(True)
            self._changed()

        self._clock.call_at(deadline, time_is_up)
        while pending := [target for target, mark in marks.items() if not self._is_delivered(target, mark)]:
            if late:
                return pending
            await self._something_ends()
        return []

    # --- for the delivery

    def begin_round(self, target: str) -> int:
        """The delivery starts with the first hint of a target; the round's number."""
        self._begun[target] = self._begun.get(target, 0) + 1
        return self._begun[target]

    def end_round(self, target: str, number: int, *, clean: bool) -> None:
        """It has met them all; `clean` if every one of them was acknowledged or is gone for another stated reason."""
        if clean:
            self._clean[target] = number
            self.problems.pop(target, None)
        self._changed()

    async def remove(self, target: str, ended: list[tuple[bytes, bytes]]) -> int:
        """Remove hints unless they have changed since; how many are durably gone. Raises DynamoError."""
        settled: asyncio.Future[DynamoError | None] = asyncio.get_running_loop().create_future()
        gone = self._book.remove(target, ended, _into(settled))
        error = await settled
        if error is not None:
            raise error
        return gone

    # --- inside

    def _is_delivered(self, target: str, mark: int) -> bool:
        return self._clean.get(target, 0) > mark or self._book.totals(target).count == 0

    async def _something_ends(self) -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(ended)
        try:
            await ended
        finally:
            self._waiting = [other for other in self._waiting if other is not ended]

    def _changed(self) -> None:
        for ended in self._waiting:
            if not ended.done():
                ended.set_result(None)

    async def _written(self, value: bytes | None) -> None:
        settled: asyncio.Future[DynamoError | None] = asyncio.get_running_loop().create_future()
        self._storage.write([(Keyspace.META, _PAUSED, value)], True, _into(settled))
        error = await settled
        if error is not None:
            raise error


def _into(settled: asyncio.Future[DynamoError | None]) -> Callable[[DynamoError | None], None]:
    return lambda error: None if settled.done() else settled.set_result(error)
