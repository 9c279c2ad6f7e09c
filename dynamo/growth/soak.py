"""A long run below the peak: three nodes under a mixed load at a fixed rate, and whether all that can grow stays level.

First the peak of the mix is looked for, as `workload/overload.py` does it; then a share of it is offered for the whole
time by an open loop, so that a stall shows in what waits behind it. The run is cut into windows, each with the times of
its requests (from their intended starts), and at the end of each one memory, files and hints are looked at.

The keys are as many all the time, and each is written again and again: so a store that keeps nothing that it does not
need has no reason to grow. Nodes and generator have a core each, as under overload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from dynamo.growth import level
from dynamo.growth.footprint import Footprint, together
from dynamo.growth.growth import allow_open_files
from dynamo.growth.level import Tolerance, Verdict, verdict
from dynamo.growth.slope import Point
from dynamo.growth.watch import Look, Watch
from dynamo.workload.arrivals import Phase
from dynamo.workload.comparison import Settings, fill
from dynamo.workload.cpu import placement
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.generator import Load, generate
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Put
from dynamo.workload.overload import peak_of
from dynamo.workload.processes import ServerFailed
from dynamo.workload.register_operations import RegisterPut
from dynamo.workload.systems import DynamoCluster, asked
from dynamo.workload.tally import PhaseTally, Tally

NODES = 3
WINDOW_S = 10.0
CONNECTIONS = 300
TIMEOUT_MS = 1000
CHANGES_BEFORE = 12
"""Of each register: of three in a row two are handed on, and the last eight are kept (`consensus/requests.py`)."""
BUCKET, REGISTERS = "soak", "soak-registers"
_MIB = 2**20
Progress = Callable[[str], None]

_OF_NODES: dict[Tolerance, Callable[[Footprint], float]] = {
    level.MEMORY: lambda each: each.own_bytes / _MIB,
    level.DATA: lambda each: each.data_bytes / _MIB,
    level.LOG: lambda each: each.log_bytes / _MIB,
    level.DISK: lambda each: each.disk_bytes / _MIB,
    level.HINTS: lambda each: float(each.hints),
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and how much."""

    minutes: float = 30.0
    load: float = 0.7
    """Share of the peak."""
    keys: int = 20_000
    value_bytes: int = 256
    seed: int = 1
    rate: float = 0.0
    """Requests a second, where the peak is not to be looked for."""

    @property
    def windows(self) -> int:
        return max(1, round(self.minutes * 60 / WINDOW_S))


class Soak(msgspec.Struct, kw_only=True):
    """What a run saw."""

    peak: float
    """Requests a second; 0 where it was not looked for."""
    rate: float
    tally: Tally
    looks: list[Look]
    problem: str = ""
    """Why there were no more looks before the end."""

    @property
    def windows(self) -> list[PhaseTally]:
        return self.tally.phases

    @property
    def seconds(self) -> float:
        return WINDOW_S * len(self.windows)

    @property
    def verdicts(self) -> list[Verdict]:
        """Of each figure there is enough of."""
        found = [verdict(level.P999, {"": self.times(99.9)}, self.seconds), self._unserved()]
        for tolerance, value in _OF_NODES.items():
            found.append(verdict(tolerance, self.of_nodes(value), self.seconds))
        return [each for each in found if each is not None]

    @property
    def failures(self) -> list[str]:
        """Why the run is not passed; empty if it is."""
        said = [f"{each.name} rises" for each in self.verdicts if not each.level]
        wrong = [window for window in self.windows if window.failed]
        if wrong:
            count = sum(window.failed for window in wrong)
            said.append(f"{count} requests failed, first in window {wrong[0].phase.name}: {wrong[0].first_failure}")
        if not self.verdicts:
            said.append("the run was too short for any verdict")
        return [*said, self.problem] if self.problem else said

    def times(self, percent: float) -> list[Point]:
        """A percentile of the good answers of each window, in milliseconds, at the middle of the window."""
        return [(self._middle(number), window.good_ms(percent)) for number, window in enumerate(self.windows)]

    def of_nodes(self, value: Callable[[Footprint], float]) -> dict[str, list[Point]]:
        """A figure of each node over time."""
        names = self.looks[0].nodes if self.looks else {}
        return {name: [(look.at_s, value(look.nodes[name])) for look in self.looks] for name in names}

    def of_all(self, value: Callable[[Footprint], float]) -> list[Point]:
        """A figure of all nodes together."""
        return [(look.at_s, value(together(look.nodes.values()))) for look in self.looks]

    def unserved(self) -> list[Point]:
        """Per cent of each window that was not answered well within its time."""
        return [
            (self._middle(number), 100 * (1 - window.good / max(1, window.offered)))
            for number, window in enumerate(self.windows)
        ]

    def _unserved(self) -> Verdict | None:
        """Not only must it not rise: its median must be within the tolerance as well."""
        found = verdict(level.UNSERVED, {"": self.unserved()}, self.seconds)
        if found is None:
            return None
        return msgspec.structs.replace(found, level=found.level and found.median <= found.allowed)

    @staticmethod
    def _middle(number: int) -> float:
        return WINDOW_S * (number + 0.5)


def run(plan: Plan, folder: Path, progress: Progress) -> Soak:
    """Soak a cluster of its own. Raises ServerFailed. All servers have ended then."""
    allow_open_files()
    server_core, client_core = placement()
    with (
        DynamoCluster(folder, NODES, NODES, core=server_core) as cluster,
        asyncio.Runner(loop_factory=new_event_loop) as loop,
    ):
        load = _prepared(plan, cluster, loop)
        peak = 0.0 if plan.rate else peak_of(load, _settings(plan), loop, client_core)
        rate = plan.rate or plan.load * peak
        progress(f"peak {peak:,.0f}/s" if peak else "the peak is not looked for")
        progress(f"{rate:,.0f}/s for {plan.windows} windows of {WINDOW_S:g} s")
        phases = [Phase(name=str(number), rate=rate, seconds=WINDOW_S) for number in range(plan.windows)]
        with Watch(cluster, folder, WINDOW_S, lambda look: progress(shown(look))) as watch:
            tally = generate(load, phases, [client_core])
        if ended := [child.name for child in cluster.children if child.exit_code is not None]:
            raise ServerFailed(f"{', '.join(ended)} ended during the run: {watch.problem}")
    return Soak(peak=peak, rate=rate, tally=tally, looks=watch.looks, problem=watch.problem)


def shown(look: Look) -> str:
    """A look as one line of progress."""
    whole = together(look.nodes.values())
    return (
        f"{look.at_s:5.0f} s  memory {whole.own_bytes / _MIB:,.0f} MiB, LMDB {whole.data_bytes / _MIB:,.0f} MiB "
        f"({whole.free_bytes / _MIB:,.0f} free), log {whole.log_bytes / _MIB:,.0f} MiB, {whole.hints} hints"
    )


def _prepared(plan: Plan, cluster: DynamoCluster, loop: asyncio.Runner) -> Load:
    port = cluster.endpoints[0][1]
    asked(port, "PUT", f"/v1/buckets/{BUCKET}", {"n": NODES, "mode": "lww"})
    asked(port, "PUT", f"/v1/buckets/{REGISTERS}", {"n": NODES, "mode": "linearizable"})
    # All keys are there before the run: what is only being made would grow.
    keys = KeySpace(plan.seed, plan.keys, plan.value_bytes)
    fill(Put(keys, BUCKET, w=NODES), cluster.endpoints, _settings(plan), loop)
    # And the registers remember as many requests as they will: those that one node has handed on to another stay.
    changed, asked_first = RegisterPut(keys, REGISTERS), cluster.endpoints
    for _ in range(CHANGES_BEFORE):
        fill(changed, asked_first, _settings(plan), loop)
        asked_first = [*asked_first[1:], asked_first[0]]
    return Load(
        verb="mixed",
        quorum=2,
        bucket=BUCKET,
        registers=REGISTERS,
        endpoints=cluster.endpoints,
        connections=CONNECTIONS,
        timeout_ms=TIMEOUT_MS,
        keys=plan.keys,
        value_bytes=plan.value_bytes,
        seed=plan.seed,
    )


def _settings(plan: Plan) -> Settings:
    return Settings(keys=plan.keys, value_bytes=plan.value_bytes, seed=plan.seed)
