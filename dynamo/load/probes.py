"""The staleness probe: write, wait for the acknowledgement, wait t, read through another node, compare.

It asks one question of a store: how sure is it, t after a write was acknowledged, that a reader elsewhere sees it?
(PBS calls that t-visibility: Bailis et al., "Probabilistically bounded staleness for practical partial quorums",
2012.) Each probe key has one writer and one probe at a time, so the write that the read must show is simply the last
one. All pairs of levels and all delays take turns, in an order that is shuffled once, so that they meet the same
weather.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from typing import NamedTuple

from dynamo.load.plan import Plan
from dynamo.load.requests import PROBES
from dynamo.report.counts import Counts, Probed


class Cell(NamedTuple):
    """What one probe is about: places of levels, and the delay in seconds."""

    read: int
    write: int
    delay_s: float


class Probe:
    """One probe under way."""

    __slots__ = ("acknowledged", "cell", "key", "number", "wrote_to")

    def __init__(self, cell: Cell, key: int) -> None:
        self.cell = cell
        self.key = key
        self.number = 0
        """Of its write, in the book."""
        self.wrote_to = -1
        self.acknowledged = 0.0


class Probes:
    """What to probe next, and what came of it. Knows no clock: it is told the time."""

    def __init__(self, plan: Plan, part: int, parts: int) -> None:
        probing = plan.probing
        self._reads = [each.level for each in plan.reads]
        self._writes = [each.level for each in plan.writes]
        cells = [
            Cell(read, write, delay / 1000)
            for read in range(len(self._reads))
            for write in range(len(self._writes))
            for delay in probing.delays_ms
        ]
        random.Random(plan.seed + part).shuffle(cells)
        self._cells = deque(cells)
        self._keys = deque(PROBES + key for key in range(part, max(probing.keys, parts), parts))
        self.every_s = parts / probing.rate if probing.rate else 0.0
        """Seconds between two probes of this worker; 0: there are none."""
        self._waiting: list[tuple[float, int, Probe]] = []
        self._order = 0
        self._counted: dict[Cell, Probed] = {}

    def begin(self) -> Probe | None:
        """The next probe; None while all of its keys are in use."""
        if not self._keys:
            return None
        self._cells.rotate(-1)
        return Probe(self._cells[0], self._keys.popleft())

    def acknowledged(self, probe: Probe, now: float) -> None:
        """Its write was acknowledged: the read is due after the delay."""
        probe.acknowledged = now
        self._order += 1
        heapq.heappush(self._waiting, (now + probe.cell.delay_s, self._order, probe))

    def due(self, now: float) -> Probe | None:
        """A probe whose read is to be sent now, if there is one."""
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[2]
        return None

    @property
    def next_s(self) -> float | None:
        """When the next read is due."""
        return self._waiting[0][0] if self._waiting else None

    def ended(self, probe: Probe, verdict: int | None, versions: int, read_began: float) -> None:
        """It is over; `verdict` None: something failed, and there is nothing to count."""
        self._keys.append(probe.key)
        if verdict is None:
            return
        counted = self._counted.setdefault(probe.cell, Probed())
        counted.verdicts[verdict] += 1
        counted.versions += versions
        counted.waited_s += max(0.0, read_began - probe.acknowledged)

    def give(self, counts: Counts) -> None:
        """Add what was counted to `counts`, and begin anew."""
        for cell, probed in self._counted.items():
            counts.probes[f"{self._reads[cell.read]} {self._writes[cell.write]} {cell.delay_s * 1000:g}"] = probed
        self._counted = {}
