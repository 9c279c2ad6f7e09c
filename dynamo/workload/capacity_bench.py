"""One running cluster, its keys, and the measurements that the capacity model needs of it."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

import msgspec

from dynamo.workload.capacity import Kind
from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.cpu import Meter
from dynamo.workload.keys import KeySpace
from dynamo.workload.linearizable import BUCKET as REGISTERS
from dynamo.workload.linearizable import RegisterCluster
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.processes import ServerFailed
from dynamo.workload.register_operations import RegisterCas, RegisterPut
from dynamo.workload.runner import Sample
from dynamo.workload.systems import BUCKET, asked

ALONE, ALONE_REGISTERS = "alone", "alone-registers"
"""Buckets of N=1."""
SYNCS = 100
SYNC_BYTES = 4096
WARM_UP_S = 0.3


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured, and for how long."""

    seconds: float = 1.0
    """Each of the measurements that make the inputs."""
    check_seconds: float = 2.0
    """Each kind at each size."""
    sizes: tuple[int, ...] = (3, 5, 6, 9)
    connections: tuple[int, ...] = (3, 12, 64)
    """Over all of three nodes; the last one is that of the check."""
    keys: int = 3000
    value_bytes: int = 256
    seed: int = 1
    settle_s: float = 8.0
    """Nodes that have just started look at each other, and at their stores, more than later."""
    idle_s: float = 4.0


class Ways(msgspec.Struct, frozen=True):
    """One kind of operation, as it is asked for the model."""

    alone: Operation
    """N=1, at the replica."""
    right: Operation
    """N=3, at a node that can coordinate it."""
    anywhere: Operation
    """At any node; N=1, or, of a kind for which only the first replica will do, N=3."""
    checked: Operation
    """N=3, at any node: what the predictions are for."""


class Bench:
    """A cluster that runs, with every key of its buckets on every replica. `alone` fills those of N=1 as well."""

    def __init__(
        self, cluster: RegisterCluster, timing: Timing, loop: asyncio.Runner, progress: Progress, *, alone: bool
    ) -> None:
        self._cluster, self._loop, self._progress = cluster, loop, progress
        self._settings = Settings(
            connections=timing.connections[-1], keys=timing.keys, rounds=1, warm_up_s=WARM_UP_S, seed=timing.seed
        )
        self._keys = KeySpace(timing.seed, timing.keys, timing.value_bytes)
        self._at = {name: cluster.routed(self._keys, name) for name in (BUCKET, REGISTERS, ALONE, ALONE_REGISTERS)}
        self._put, self._registers = Put(self._keys, BUCKET, w=3), RegisterPut(self._at[REGISTERS], REGISTERS)
        self._put_alone = Put(self._at[ALONE], ALONE, w=1)
        self._registers_alone = RegisterPut(self._at[ALONE_REGISTERS], ALONE_REGISTERS)
        self._get_alone, self._get_anywhere = Get(self._at[ALONE], ALONE, 1), Get(self._keys, ALONE, 1)
        filled: list[Operation] = [self._put, self._registers]
        if alone:
            asked(cluster.endpoints[0][1], "PUT", f"/v1/buckets/{ALONE}", {"n": 1})
            asked(cluster.endpoints[0][1], "PUT", f"/v1/buckets/{ALONE_REGISTERS}", {"mode": "linearizable", "n": 1})
            filled += [self._put_alone, self._registers_alone]
        for operation in filled:
            fill(operation, cluster.endpoints, self._settings, loop)

    def ways(self, kind: Kind) -> Ways:
        """The ways to ask for a kind."""
        keys, at = self._keys, self._at
        if kind.name == "CAS":
            versions = self._registers.versions
            alone = RegisterCas(at[ALONE_REGISTERS], ALONE_REGISTERS, self._registers_alone.versions)
            anywhere = RegisterCas(keys, REGISTERS, versions)
            return Ways(alone, RegisterCas(at[REGISTERS], REGISTERS, versions), anywhere, anywhere)
        if kind.name == "PUT W=2":
            put, alone_put = self._put, self._put_alone
            right, checked = Put(at[BUCKET], BUCKET, 2, put), Put(keys, BUCKET, 2, put)
            return Ways(Put(at[ALONE], ALONE, 1, alone_put), right, Put(keys, ALONE, 1, alone_put), checked)
        r = kind.wanted + 1
        return Ways(self._get_alone, Get(at[BUCKET], BUCKET, r), self._get_anywhere, Get(keys, BUCKET, r))

    def sample(self, operation: Operation, connections: int, seconds: float) -> Sample:
        """One measurement. Raises ServerFailed where an answer was wrong."""
        settings = msgspec.structs.replace(self._settings, connections=connections, seconds=seconds)
        (row,) = interleaved([Contender(self._cluster, operation)], settings, self._loop, lambda _: None)
        (sample,) = row.samples
        if sample.faults:
            raise ServerFailed(f"{operation.name}: {sample.faults} faults, first: {sample.first_fault}")
        self._progress(
            f"{len(self._cluster.pids)} nodes, {connections} connections  {operation.name}: "
            f"{sample.rate:,.0f}/s, {sample.server_cpu_us:.0f} us of processor each"
        )
        return sample

    def commits(self) -> float:
        """Commits of all stores so far."""
        return self._cluster.counts().commits


def idle_us_per_s(cluster: RegisterCluster, timing: Timing) -> float:
    """What a node uses that nobody asks, on average over the nodes, in microseconds for each second."""
    time.sleep(timing.settle_s)
    meter = Meter(cluster.pids)
    before, began = meter.read(), time.monotonic()
    time.sleep(timing.idle_s)
    used_s = meter.read().since(before).servers_s
    return used_s * 1e6 / (time.monotonic() - began) / len(cluster.pids)


def sync_us(folder: Path) -> float:
    """The median time of one synced write of four KiB over bytes that are there already, as the log writes."""
    file = os.open(folder / "synced", os.O_RDWR | os.O_CREAT | getattr(os, "O_DSYNC", 0), 0o600)
    try:
        os.pwrite(file, bytes(SYNCS * SYNC_BYTES), 0)
        times = []
        for number in range(SYNCS):
            began = time.perf_counter()
            os.pwrite(file, b"x" * SYNC_BYTES, number * SYNC_BYTES)
            times.append(time.perf_counter() - began)
    finally:
        os.close(file)
    return statistics.median(times) * 1e6
