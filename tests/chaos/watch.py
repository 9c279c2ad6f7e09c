"""What is measured while it happens: once a second the nodes' metrics and stores, for the time line and convergence."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from dynamo.checker.history import Place
from dynamo.ring.preference_list import PreferenceLists
from tests.chaos import stores
from tests.chaos.nodes import ChaosNode

EVERY_S = 1.0
SCRAPE_S = 0.5
AGAIN_S = 0.3
SETTLED_S = 4.0
"""A key that was written to so lately may differ: its write is still on the way."""
REPAIRERS: dict[str, tuple[str, ...]] = {
    "hints": ('dynamo_hints_total{event="delivered"}', 'dynamo_hints_total{event="handed_over"}'),
    "read repair": (
        'dynamo_read_repairs_total{trigger="before_answer"}',
        'dynamo_read_repairs_total{trigger="after_answer"}',
    ),
    "anti-entropy": ('dynamo_repair_keys_total{result="repaired"}',),
}
"""Who mends what differs, and the series that say so."""
EVENTS: dict[str, tuple[str, ...]] = {
    "writes that counted fallbacks": ("dynamo_sloppy_writes_total",),
    "writes coordinated by a fallback": ("dynamo_stand_in_writes_total",),
    "nodes declared dead, by each of the others": ("dynamo_deaths_declared_total",),
    "such verdicts contradicted": ("dynamo_refutations_total",),
    "tombstones forgotten, on each replica": ("dynamo_reaped_records_total",),
    "comparisons of two replicas": ("dynamo_repair_exchanges_total",),
    "incarnations renewed": ("dynamo_incarnation_renewals_total",),
}
"""What else the nodes count that a reader of a run wants to know."""
PAXOS_EVENTS: dict[str, tuple[str, ...]] = {
    "rounds on a lead": ('dynamo_paxos_rounds_total{kind="lead"}',),
    "rounds in two phases": ('dynamo_paxos_rounds_total{kind="full"}',),
    "rounds with others interfering": ('dynamo_paxos_rounds_total{kind="contended"}',),
    "messages rejected by acceptors": ("dynamo_paxos_rejections_total",),
    "keys whose votes were asked for after a wipe": ("dynamo_rejoin_keys_total",),
    "rounds begun anew": ("dynamo_paxos_backoffs_total",),
    "changes taken over from a silent coordinator": ("dynamo_paxos_takeovers_total",),
    "linearizable reads in one round trip": ('dynamo_paxos_reads_total{way="fast"}',),
    "linearizable reads that replayed or took a round": (
        'dynamo_paxos_reads_total{way="replayed"}',
        'dynamo_paxos_reads_total{way="round"}',
    ),
}
"""The same for buckets that are linearizable."""


@dataclass(slots=True)
class Sample:
    """One look at everything."""

    at_s: float
    up: int
    """Nodes that answered."""
    hints: int
    """Kept by all nodes together."""
    differing: int
    """Keys whose replicas differ, though nobody wrote to them lately."""
    repaired: dict[str, int]
    """By mechanism, since the run began."""


@dataclass(slots=True)
class Watch:
    """One per run."""

    nodes: Sequence[ChaosNode]
    lists: PreferenceLists
    now: Callable[[], float]
    written_at: Mapping[Place, float]
    replicas: Mapping[str, int]
    """Of buckets that have not the usual number."""
    counted: Mapping[str, tuple[str, ...]]
    """Events, and the series that count them."""
    samples: list[Sample] = field(default_factory=list)
    _counted: dict[tuple[str, str], float] = field(default_factory=dict)
    _sums: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SCRAPE_S)) as session:
            while True:
                began = time.monotonic()
                await self.look(session)
                await asyncio.sleep(max(0.1, EVERY_S - (time.monotonic() - began)))

    async def look(self, session: aiohttp.ClientSession) -> Sample:
        """One sample."""
        pages = await asyncio.gather(*(self._page(session, node) for node in self.nodes))
        for node, page in zip(self.nodes, pages, strict=True):
            self._count(node.id, page or "")
        hints, differing = await asyncio.to_thread(self._stores)
        repaired = {name: round(self._sums.get(name, 0)) for name in REPAIRERS}
        sample = Sample(self.now(), sum(page is not None for page in pages), hints, differing, repaired)
        self.samples.append(sample)
        return sample

    def events(self) -> dict[str, int]:
        """How often each of them has happened so far, on all nodes together."""
        return {name: round(self._sums.get(name, 0)) for name in self.counted}

    async def _page(self, session: aiohttp.ClientSession, node: ChaosNode) -> str | None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.get(f"{node.operations}/metrics") as answer:
                return await answer.text()
        return None

    def _count(self, node: str, page: str) -> None:
        """Add up what the counters grew by; one that fell belongs to a process that was started anew."""
        for what, names in {**REPAIRERS, **self.counted}.items():
            for series, value in series_of(page, names):
                before = self._counted.get((node, series), 0.0)
                grown = value - before if value >= before else value
                self._sums[what] = self._sums.get(what, 0.0) + grown
                self._counted[node, series] = value

    def _stores(self) -> tuple[int, int]:
        contents, differing = self._differing()
        if differing:
            # The stores are read one after the other: what changes on all of them just then is no difference.
            time.sleep(AGAIN_S)
            differing &= self._differing()[1]
        return sum(len(each.hints) for each in contents.values()), len(differing)

    def _differing(self) -> tuple[dict[str, stores.Content], set[Place]]:
        contents = {node.id: stores.content(node.data) for node in self.nodes}
        settled = time.monotonic() - SETTLED_S
        differing = stores.diverged(
            contents, self.lists, self.replicas, lambda place: self.written_at.get(place, 0.0) < settled
        )
        return contents, set(differing)


def series_of(page: str, names: Sequence[str]) -> list[tuple[str, float]]:
    """These series of a page of Prometheus text; a name without labels stands for all that have it."""
    found = []
    for line in page.splitlines():
        series, _, value = line.rpartition(" ")
        if series in names or series.partition("{")[0] in names:
            found.append((series, float(value)))
    return found


def recovery_s(samples: Sequence[Sample], from_s: float) -> dict[str, float | None]:
    """Seconds from a moment until no hint was left, and until all replicas were equal, and stayed so. None: never."""
    after = [sample for sample in samples if sample.at_s >= from_s]
    return {
        "hints delivered": _until(after, from_s, lambda sample: sample.hints == 0),
        "replicas equal": _until(after, from_s, lambda sample: sample.differing == 0),
    }


def _until(samples: Sequence[Sample], from_s: float, holds: Callable[[Sample], bool]) -> float | None:
    since: float | None = None
    for sample in samples:
        if not holds(sample):
            since = None
        elif since is None:
            since = sample.at_s
    return None if since is None else round(since - from_s, 1)
