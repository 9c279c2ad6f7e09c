"""One seed from beginning to verdict.

A run has five parts: the cluster comes up and its buckets are made; clients work while faults come and go; all faults
end, and the replicas become equal within a stated time, with nobody reading; every node serves a read of every key at
R = all, twice; then the disks are looked at and the whole history is judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from dynamo.checker import answers, convergence, outcomes, sessions
from dynamo.checker.history import Bucket, Clocks, Forgets, History, Place, Version, Violation
from dynamo.checker.writes import Ledger
from dynamo.errors import NotReady, WriteTimeout
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.simulation.audit import Audit
from dynamo.simulation.clients import CARTS, LOOSE, NAMES, Clients
from dynamo.simulation.cluster import Cluster, N
from dynamo.simulation.listings import Lister
from dynamo.simulation.nemesis import Nemesis
from dynamo.simulation.plan import Plan, draw
from dynamo.simulation.recorder import Recorder
from dynamo.simulation.world import Stalled, World

OUTCOME_MARGIN_S = 0.1
"""How long after its deadline a request may still end: time-outs of peers and late timers."""
QUIET_S = 40.0
"""Pause after the faults: longer than any clock was ahead, and for the daemons to compare buckets."""
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


def run_seed(seed: int, *, plan: Plan | None = None, keep_trace: bool = False) -> tuple[Verdict, History]:
    """Run a seed, with its own plan unless another one is given."""
    world = World(seed, keep_trace=keep_trace)
    plan = draw(world.stream("plan")) if plan is None else plan
    simulation = _Simulation(world, plan)
    return simulation.verdict(played(world, simulation.run())), simulation.history


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


class _Simulation:
    """The parts of one run."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.cluster = Cluster(world, plan.shape, plan.weather, plan.disk)
        self.history = History()
        self.recorder = Recorder(self.cluster, self.history)
        self.clients = Clients(world, self.recorder, self.cluster.ids, plan.habits)
        self.nemesis = Nemesis(self.cluster, self.recorder, plan)
        self.lister = Lister(self.cluster, self.clients.places(), OUTCOME_MARGIN_S)
        self.audit = Audit(self.cluster, self.recorder, self.clients.places())
        self.finals: dict[Place, Version] | None = None
        """What the replicas hold in the end; None if it never came to that."""
        self.converged_s: float | None = 0.0
        """Seconds from the end of the faults until all replicas were equal; None if they were not in time."""

    async def run(self) -> None:
        """Everything but the verdict."""
        try:
            async with asyncio.timeout(LONGEST_RUN_S):
                await self._parts()
        except TimeoutError:
            raise Stalled(f"the run has not ended after {LONGEST_RUN_S} s of its time") from None

    async def _parts(self) -> None:
        clock_error_s = 0.01 + (self.plan.skew_max_ms / 1000 if self.plan.clock_s else 0.0)
        self.history.add(Clocks(clock_error_s))
        if self.plan.shape.tombstones.reap:
            self.history.add(Forgets(self.plan.shape.tombstones.age_min_s))
        self.cluster.start_all()
        await self._make_buckets()
        faults = [self.world.loop.create_task(fault()) for fault in self.nemesis.faults()]
        listing = self.world.loop.create_task(self.lister.run())
        await self.clients.run()
        listing.cancel()
        self.nemesis.heal()
        await asyncio.gather(*faults)
        self.nemesis.heal()
        if self.plan.shape.repair.enabled:
            self.converged_s = await self.audit.converge(CONVERGENCE_SWEEPS * self.plan.shape.repair.period_s)
        await self.world.sleep(QUIET_S)
        await self.audit.read_all()
        self.finals = self.audit.finals()
        await self.lister.compare(self.finals)
        await self.world.sleep(QUIET_S)
        self.audit.inspect()

    async def _make_buckets(self) -> None:
        """Make two buckets on a quiet network, so that every node knows them before the faults begin."""
        stormy, self.cluster.network.weather = self.cluster.network.weather, Nemesis.calm(self.plan)
        await self.world.sleep(stormy.notice_s * 4)
        for name, mode in ((CARTS, Mode.SIBLINGS), (NAMES, Mode.LWW)):
            wanted = BucketProperties(name=name, mode=mode, n=N, sloppy=False)
            while not await self._made(wanted):
                await self.world.sleep(1.0)
            self.history.add(Bucket(name, "lww" if mode is Mode.LWW else "siblings", N))
        self.history.add(Bucket(LOOSE, "siblings", N, strict=False))
        await self.world.sleep(5.0)
        self.cluster.network.weather = stormy

    async def _made(self, wanted: BucketProperties) -> bool:
        maker = self.cluster.running[self.cluster.ids[0]]
        try:
            await maker.node.put_bucket(wanted, maker.clock.monotonic() + BUCKET_TIMEOUT_S, "")
        except (NotReady, WriteTimeout):
            return False
        return True

    def verdict(self, faults: list[str]) -> Verdict:
        """Judge the history."""
        ledger = Ledger(self.history)
        found = outcomes.check(self.history, OUTCOME_MARGIN_S) + answers.check(ledger) + sessions.check(self.history)
        if self.finals is not None:
            found += convergence.check(ledger, self.finals)
        if self.converged_s is None:
            text = f"the replicas differ {CONVERGENCE_SWEEPS:g} sweeps of anti-entropy after the last fault"
            found.append(Violation("not-converged", ("", ""), text))
        if self.plan.is_calm:
            found += outcomes.all_succeeded(self.history)
        counts: dict[str, int] = {}
        for operation in self.history.operations.values():
            counts[operation.outcome] = counts.get(operation.outcome, 0) + 1
        unanswered = [f"unanswered: {text}" for text in self.cluster.network.unanswered(QUIET_S / 2)]
        said = [*faults, *(f"unhandled: {text}" for text in self.world.unhandled), *self.cluster.network.breaches]
        return Verdict(
            seed=self.world.seed,
            trace_hash=self.world.trace_hash,
            operations=len(self.history.operations),
            outcomes=dict(sorted(counts.items())),
            virtual_s=self.world.now(),
            converged_s=self.converged_s or 0.0,
            events=self.world.events,
            violations=[*said, *unanswered, *map(str, [*self.lister.violations, *self.audit.violations, *found])],
            plan=self.plan,
            trace=self.world.trace,
        )
