"""What it costs to measure staleness: the same three nodes with it switched on and off, in turn.

The share of judged reads is the default. While it is off as many reads go to all replicas, for repair; so what is
compared is the work of judging, and of remembering what was acknowledged. GET R=1 is the cheapest request there is, and
shows an addition most; PUT pays for the memory. Processor time of all three nodes per request, round by round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Get, Put
from dynamo.workload.report import Ratio, Row, Section, work_ratio
from dynamo.workload.systems import BUCKET, DynamoCluster, asked

NODES = 3
GOAL = 1.05
"""Most that a GET may cost with it, as a multiple of what it costs without."""


def telemetry_cost(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Measure both in turn. Raises ServerFailed."""
    keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)
    filling = Put(keys, BUCKET, w=NODES)
    judging, without = (_operations(keys, filling, how) for how in ("judging", "not judging"))
    with DynamoCluster(folder, NODES, NODES) as ours:

        @contextmanager
        def switched(contender: Contender) -> Iterator[None]:
            switch(ours, on=contender.operation in judging)
            yield

        fill(filling, ours.endpoints, settings, loop)
        rows = []
        # One pair after the other: a write goes on in the nodes for a while, which would fall to the GET behind it.
        for pair in zip(judging, without, strict=True):
            contenders = [Contender(ours, each) for each in pair]
            rows += interleaved(contenders, settings, loop, progress, switched)
    return Section(
        title=f"Telemetry: {NODES} nodes (N={NODES}) that judge reads, and the same nodes while they do not",
        notes=[f"{settings.connections} connections, closed loop; the default share of reads is judged"],
        rows=rows,
        ratios=[
            _cost("processor time per GET R=1, judging / not judging", rows[0], rows[1], GOAL),
            _cost("processor time per PUT W=2, judging / not judging", rows[2], rows[3], None),
        ],
    )


def _operations(keys: KeySpace, filling: Put, how: str) -> list[Get | Put]:
    made: list[Get | Put] = [Get(keys, BUCKET, r=1), Put(keys, BUCKET, w=2, after=filling)]
    for each in made:
        each.name = f"{each.name}, {how}"
    return made


def switch(cluster: DynamoCluster, *, on: bool) -> None:
    """Have all nodes judge, or not. Raises ServerFailed."""
    for _, _, ops_port in cluster.members.values():
        asked(ops_port, "POST", f"/admin/v1/staleness?enabled={str(on).lower()}", None)


def _cost(name: str, judging: Row, without: Row, goal: float | None) -> Ratio:
    return msgspec.structs.replace(work_ratio(name, without, judging), goal=goal, at_most=True)
