"""What it costs to measure staleness: the same three nodes with it switched on and off, in turn.

The share of judged reads is the default. While it is off as many reads go to all replicas, for repair; so what is
compared is the work of judging, and of remembering what was acknowledged. GET R=1 is the cheapest request there is, and
shows an addition most; PUT pays for the memory. Processor time of all three nodes per request, round by round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        # One after the other: a write goes on in the nodes for a while, which would fall to the GET behind it.
        for make, goal in ((lambda: Get(keys, BUCKET, r=1), GOAL), (lambda: Put(keys, BUCKET, 2, filling), None)):
            pair = _pair(ours, make(), make(), settings, loop, progress)
            name = f"processor time per {pair[0].operation} / not judging"
            ratios.append(Ratio(name=name, values=_costs(*pair), goal=goal, at_most=True))
            rows += pair
    return Section(
        title=f"Telemetry: {NODES} nodes (N={NODES}) that judge reads, and the same nodes while they do not",
        notes=[f"{settings.connections} connections, closed loop; the default share of reads is judged"],
        rows=rows,
        ratios=ratios,
    )


def _pair(
    ours: DynamoCluster,
    judging: Get | Put,
    without: Get | Put,
    settings: Settings,
    loop: asyncio.Runner,
    progress: Progress,
) -> tuple[Row, Row]:
    """A row with the slices of all rounds for each."""

    @contextmanager
    def switched(contender: Contender) -> Iterator[None]:
        switch(ours, on=contender.operation is judging)
        yield

    judging.name, without.name = f"{judging.name}, judging", f"{without.name}, not judging"
    short = msgspec.structs.replace(settings, seconds=2 * settings.seconds / len(SLICES))
    turns = [Contender(ours, judging if on else without) for on in SLICES]
    slices = interleaved(turns, short, loop, progress, switched)
    merged = []
    for wanted, operation in ((True, judging), (False, without)):
        own = [row.samples for row, on in zip(slices, SLICES, strict=True) if on is wanted]
        samples = [sample for of_round in zip(*own, strict=True) for sample in of_round]
        merged.append(Row(system=ours.name, operation=operation.name, samples=samples))
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
