"""What it costs to measure staleness: the same three nodes with it switched on and off, in turn. And what all of
telemetry costs that can be left out: predictions and the console's history as well, which takes three other nodes.

The share of judged reads is the default. While it is off as many reads go to all replicas, for repair; so what is
compared is the work of judging, and of remembering what was acknowledged. GET R=1 is the cheapest request there is, and
shows an addition most; PUT pays for the memory. Processor time of all three nodes per request, round by round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec

from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Get, Put
from dynamo.workload.report import Ratio, Row, Section
from dynamo.workload.runner import Sample
from dynamo.workload.systems import BUCKET, DynamoCluster, asked

NODES = 3
GOAL = 1.05
"""Most that a GET may cost with it, as a multiple of what it costs without."""
WITHOUT = "[telemetry]\nstaleness = false\nhistory_period_s = 0\n[pbs]\nenabled = false\n"
"""Settings of nodes that only count: counters and histograms of requests cannot be switched off."""
SLICES = (True, False, False, True, True, False, False, True)
"""The turns of one round, each a quarter of a measurement's time: what drifts on the machine drifts for both alike."""


def telemetry_cost(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Measure both in turn. Raises ServerFailed."""
    keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)
    filling = Put(keys, BUCKET, w=NODES)
    rows: list[Row] = []
    ratios: list[Ratio] = []
    with DynamoCluster(folder, NODES, NODES) as ours:
        fill(filling, ours.endpoints, settings, loop)
        # First, while both have been written the same.
        pair = _beside(ours, folder / "without", (keys, filling), settings, loop, progress)
        name = f"processor time per {pair[0].operation} / without"
        ratios.append(Ratio(name=name, values=_costs(*pair), goal=GOAL, at_most=True))
        rows += pair
        # One after the other: a write goes on in the nodes for a while, which would fall to the GET behind it.
        for make, goal in ((lambda: Get(keys, BUCKET, r=1), GOAL), (lambda: Put(keys, BUCKET, 2, filling), None)):
            pair = _pair(_switched(ours, make(), make()), settings, loop, progress)
            name = f"processor time per {pair[0].operation} / not judging"
            ratios.append(Ratio(name=name, values=_costs(*pair), goal=goal, at_most=True))
            rows += pair
    return Section(
        title=f"Telemetry: {NODES} nodes (N={NODES}) that judge reads, and the same nodes while they do not",
        notes=[f"{settings.connections} connections, closed loop; the default share of reads is judged"],
        rows=rows,
        ratios=ratios,
    )


Sides = tuple[Contender, Contender, Callable[[Contender], AbstractContextManager[None]]]
"""With telemetry, without it, and what is entered for the time of each measurement."""


def _switched(ours: DynamoCluster, judging: Get | Put, without: Get | Put) -> Sides:
    """The same nodes, told so each time."""

    @contextmanager
    def switched(contender: Contender) -> Iterator[None]:
        switch(ours, on=contender.operation is judging)
        yield

    judging.name, without.name = f"{judging.name}, judging", f"{without.name}, not judging"
    return Contender(ours, judging), Contender(ours, without), switched


def _beside(
    ours: DynamoCluster,
    folder: Path,
    filled: tuple[KeySpace, Put],
    settings: Settings,
    loop: asyncio.Runner,
    progress: Progress,
) -> tuple[Row, Row]:
    """GETs of the nodes as they come, and of others that have no telemetry but counters."""
    keys, filling = filled
    whole, bare = Get(keys, BUCKET, r=1), Get(keys, BUCKET, r=1)
    whole.name, bare.name = f"{whole.name}, all telemetry", f"{bare.name}, without"
    folder.mkdir()
    others = DynamoCluster(folder, NODES, NODES)
    others.settings = WITHOUT
    with others:
        fill(filling, others.endpoints, settings, loop)
        return _pair(
            (Contender(ours, whole), Contender(others, bare), lambda _: nullcontext()), settings, loop, progress
        )


def _pair(sides: Sides, settings: Settings, loop: asyncio.Runner, progress: Progress) -> tuple[Row, Row]:
    """A row with the slices of all rounds for each."""
    judging, without, around = sides
    short = msgspec.structs.replace(settings, seconds=2 * settings.seconds / len(SLICES))
    turns = [judging if on else without for on in SLICES]
    slices = interleaved(turns, short, loop, progress, around)
    merged = []
    for wanted, contender in ((True, judging), (False, without)):
        own = [row.samples for row, on in zip(slices, SLICES, strict=True) if on is wanted]
        samples = [sample for of_round in zip(*own, strict=True) for sample in of_round]
        merged.append(Row(system=contender.system.name, operation=contender.operation.name, samples=samples))
    return merged[0], merged[1]


def _costs(judging: Row, without: Row) -> list[float]:
    """Time per request with it over time without, round by round."""
    count = len(SLICES) // 2
    rounds = range(0, len(judging.samples), count)
    return [
        _work_us(judging.samples[first : first + count]) / max(0.001, _work_us(without.samples[first : first + count]))
        for first in rounds
    ]


def _work_us(samples: Sequence[Sample]) -> float:
    """Processor time per request over all of them."""
    return sum(s.server_cpu_us * s.requests for s in samples) / max(1, sum(s.requests for s in samples))


def switch(cluster: DynamoCluster, *, on: bool) -> None:
    """Have all nodes judge, or not. Raises ServerFailed."""
    for _, _, ops_port in cluster.members.values():
        asked(ops_port, "POST", f"/admin/v1/staleness?enabled={str(on).lower()}", None)
