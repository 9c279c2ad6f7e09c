"""One slow replica of three: it should not set the tail of reads that need two answers.

Three nodes; the third is reached by the others through a proxy that holds back what they send it. Clients ask the first
two. GET R=2 arrives at a fixed rate that leaves the nodes room, so latencies are those of the requests and not of a
queue. Healthy and slow take turns; both go through the proxy, so that it is on both sides. What hedging costs is read
from the nodes' own counters: reads for which one more replica was asked, over all reads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from dynamo.workload.arrivals import Phase
from dynamo.workload.comparison import Progress, Settings, fill
from dynamo.workload.generator import Load, generate
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Put
from dynamo.workload.processes import Child, free_ports
from dynamo.workload.report import Ratio, Section, Table
from dynamo.workload.systems import BUCKET, DynamoCluster
from dynamo.workload.tally import PhaseTally

NODES = 3
SLOW = "node3"
DELAY_MS = 200
RATE = 500.0
CONNECTIONS = 64
TIMEOUT_MS = 2000
ONSET_S = 2.0
"""The time after the delay was switched, shown by itself: the nodes find out how fast the others are."""
GOAL = 2.0
"""Most that the slow replica's p99 may be, as a multiple of the healthy one's."""
EXTRA_GOAL = 0.05
"""Most extra requests, as a share of all reads."""
_HEADINGS = ["", "reads/s", "good", "not good", "p50 ms", "p90 ms", "p99 ms", "extra requests"]


class ProxiedCluster(DynamoCluster):
    """Three nodes, the last of which the others reach through the proxy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, NODES, NODES)
        self._proxy_port = 0

    def prepare(self) -> None:
        (self._proxy_port,) = free_ports(1)
        peer_port = self.members[SLOW][1]
        command = [sys.executable, "-m", "dynamo.workload.delay_proxy"]
        command += [str(self._proxy_port), str(peer_port), str(DELAY_MS)]
        self.proxy = Child("delaying proxy", command, self._folder / "proxy.log")

    def stop(self) -> None:
        super().stop()
        if self._proxy_port:
            self.proxy.stop()

    def as_seen_by(self, node: str) -> dict[str, list[int]]:
        if node == SLOW:
            return self.members
        client_port, _, ops_port = self.members[SLOW]
        return self.members | {SLOW: [client_port, self._proxy_port, ops_port]}

    def delay(self, *, on: bool) -> None:
        """Switch the delay."""
        os.kill(self.proxy.pid, signal.SIGUSR1 if on else signal.SIGUSR2)

    def hedged(self) -> float:
        """Extra requests of the nodes that clients ask, since their start."""
        asked = [node for node in self.members if node != SLOW]
        return sum(self.metric(node, 'dynamo_hedged_reads_total{result="sent"}') for node in asked)


class Measured(msgspec.Struct, kw_only=True):
    """One measurement."""

    onset: PhaseTally
    tally: PhaseTally
    extra_share: float
    """Extra requests over all reads, those of the onset included."""


def slow_replica(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Measure healthy and slow in turn. Raises ServerFailed."""
    section = Section(
        title=f"Slow replica: one of {NODES} nodes behind {DELAY_MS} ms, GET R=2 through the two others",
        notes=[f"open loop, {RATE:g} reads a second over {CONNECTIONS} connections; median of the rounds"],
    )
    found: dict[str, list[Measured]] = {"healthy": [], "slow": []}
    with ProxiedCluster(folder) as ours:
        keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)
        fill(Put(keys, BUCKET, w=NODES), ours.endpoints, settings, loop)
        load = _load(ours, settings)
        for number in range(1, settings.rounds + 1):
            for name, measured in found.items():
                ours.delay(on=name == "slow")
                measured.append(_measured(ours, load, settings.seconds))
                progress(f"round {number}/{settings.rounds}  {name}: p99 {measured[-1].tally.good_ms(99):.1f} ms")
    lines = [line for name, each in found.items() for line in _lines(name, each)]
    section.tables.append(Table(headings=_HEADINGS, lines=lines))
    section.ratios = _ratios(found["healthy"], found["slow"])
    section.details = {name: msgspec.to_builtins(each, str_keys=True) for name, each in found.items()}
    return section


def _load(ours: ProxiedCluster, settings: Settings) -> Load:
    return Load(
        verb="get",
        quorum=2,
        bucket=BUCKET,
        endpoints=ours.endpoints[: NODES - 1],
        connections=CONNECTIONS,
        timeout_ms=TIMEOUT_MS,
        keys=settings.keys,
        value_bytes=settings.value_bytes,
        seed=settings.seed,
    )


def _measured(ours: ProxiedCluster, load: Load, seconds: float) -> Measured:
    before = ours.hedged()
    phases = [Phase(name="onset", rate=RATE, seconds=ONSET_S), Phase(name="settled", rate=RATE, seconds=seconds)]
    onset, tally = generate(load, phases, [None]).phases
    reads = max(1, onset.offered + tally.offered)
    return Measured(onset=onset, tally=tally, extra_share=(ours.hedged() - before) / reads)


def _ratios(healthy: list[Measured], slow: list[Measured]) -> list[Ratio]:
    pairs = list(zip(slow, healthy, strict=True))
    return [
        Ratio(
            name="p99 with the slow replica / healthy",
            values=[mine.tally.good_ms(99) / max(0.001, other.tally.good_ms(99)) for mine, other in pairs],
            goal=GOAL,
            at_most=True,
        ),
        Ratio(
            name="extra requests / reads, with the slow replica",
            values=[each.extra_share for each in slow],
            goal=EXTRA_GOAL,
            at_most=True,
        ),
    ]


def _lines(name: str, measured: list[Measured]) -> list[list[str]]:
    middle = sorted(measured, key=lambda each: each.tally.good_ms(99))[len(measured) // 2]
    return [
        [
            label,
            f"{tally.phase.rate:,.0f}",
            f"{tally.good:,}",
            f"{tally.offered - tally.good:,}",
            *(f"{tally.good_ms(percent):.1f}" for percent in (50, 90, 99)),
            extra,
        ]
        for label, tally, extra in (
            (f"{name}, first {ONSET_S:g} s", middle.onset, ""),
            (name, middle.tally, f"{middle.extra_share:.1%}"),
        )
    ]
