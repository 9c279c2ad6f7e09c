"""Systems measured in turn: A B C, A B C, ..., so that what drifts on the machine drifts for all of them.

Medians are over rounds, ratios are taken inside a round. A contender is a system and what it is asked for; how it is
asked (a closed loop) is the runner's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from dynamo.workload.cpu import Meter
from dynamo.workload.operations import Operation
from dynamo.workload.processes import ServerFailed
from dynamo.workload.report import Row
from dynamo.workload.runner import Endpoint, Pace, Sample, measure, once
from dynamo.workload.systems import System
from dynamo.workload.wire import HTTP, Wire

Progress = Callable[[str], None]
"""Told what is being done, a line at a time."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made. Equal settings and seed give equal requests in equal order."""

    seconds: float = 4.0
    """Of each measurement, warm-up not counted."""
    rounds: int = 5
    connections: int = 64
    keys: int = 20_000
    value_bytes: int = 256
    seed: int = 1
    warm_up_s: float = 0.5

    @property
    def pace(self) -> Pace:
        return Pace(connections=self.connections, seconds=self.seconds, warm_up_s=self.warm_up_s)


class Contender(msgspec.Struct, frozen=True):
    """One operation of one running system."""

    system: System
    operation: Operation


def interleaved(
    contenders: Sequence[Contender],
    settings: Settings,
    loop: asyncio.Runner,
    progress: Progress,
    around: Callable[[Contender], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> list[Row]:
    """Measure all contenders in turn, in each round; a row each, in their order. `around` is entered for each of them,
    warm-up included.
    """
    rows = [Row(system=each.system.name, operation=each.operation.name, samples=[]) for each in contenders]
    for number in range(1, settings.rounds + 1):
        for contender, row in zip(contenders, rows, strict=True):
            with around(contender):
                sample = loop.run(closed_loop(contender, settings))
            row.samples.append(sample)
            progress(f"round {number}/{settings.rounds}  {row.system}: {row.operation}  {shown(sample)}")
    return rows


def fill(
    operation: Operation,
    endpoints: Sequence[Endpoint],
    settings: Settings,
    loop: asyncio.Runner,
    wire: Wire = HTTP,
) -> None:
    """Write every key once. Raises ServerFailed if one of them could not be written."""
    recorder = loop.run(once(operation, endpoints, settings.connections, wire))
    if recorder.faults:
        raise ServerFailed(f"{recorder.faults} of {len(operation.keys)} keys not written: {recorder.first_fault}")


async def closed_loop(contender: Contender, settings: Settings) -> Sample:
    """One measurement. Raises ServerFailed if the system ended."""
    system = contender.system
    try:
        return await measure(contender.operation, system.endpoints, settings.pace, Meter(system.pids), system.wire)
    except OSError as problem:
        tails = "\n".join(child.log_tail() for child in system.children)
        raise ServerFailed(f"{system.name} ended during {contender.operation.name}: {problem}\n{tails}") from problem


def shown(sample: Sample) -> str:
    """A measurement in a line of progress."""
    faults = f", {sample.faults} FAULTS: {sample.first_fault}" if sample.faults else ""
    return f"{sample.rate:,.0f}/s, p50 {sample.p50_ms:.2f} ms, {sample.server_cpu_us:.1f} us{faults}"
