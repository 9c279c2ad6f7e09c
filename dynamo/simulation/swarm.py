"""Many seeds, on as many processes as the machine has. Each is a world of its own, so their order means nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, TypeVar

from dynamo.checker.history import History
from dynamo.simulation import register_run, run
from dynamo.simulation.course import Verdict

Mode = Literal["eventual", "linearizable"]
"""What is simulated: buckets whose replicas converge, or one whose keys are agreed on."""
Item = TypeVar("Item")
Made = TypeVar("Made")


def processes_at_hand() -> int:
    """How many processes can run at the same time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_many(seeds: range, processes: int, mode: Mode = "eventual") -> Iterator[Verdict]:
    """The verdict of each seed, as they come. The processes end with the iteration, however it ends."""
    yield from shared(partial(verdict_of, mode), seeds, processes)


def run_one(mode: Mode, seed: int, *, keep_trace: bool = False) -> tuple[Verdict, History]:
    """Run a seed, with its own plan."""
    if mode == "linearizable":
        return register_run.run_seed(seed, keep_trace=keep_trace)
    return run.run_seed(seed, keep_trace=keep_trace)


def shared(work: Callable[[Item], Made], items: Sequence[Item], processes: int) -> Iterator[Made]:
    """What `work` makes of each item, as it is done, by so many processes."""
    processes = max(1, min(processes, len(items)))
    if processes == 1:
        yield from map(work, items)
        return
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_leave_interrupts_to_the_parent) as pool:
        yield from pool.imap_unordered(work, items)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of the terminal; one of them is to react, and it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def verdict_of(mode: Mode, seed: int) -> Verdict:
    """Run one seed; a simulation that itself breaks is a verdict, too."""
    try:
        return run_one(mode, seed)[0]
    except Exception as problem:  # noqa: BLE001  # reported with its seed, and counted as a failure
        where = traceback.format_exception(problem)[-2].strip().replace("\n", " ")
        return Verdict(seed=seed, violations=[f"broken: {problem!r} at {where}"])
