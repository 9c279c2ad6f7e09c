"""One seed of a linearizable bucket, from beginning to verdict.

As in `run.py`: the cluster comes up and the bucket is made; clients work while faults come and go; all faults end. Then
every node must serve every key within a stated time, say what became of every request of unknown outcome, and read what
was chosen; the ordinary records follow by themselves. Then the disks are looked at and the whole history is judged.
"""

from __future__ import annotations

import asyncio

from dynamo.checker import gaps, linearizability, outcomes
from dynamo.checker.history import History, Place, Violation
from dynamo.checker.recorded import operations
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.simulation.audit import Audit
from dynamo.simulation.cluster import N
from dynamo.simulation.course import CONVERGENCE_SWEEPS, OUTCOME_MARGIN_S, Course, Verdict, played
from dynamo.simulation.listings import Lister
from dynamo.simulation.nemesis import ROTTING, Nemesis
from dynamo.simulation.onlooker import Onlooker
from dynamo.simulation.register_clients import LEDGER, Rivals
from dynamo.simulation.register_disks import MAJORITY, Witness
from dynamo.simulation.register_ending import Ending
from dynamo.simulation.register_plan import RegisterPlan, draw
from dynamo.simulation.register_recorder import RegisterRecorder
from dynamo.simulation.world import World

QUIET_S = 4.0
"""Pause before the last looks: every node has noticed every other, and what was under way has ended."""
DAMAGE = "the vote on a key is damaged"
"""What a node tells its operator where bits flip, and nowhere else."""
BUDGET = 20_000
"""Configurations that a search may look at; the other methods need none."""


def run_seed(seed: int, *, plan: RegisterPlan | None = None, keep_trace: bool = False) -> tuple[Verdict, History]:
    """Run a seed, with its own plan unless another one is given."""
    world = World(seed, keep_trace=keep_trace)
    plan = draw(world.stream("register plan")) if plan is None else plan
    simulation = _Simulation(world, plan)
    return simulation.verdict(played(world, simulation.run())), simulation.history


class _Simulation(Course):
    """The parts of one run."""

    quiet_s = QUIET_S

    def __init__(self, world: World, plan: RegisterPlan) -> None:
        super().__init__(world, plan)
        self.plan = plan
        self.recorder = RegisterRecorder(self.cluster, self.history)
        self.recorder.forgets = bool(plan.registers.rest_s)
        self.clients = Rivals(world, self.recorder, self.cluster.ids, plan.registers)
        places = self.clients.places()
        self.witness = Witness(self.cluster)
        rotting = (*ROTTING, Keyspace.BALLOTS)
        self.nemesis = Nemesis(self.cluster, self.recorder, plan, rotting, only_known_copies=True)
        self.onlooker = Onlooker(self.cluster, self.witness, places)
        self.lister = Lister(self.cluster, places, OUTCOME_MARGIN_S)
        self.ending = Ending(self.cluster, self.recorder, self.clients)
        self.audit = Audit(self.cluster, self.recorder, places)

    async def _parts(self) -> None:
        self.cluster.start_all()
        await self._make_buckets(BucketProperties(name=LEDGER, mode=Mode.LINEARIZABLE, n=N))
        faults = [self.world.loop.create_task(fault()) for fault in self.nemesis.faults()]
        beside = [self.world.loop.create_task(each) for each in (self.lister.run(), self.onlooker.run())]
        await self.clients.run()
        self.nemesis.heal()
        await asyncio.gather(*faults)
        self.nemesis.heal()
        await self.ending.progress()
        for task in beside:
            task.cancel()
        # Who was paused may have found requests in its sockets, and carry them out.
        await self.world.sleep(QUIET_S)
        if not self.recorder.forgets:
            await self.ending.resolve()
        finals = await self.ending.read()
        await self.ending.recover()
        if self.plan.shape.repair.enabled:
            self.converged_s = await self.audit.converge(CONVERGENCE_SWEEPS * self.plan.shape.repair.period_s)
        await self.world.sleep(QUIET_S)
        await self.audit.read_all()
        await self.lister.compare(self.audit.finals())
        await self.world.sleep(QUIET_S)
        self.ending.inspect(finals)
        self.audit.inspect()

    def verdict(self, faults: list[str]) -> Verdict:
        """Judge the history."""
        if self.plan.rot_s:
            faults = [fault for fault in faults if DAMAGE not in fault]
        found = outcomes.check(self.history, OUTCOME_MARGIN_S) + judged(self.history, forgets=self.recorder.forgets)
        if self.plan.keeps_disks:
            found += held(self.history)
        if self.plan.is_calm:
            found += [each for each in outcomes.all_succeeded(self.history) if "called-off" not in each.text]
        witnesses = (self.witness, self.onlooker, self.ending, self.lister, self.audit)
        seen = [violation for each in witnesses for violation in each.violations]
        return self._verdict(faults, seen, found)


def judged(history: History, *, forgets: bool) -> list[Violation]:
    """What is wrong with the order of the operations, key by key. Where the store forgets, versions leave gaps."""
    recording = operations(history, LEDGER)
    verdicts = [*recording.contradictions, *linearizability.check(recording.keys, "kv", budget=BUDGET)]
    found = [
        Violation(f"not-linearizable ({verdict.method})", _place(verdict.key), verdict.reason, verdict.operations)
        for verdict in verdicts
        if verdict.result == "illegal"
    ]
    counted = {} if forgets else recording.keys
    return found + [violation for key, ops in counted.items() for violation in gaps.check(_place(key), ops)]


def held(history: History) -> list[Violation]:
    """Answers that speak of what was on too few disks at that moment."""
    return [
        Violation(
            "not-held",
            operation.call.place,
            f"version {returned.number} was answered, and {returned.held_by} replicas had accepted it",
            (operation.call.op,),
        )
        for operation in history.operations.values()
        for returned in operation.returns
        if returned.number is not None and returned.held_by is not None and returned.held_by < MAJORITY
    ]


def _place(key: str) -> Place:
    bucket, _, name = key.partition("/")
    return bucket, name
