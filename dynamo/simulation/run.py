"""One seed from beginning to verdict.

A run has five parts: the cluster comes up and its buckets are made; clients work while faults come and go; all faults
end, and the replicas become equal within a stated time, with nobody reading; every node serves a read of every key at
R = all, twice; then the disks are looked at and the whole history is judged.
"""

from __future__ import annotations

import asyncio

from dynamo.checker import answers, convergence, outcomes, sessions
from dynamo.checker.history import Bucket, Clocks, Forgets, History, Place, Version
from dynamo.checker.writes import Ledger
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.simulation.audit import Audit
from dynamo.simulation.clients import CARTS, LOOSE, NAMES, Clients
from dynamo.simulation.cluster import N
from dynamo.simulation.course import CONVERGENCE_SWEEPS, OUTCOME_MARGIN_S, Course, Verdict, played
from dynamo.simulation.listings import Lister
from dynamo.simulation.nemesis import Nemesis
from dynamo.simulation.plan import Plan, draw
from dynamo.simulation.recorder import Recorder
from dynamo.simulation.world import World

QUIET_S = 40.0
"""Longer than any clock was ahead, and for the daemons to compare buckets."""


def run_seed(seed: int, *, plan: Plan | None = None, keep_trace: bool = False) -> tuple[Verdict, History]:
    """Run a seed, with its own plan unless another one is given."""
    world = World(seed, keep_trace=keep_trace)
    plan = draw(world.stream("plan")) if plan is None else plan
    simulation = _Simulation(world, plan)
    return simulation.verdict(played(world, simulation.run())), simulation.history


class _Simulation(Course):
    """The parts of one run."""

    quiet_s = QUIET_S

    def __init__(self, world: World, plan: Plan) -> None:
        super().__init__(world, plan)
        self.plan = plan
        self.recorder = Recorder(self.cluster, self.history)
        self.clients = Clients(world, self.recorder, self.cluster.ids, plan.habits)
        self.nemesis = Nemesis(self.cluster, self.recorder, plan)
        self.lister = Lister(self.cluster, self.clients.places(), OUTCOME_MARGIN_S)
        self.audit = Audit(self.cluster, self.recorder, self.clients.places())
        self.finals: dict[Place, Version] | None = None
        """What the replicas hold in the end; None if it never came to that."""

    async def _parts(self) -> None:
        clock_error_s = 0.01 + (self.plan.skew_max_ms / 1000 if self.plan.clock_s else 0.0)
        self.history.add(Clocks(clock_error_s))
        if self.plan.shape.tombstones.reap:
            self.history.add(Forgets(self.plan.shape.tombstones.age_min_s))
        self.cluster.start_all()
        carts, names = (
            BucketProperties(name=name, mode=mode, n=N, sloppy=False)
            for name, mode in ((CARTS, Mode.SIBLINGS), (NAMES, Mode.LWW))
        )
        await self._make_buckets(carts, names)
        self.history.add(Bucket(LOOSE, "siblings", N, strict=False))
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

    def verdict(self, faults: list[str]) -> Verdict:
        """Judge the history."""
        ledger = Ledger(self.history)
        found = outcomes.check(self.history, OUTCOME_MARGIN_S) + answers.check(ledger) + sessions.check(self.history)
        if self.finals is not None:
            found += convergence.check(ledger, self.finals)
        if self.plan.is_calm:
            found += outcomes.all_succeeded(self.history)
        return self._verdict(faults, [*self.lister.violations, *self.audit.violations], found)
