"""A cluster of sampled nodes under four loads in turn, as the benchmark asks them.

Reads come first, while nothing is being written: what a write leaves behind (the log that is taken into LMDB, what was
chosen told to replicas) would fall to whoever comes next. Each load begins when the nodes are quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dynamo.workload.comparison import Settings, fill
from dynamo.workload.cpu import process_s
from dynamo.workload.keys import KeySpace
from dynamo.workload.linearizable import BUCKET as REGISTERS
from dynamo.workload.linearizable import RegisterCluster
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.processes import ServerFailed
from dynamo.workload.register_operations import RegisterCas, RegisterPut
from dynamo.workload.runner import measure
from dynamo.workload.systems import BUCKET
from tests.profile.shares import Marking, shared
from tests.profile.tables import Profile

NODES = 3
QUIET_SHARE = 0.1
"""Of one core, what all nodes together may use when a load begins."""
LOOK_S = 0.5
QUIET_TIMEOUT_S = 30.0


class SampledCluster(RegisterCluster):
    """The cluster of the benchmark, each node with a file of its samples."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, NODES, NODES)
        self.files = [folder / f"{node}.samples" for node in self.program]
        self.program = {
            node: ("-m", "tests.profile.sampled", str(file))
            for node, file in zip(self.program, self.files, strict=True)
        }


def profile(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Callable[[str], None]) -> list[Profile]:
    """Measure all loads. Raises ServerFailed, also if an answer was wrong."""
    keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)
    profiles = []
    with SampledCluster(folder) as ours:
        progress("filling")
        filled, registers = Put(keys, BUCKET, w=NODES), RegisterPut(ours.routed(keys), REGISTERS)
        fill(filled, ours.endpoints, settings, loop)
        fill(registers, ours.endpoints, settings, loop)
        loads: list[Operation] = [
            Get(keys, BUCKET, r=1),
            Get(keys, BUCKET, r=2),
            Put(keys, BUCKET, w=2, after=filled),
            RegisterCas(registers.keys, REGISTERS, registers.versions),
        ]
        for load in loads:
            wait_until_quiet(ours.pids)
            meter = Marking(ours.pids, ours.files)
            sample = loop.run(measure(load, ours.endpoints, settings.pace, meter))
            if sample.faults:
                raise ServerFailed(f"{load.name}: {sample.faults} faults, first: {sample.first_fault}")
            profiles.append(Profile(load.name, sample, shared(meter.samples(), meter.used())))
            progress(f"{load.name}: {sample.rate:,.0f}/s, {sample.server_cpu_us:.1f} us")
    return profiles


def wait_until_quiet(pids: Sequence[int]) -> None:
    """Return when the processes do next to nothing. Raises ServerFailed if that takes too long."""
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    while time.monotonic() < deadline:
        before = sum(map(process_s, pids))
        time.sleep(LOOK_S)
        if sum(map(process_s, pids)) - before < QUIET_SHARE * LOOK_S:
            return
    raise ServerFailed(f"the nodes are still busy {QUIET_TIMEOUT_S:g} s after the load before")
