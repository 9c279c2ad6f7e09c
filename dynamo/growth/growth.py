"""The run over all axes: at each size what the cluster takes when nobody asks, then each operation, then the next size.

A node writes into LMDB behind its requests, and one that began empty compares all its partitions with the others: so
nothing is measured before that is over, and before the first seconds of a node are, with their first prediction. An
operation is a closed loop, as in `workload/runner.py`; its warm-up is not counted.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dynamo.growth import axes
from dynamo.growth.curve import Axis, Curves, Point, Standing
from dynamo.growth.footprint import together
from dynamo.growth.idle_connections import IdleConnections, idle_connections
from dynamo.growth.stage import Fill, Stage, Tools, stage
from dynamo.workload.cpu import Meter
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.operations import Operation
from dynamo.workload.processes import ServerFailed
from dynamo.workload.runner import Pace, Sample, measure

IDLE_S = 2.0
AGE_S = 8.0
"""How old a cluster has to be before it is measured."""
WARM_UP_S = 1.0
SETTLE_S = 60.0
"""How long a cluster may take until it has nothing to do."""
_POLL_S = 0.1

Progress = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    names: tuple[str, ...] = tuple(axes.AXES)
    seconds: float = 4.0
    """Of each measurement."""
    keys_max: int = axes.KEYS_MAX
    seed: int = 1


class Growth(msgspec.Struct, kw_only=True):
    """What a run found."""

    curves: list[Curves]
    idle: IdleConnections | None = None


def run(plan: Plan, folder: Path, fill: Fill, progress: Progress) -> Growth:
    """Follow all axes of the plan; data lies in the folder. Raises ServerFailed. All servers have ended then."""
    allow_open_files()
    found = Growth(curves=[])
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        tools = Tools(folder, loop, plan.seed, fill)
        for name in plan.names:
            axis = axes.AXES[name]
            found.curves.append(_followed(axis, plan, tools, progress))
            if axis is axes.CONNECTIONS:
                found.idle = idle_connections(folder / "idle", axis.sizes[-1])
                progress(f"{axis.sizes[-1]:,} idle connections: {found.idle.bytes_each:,.0f} bytes each")
    return found


def _followed(axis: Axis, plan: Plan, tools: Tools, progress: Progress) -> Curves:
    curves = Curves(axis=axis)
    for size in axes.sizes(axis, plan.keys_max):
        progress(f"{axis.name}: {size:,} {axis.unit}, starting")
        with stage(axis, size, tools) as at:
            curves.standings.append(_standing(size, at))
            for operation in at.operations:
                point = Point(size=size, operation=operation.name, sample=_measured(at, operation, plan, tools))
                curves.points.append(point)
                progress(f"{axis.name}: {size:,} {axis.unit}, {operation.name}  {shown(point)}")
    return curves


def _standing(size: int, at: Stage) -> Standing:
    settle(at)
    meter = Meter(at.cluster.pids)
    before = meter.read()
    began = time.monotonic()
    time.sleep(IDLE_S)
    used, seconds = meter.read().since(before), time.monotonic() - began
    return Standing(size=size, idle_ms_per_s=1000 * used.servers_s / seconds, footprint=together(at.footprints()))


def settle(at: Stage) -> None:
    """Return when a cluster is old enough, all that was written is in LMDB, and no partition is to be compared.

    Raises ServerFailed if that takes too long.
    """
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < at.began_s + AGE_S or _has_work(at):
        if time.monotonic() > deadline:
            raise ServerFailed(f"after {SETTLE_S:g} s the nodes still have something to do")
        time.sleep(_POLL_S)


def _has_work(at: Stage) -> bool:
    return any(each.memtable_bytes or each.rebuilding for each in at.footprints())


def _measured(at: Stage, operation: Operation, plan: Plan, tools: Tools) -> Sample:
    pace = Pace(connections=at.connections, seconds=plan.seconds, warm_up_s=WARM_UP_S, refusals=True)
    meter = Meter(at.cluster.pids)
    try:
        return tools.loop.run(measure(operation, at.cluster.endpoints, pace, meter))
    except (ProcessLookupError, ConnectionRefusedError) as problem:
        tails = "\n".join(child.log_tail() for child in at.cluster.children)
        raise ServerFailed(f"a node ended during {operation.name}: {problem}\n{tails}") from problem


def shown(point: Point) -> str:
    """A point as one line of progress."""
    sample = point.sample
    more = f", {sample.refused:,} refused" if sample.refused else ""
    more += f", {sample.faults} FAULTS: {sample.first_fault}" if sample.faults else ""
    return f"{sample.rate:,.0f}/s, p50 {sample.p50_ms:.2f} ms, {point.cost_us:.1f} us{more}"


def allow_open_files() -> None:
    """Let this process have as many open files as the system allows: each connection is one."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
