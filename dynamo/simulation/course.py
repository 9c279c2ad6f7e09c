"""What all runs of the simulation have in common: a cluster, a history, an end in time, a verdict.

Who inherits says what happens in the run, and what is wrong with its history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from dynamo.checker.history import Bucket, History, Violation
from dynamo.errors import NotReady, WriteTimeout
from dynamo.protocol.bucket import BucketProperties
from dynamo.simulation.cluster import Cluster
from dynamo.simulation.nemesis import Nemesis
from dynamo.simulation.plan import Plan
from dynamo.simulation.world import Stalled, World

OUTCOME_MARGIN_S = 0.1
"""How long after its deadline a request may still end: time-outs of peers and late timers."""
CONVERGENCE_SWEEPS = 3.0
"""In so many sweeps of anti-entropy after the last fault all replicas must be equal, whatever happened before."""
LONGEST_RUN_S = 3600.0
"""Virtual seconds after which something is taken to wait for ever."""
BUCKET_TIMEOUT_S = 5.0


class Verdict(msgspec.Struct):
    """What came of one seed."""

    seed: int
    violations: list[str] = []
    trace_hash: str = ""
    """Over every event: the same seed gives the same one."""
    operations: int = 0
    outcomes: dict[str, int] = {}
    virtual_s: float = 0.0
    converged_s: float = 0.0
    """From the end of the faults until all replicas were equal by themselves; 0 if nobody was to make them so."""
    events: int = 0
    plan: Plan | None = None
    trace: list[str] = []
    """Every event, if it was asked for."""

    @property
    def passed(self) -> bool:
        return not self.violations


def played(world: World, run: Coroutine[Any, Any, None]) -> list[str]:
    """Let a run happen to its end; what the program itself did wrong in it."""
    faults: list[str] = []
    log = logging.getLogger("dynamo")
    listener = _Bugs(faults)
    propagates, log.propagate = log.propagate, False
    log.addHandler(listener)
    try:
        world.run(run)
    except Stalled as stalled:
        faults.append(f"stalled: {stalled}")
    finally:
        log.removeHandler(listener)
        log.propagate = propagates
    return faults


class _Bugs(logging.Handler):
    """Daemons survive their own bugs and log them; here each is a violation."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        problem = record.exc_info[1] if record.exc_info else None
        self._found.append(f"logged-error: {record.getMessage()} {problem!r}")


class Course:
    """One run."""

    quiet_s: float
    """Pause after the faults, before the last looks."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.cluster = Cluster(world, plan.shape, plan.weather, plan.disk)
        self.history = History()
        self.converged_s: float | None = 0.0
        """Seconds from the end of the faults until all replicas were equal; None if they were not in time."""
        self._settings = plan

    async def run(self) -> None:
        """Everything but the verdict."""
        try:
            async with asyncio.timeout(LONGEST_RUN_S):
                await self._parts()
        except TimeoutError:
            raise Stalled(f"the run has not ended after {LONGEST_RUN_S} s of its time") from None

    async def _parts(self) -> None:
        raise NotImplementedError

    async def _make_buckets(self, *wanted: BucketProperties) -> None:
        """Make them on a quiet network, so that every node knows them before the faults begin."""
        stormy, self.cluster.network.weather = self.cluster.network.weather, Nemesis.calm(self._settings)
        await self.world.sleep(stormy.notice_s * 4)
        for bucket in wanted:
            while not await self._made(bucket):
                await self.world.sleep(1.0)
            self.history.add(Bucket(bucket.name, bucket.mode.value, bucket.n))
        await self.world.sleep(5.0)
        self.cluster.network.weather = stormy

    async def _made(self, wanted: BucketProperties) -> bool:
        maker = self.cluster.running[self.cluster.ids[0]]
        try:
            await maker.node.put_bucket(wanted, maker.clock.monotonic() + BUCKET_TIMEOUT_S, "")
        except (NotReady, WriteTimeout):
            return False
        return True

    def _verdict(self, faults: list[str], seen: Iterable[str | Violation], found: list[Violation]) -> Verdict:
        """With what the program did wrong itself, what was seen during the run, and what was found afterwards."""
        if self.converged_s is None:
            text = f"the replicas differ {CONVERGENCE_SWEEPS:g} sweeps of anti-entropy after the last fault"
            found = [*found, Violation("not-converged", ("", ""), text)]
        counts: dict[str, int] = {}
        for operation in self.history.operations.values():
            counts[operation.outcome] = counts.get(operation.outcome, 0) + 1
        unanswered = [f"unanswered: {text}" for text in self.cluster.network.unanswered(self.quiet_s / 2)]
        said = [*faults, *(f"unhandled: {text}" for text in self.world.unhandled), *self.cluster.network.breaches]
        return Verdict(
            seed=self.world.seed,
            trace_hash=self.world.trace_hash,
            operations=len(self.history.operations),
            outcomes=dict(sorted(counts.items())),
            virtual_s=self.world.now(),
            converged_s=self.converged_s or 0.0,
            events=self.world.events,
            violations=[*said, *unanswered, *map(str, [*seen, *found])],
            plan=self._settings,
            trace=self.world.trace,
        )
