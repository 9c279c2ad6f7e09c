"""Measures what the capacity model is fed with, and holds its predictions against clusters of other sizes.

Inputs come from three nodes: what each kind of operation costs at N=1 and N=3, at the right node and at any, under few
and many connections. Of the sizes that are checked the inputs have only what idle nodes use: their loads are predicted.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dynamo.workload.capacity import (
    CALIBRATED_NODES,
    KINDS,
    Costs,
    Inputs,
    Kind,
    Layout,
    cost_us,
    fit,
    local_rate,
    on_a_link,
)
from dynamo.workload.capacity_bench import WARM_UP_S, Bench, Timing, idle_us_per_s, sync_us
from dynamo.workload.comparison import Progress
from dynamo.workload.cpu import cores
from dynamo.workload.linearizable import RegisterCluster
from dynamo.workload.machine import facts
from dynamo.workload.operations import Operation
from dynamo.workload.runner import Sample

Calibrated = tuple[list["Points"], Costs]
ELSEWHERE = 1 - 1 / CALIBRATED_NODES
"""How many requests arrive at a node that is not the one, where there is one of three."""


class Points(msgspec.Struct, frozen=True):
    """One number of connections on three nodes: processor time of an operation, way by way."""

    connections: int
    alone_us: float
    right_us: float
    anywhere_us: float


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of operation on one size of cluster."""

    nodes: int
    kind: str
    predicted_us: float
    measured_us: float
    predicted_rate: float
    """With the cores that others left during the measurement."""
    measured_rate: float
    others_cores: float

    @property
    def error(self) -> float:
        """Of the predicted rate, as a share of the measured one."""
        return self.predicted_rate / self.measured_rate - 1 if self.measured_rate else 0.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found."""

    inputs: Inputs
    points: dict[str, list[Points]]
    checked: list[Checked]
    cores: int
    connections: int
    """Of the check, over all nodes."""
    taken: str = ""
    """UTC, to the second."""
    machine: dict[str, str] = {}


def run(folder: Path, timing: Timing, loop: asyncio.Runner, progress: Progress) -> Run:
    """Measure the inputs, then each size. Raises ServerFailed; nothing is left running, then or ever."""
    idle: dict[int, float] = {}
    costs: dict[str, Costs] = {}
    points: dict[str, list[Points]] = {}
    seen: list[tuple[int, Kind, Sample]] = []
    known: dict[tuple[Operation, int], Sample] = {}
    sync = sync_us(folder)
    for nodes in dict.fromkeys((CALIBRATED_NODES, *timing.sizes)):
        place = folder / f"of-{nodes}"
        place.mkdir()
        progress(f"{nodes} nodes: starting")
        with RegisterCluster(place, nodes, 3) as cluster:
            calibrates = nodes == CALIBRATED_NODES
            idle[nodes] = idle_us_per_s(cluster, timing)
            progress(f"{nodes} nodes that nobody asks: {idle[nodes] / 1000:.1f} ms of processor a second each")
            bench = Bench(cluster, timing, loop, progress, alone=calibrates)
            for kind in KINDS:
                if calibrates:
                    points[kind.name], costs[kind.name] = _calibrated(bench, kind, timing, known)
                if nodes in timing.sizes:
                    sample = bench.sample(bench.ways(kind).checked, timing.connections[-1], timing.check_seconds)
                    seen.append((nodes, kind, sample))
    inputs = inputs_of(costs, idle, sync)
    return Run(
        inputs=inputs,
        points=points,
        checked=[checked(inputs, *each, len(cores()), timing.connections[-1]) for each in seen],
        cores=len(cores()),
        connections=timing.connections[-1],
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=facts(folder),
    )


def _calibrated(bench: Bench, kind: Kind, timing: Timing, known: dict[tuple[Operation, int], Sample]) -> Calibrated:
    """One kind on three nodes. What two kinds have in common is measured once, and `known`."""
    ways, points, full, syncs = bench.ways(kind), [], None, 0.0
    for connections in timing.connections:
        before = bench.commits()
        full = bench.sample(ways.right, connections, timing.seconds)
        # Commits of the warm-up are counted, its requests are not.
        requests = full.requests * (1 + WARM_UP_S / timing.seconds)
        syncs = (bench.commits() - before) / max(1.0, requests)
        alone, anywhere = (
            known.get((way, connections)) or bench.sample(way, connections, timing.seconds)
            for way in (ways.alone, ways.anywhere)
        )
        known[ways.alone, connections], known[ways.anywhere, connections] = alone, anywhere
        points.append(Points(connections, alone.server_cpu_us, full.server_cpu_us, anywhere.server_cpu_us))
    assert full is not None, "there is a number of connections"
    return points, costs_of(kind, points, full, len(cores()), syncs)


def costs_of(kind: Kind, points: Sequence[Points], full: Sample, at_hand: int, syncs: float) -> Costs:
    """What the measurements of a kind say. `full` is one of those with the most connections."""
    sent = kind.sent(CALIBRATED_NODES)
    base = kind.routed == "first"
    alone, replica, elsewhere = [], [], []
    for each in points:
        in_flight = each.connections / CALIBRATED_NODES
        alone.append((in_flight, each.alone_us))
        on_link = on_a_link(CALIBRATED_NODES, in_flight, sent)
        replica.append((on_link, (each.right_us - each.alone_us) / (sent or 1.0)))
        surplus = each.anywhere_us - (each.right_us if base else each.alone_us)
        messages = ELSEWHERE + (sent if base else 0.0)
        elsewhere.append((on_a_link(CALIBRATED_NODES, in_flight, messages), surplus / ELSEWHERE))
    used = full.rate * (full.server_cpu_us + full.client_cpu_us) / 1e6
    return Costs(
        alone=fit(alone),
        replica=fit(replica),
        elsewhere=fit(elsewhere),
        client_us=full.client_cpu_us,
        busy=min(1.0, used / max(0.1, at_hand - full.others_cores)),
        syncs=syncs,
    )


def inputs_of(costs: dict[str, Costs], idle: Mapping[int, float], sync: float) -> Inputs:
    """All inputs. `idle` is that of a node, by the size of its cluster: a line through all sizes gives its growth."""
    middle, mean = statistics.fmean(idle), statistics.fmean(idle.values())
    across = sum((nodes - middle) ** 2 for nodes in idle)
    along = sum((nodes - middle) * (used - mean) for nodes, used in idle.items())
    each = max(0.0, along / across) if across else 0.0
    return Inputs(
        costs=costs,
        idle_us_per_s=max(0.0, mean - each * (middle - 1)),
        idle_peer_us_per_s=each,
        sync_us=sync,
    )


def checked(inputs: Inputs, nodes: int, kind: Kind, sample: Sample, at_hand: int, connections: int) -> Checked:
    """Prediction and measurement side by side."""
    layout = Layout(nodes=nodes, in_flight=connections / nodes)
    return Checked(
        nodes=nodes,
        kind=kind.name,
        predicted_us=cost_us(inputs, kind, layout),
        measured_us=sample.server_cpu_us,
        predicted_rate=local_rate(inputs, kind, layout, max(0.1, at_hand - sample.others_cores)),
        measured_rate=sample.rate,
        others_cores=sample.others_cores,
    )
