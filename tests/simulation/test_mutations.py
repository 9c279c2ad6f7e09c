"""The simulation can fail: each fault put into the store on purpose breaks the promise it should, within a few seeds.

A checker that never complains proves nothing. Each mutation below is a mistake that real stores have made; it runs over
seeds until one of them is caught for the right reason.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import msgspec
import pytest

from dynamo.config import AuditSection
from dynamo.daemons.bucket_sharer import BucketSharer
from dynamo.node import replica
from dynamo.node.driver import Run
from dynamo.node.minting import Mint
from dynamo.node.records import Records
from dynamo.node.repeats import Repeats
from dynamo.node.wakeups import Wakeup, Wakeups
from dynamo.replication import read
from dynamo.replication.quorum import ReadQuorum, WriteQuorum
from dynamo.replication.read import QuorumRead
from dynamo.replication.read_repair import Reconciled
from dynamo.replication.write import QuorumWrite
from dynamo.simulation import disk
from dynamo.simulation.cluster import Shape
from dynamo.simulation.disk import DiskHabits, SimulatedStorage
from dynamo.simulation.network import Weather
from dynamo.simulation.plan import PATIENT_S, Plan, draw
from dynamo.simulation.run import run_seed
from dynamo.simulation.world import World
from dynamo.versioning import hybrid_time, siblings
from dynamo.versioning.clock import merge
from dynamo.versioning.hybrid_time import HybridClock
from dynamo.versioning.record import Record, Sibling

SEEDS_MAX = 60
Mutation = Callable[[], AbstractContextManager[object]]
MUTATIONS: list[tuple[str, Mutation, set[str], Callable[[Plan], None]]] = []


def as_drawn(_: Plan) -> None:
    """The seed's own plan."""


def power_cuts(plan: Plan) -> None:
    plan.crash_s = 0.2
    plan.disk.sync_s = 0.02
    plan.shape.durability = "sync"


def slow_disks_and_repeats(plan: Plan) -> None:
    plan.disk.sync_s = 0.05
    plan.habits.bucket_weights = (0, 1, 0)
    plan.habits.repeat_share = 0.3
    plan.habits.write_share = 0.8
    plan.habits.pause_s = 0.02
    plan.habits.keys = 1


def no_faults(plan: Plan) -> None:
    calm = Plan(shape=Shape(nodes=3), weather=Weather(), disk=DiskHabits(), habits=plan.habits)
    for field in msgspec.structs.fields(Plan):
        setattr(plan, field.name, getattr(calm, field.name))
    plan.habits.timeout_min_s = PATIENT_S
    assert plan.is_calm


def short_lives(plan: Plan) -> None:
    no_faults(plan)
    plan.habits.ttl_share = 0.5


def mutation(*rules: str, plan: Callable[[Plan], None] = as_drawn) -> Callable[[Mutation], Mutation]:
    """Register a mutation, and the rules of which it must break one."""

    def register(make: Mutation) -> Mutation:
        MUTATIONS.append((make.__name__, make, set(rules), plan))
        return make

    return register


@mutation("dot-reused", "lost", "hidden", plan=power_cuts)
def identity_is_kept_after_a_crash():
    """The node mints dots again that it has forgotten: new writes look like old ones, and vanish."""
    init = disk.Platter.__init__

    def keeping(self, node, habits):
        init(self, node, msgspec.structs.replace(habits, forgets_incarnation=False))

    return patch.object(disk.Platter, "__init__", keeping)


@mutation("dot-reused", "lost", "hidden")
def a_clean_stop_notes_too_low_a_counter():
    """An off-by-one in what the next run starts from."""
    return patch.object(Mint, "close", lambda self: self._identity.close(max(0, self.counter - 1)))


@mutation("went-back")
def differences_are_repaired_after_the_answer():
    """A majority read that leaves what it shows on one replica."""
    return patch.object(ReadQuorum, "repairs_first", property(lambda _: False))


@mutation("diverged", "went-back", "lost")
def there_is_no_read_repair():
    """Nobody is ever stale."""
    return patch.object(Reconciled, "stale", lambda _: [])


@mutation("hidden", "missed-write", "lost")
def replicas_overwrite_instead_of_merging():
    """The last record to arrive wins."""
    return patch.object(siblings, "merged", lambda _, right: right)


@mutation("resurrected", "superseded")
def a_merge_keeps_everything():
    """What one side has dropped comes back from the other."""

    def union(left: Record, right: Record) -> Record:
        both = {s.dot: s for s in left.siblings} | {s.dot: s for s in right.siblings}
        return Record(merge(left.clock, right.clock), [both[dot] for dot in sorted(both)])

    return patch.object(siblings, "merged", union)


@mutation("not-held")
def writes_are_acknowledged_before_they_are_durable():
    """As soon as the disk has been handed them."""
    write = SimulatedStorage.write

    def hasty(self, changes, durable, done):
        write(self, changes, durable, lambda _: None)
        self._world.after(0.0, lambda: done(None) if self._life.alive else None)

    return patch.object(SimulatedStorage, "write", hasty)


@mutation("not-held", "lost", "went-back", plan=power_cuts)
def reads_show_what_is_not_on_disk():
    """The newest state instead of the durable one."""

    def newest(self: Records, bucket: str, key: bytes, partition: int | None = None) -> bytes:
        assert partition in (None, self.partition(bucket, key))
        return self.base(bucket, key).data

    return patch.object(Records, "read", newest)


@mutation("missed-write")
def one_acknowledgement_too_few():
    """W - 1."""
    return fewer(QuorumWrite, WriteQuorum)


@mutation("missed-write", "went-back")
def one_answer_too_few():
    """R - 1."""
    return fewer(QuorumRead, ReadQuorum)


def fewer(machine: type, quorum_type: type) -> AbstractContextManager[object]:
    init = machine.__init__

    def lenient(self, *args, **more):
        lowered = [
            msgspec.structs.replace(each, needed=max(1, each.needed - 1)) if isinstance(each, quorum_type) else each
            for each in args
        ]
        init(self, *lowered, **more)

    return patch.object(machine, "__init__", lenient)


@mutation("context-not-honoured")
def a_read_ignores_its_context():
    """Whatever was found is taken to be new enough."""
    return patch.object(read, "descends", lambda *_: True)


@mutation("failed-write")
def one_refusal_is_taken_for_all():
    """The answer is "not applied", though another replica may have it."""
    timeout = QuorumWrite._timeout
    return patch.object(QuorumWrite, "_timeout", lambda self, why: (self._refusals or [timeout(self, why)])[0])


@mutation("hidden", "resurrected", "dot-reused")
def failed_batches_are_not_noticed():
    """The dots of a batch that was lost here, and lives elsewhere, are given out again."""
    return patch.object(Mint, "forgot", lambda _: None)


@mutation("minted-twice")
def repeats_are_not_recognised():
    """Each try of a request is a write."""
    return patch.object(Repeats, "is_repeat", lambda *_: False)


@mutation("minted-twice", plan=slow_disks_and_repeats)
def repeats_of_superseded_writes_are_not_remembered():
    """Only a request whose value still stands is known."""
    return patch.object(Repeats, "remember", lambda *_: [])


@mutation("wrong-values")
def two_dots_of_one_request_are_two_values():
    """A retry through another node shows up as a sibling of itself."""
    return patch.object(Record, "live", lambda self, now_ms: [s for s in self.siblings if s.is_live(now_ms)])


@mutation("hidden")
def stamps_ignore_what_was_seen():
    """Wall time alone decides which write is newer."""
    return patch.object(HybridClock, "tick", lambda _, now_ms, *__: hybrid_time.stamp(now_ms))


@mutation("superseded", "hidden", "wrong-values", plan=slow_disks_and_repeats)
def an_lww_key_keeps_siblings():
    """Replicas forget to choose."""
    return patch.object(replica.siblings, "newest_only", lambda record: (record, 0))


@mutation("late-outcome", "no-outcome", plan=slow_disks_and_repeats)
def machines_are_woken_a_little_early():
    """Just before their deadline, when they do nothing yet, and then never again."""
    at = Wakeups.at

    def early(self, when: float, callback: Callable[[], None]) -> Wakeup:
        return at(self, when - 0.0005, callback)

    return patch.object(Wakeups, "at", early)


@mutation("no-outcome", plan=no_faults)
def a_decision_is_not_handed_on():
    """The machine has decided, and nobody is told, not even when the deadline has passed."""

    def silent(self, outcome):
        self._finished = True

    return patch.object(Run, "_finish", silent)


@mutation("unavailable", plan=no_faults)
def a_machine_keeps_its_decision_to_itself():
    """It knows the answer, and its driver, who must answer at the deadline, can only say that something is wrong."""
    finish = QuorumRead._finish

    def silent(self, outcome):
        finish(self, outcome)
        return []

    return patch.object(QuorumRead, "_finish", silent)


def nobody_audits(plan: Plan) -> None:
    plan.shape.audit = AuditSection(enabled=False)


@mutation("wrong-leaf", plan=nobody_audits)
def leaves_are_not_updated():
    """The Merkle tree stays as it was."""
    return patch("dynamo.node.records.contribution", lambda *_: 0)


@mutation("wrong-values", plan=short_lives)
def expired_values_are_shown():
    """Nobody looks at the clock."""
    return patch.object(Sibling, "is_live", lambda self, _: self.value is not None)


@mutation("needless-failure", plan=no_faults)
def a_read_gives_up_where_replicas_differ():
    """Instead of repairing them."""
    return patch.object(QuorumRead, "_repair_first", lambda self, _: self._finish(self._too_late()))


@mutation("restless")
def nobody_compares_bucket_properties():
    """A node that missed the news of a bucket never hears of it, and believes to know all (else it would make none)."""

    async def pretended(sharer: BucketSharer) -> None:
        sharer._node.buckets.compared = True

    return patch.object(BucketSharer, "run_once", pretended)


@mutation("wrong-list")
def a_listing_ends_too_early():
    """The last entry of each page is left out."""
    scan = Records.scan

    def shorter(self, *args, **more):
        entries, cut_short = scan(self, *args, **more)
        return entries[:-1], cut_short

    return patch.object(Records, "scan", shorter)


@pytest.mark.simulation
@pytest.mark.parametrize(("name", "mutate", "expected", "adapt"), MUTATIONS, ids=[each[0] for each in MUTATIONS])
def test_a_mutation_is_caught(name: str, mutate: Mutation, expected: set[str], adapt: Callable[[Plan], None]):
    """For the reason it should be, within SEEDS_MAX seeds."""
    for seed in range(1, SEEDS_MAX + 1):
        plan = draw(World(seed).stream("plan"))
        adapt(plan)
        with mutate():
            verdict, _ = run_seed(seed, plan=plan)
        if {violation.partition(":")[0] for violation in verdict.violations} & expected:
            return
    pytest.fail(f"{name} went unnoticed in {SEEDS_MAX} seeds")


@pytest.mark.simulation
@pytest.mark.parametrize("adapt", [power_cuts, slow_disks_and_repeats, no_faults, short_lives])
def test_the_unchanged_store_passes_the_plans_of_the_mutations(adapt: Callable[[Plan], None]):
    """What is caught above is the mutation, not the plan."""
    for seed in range(1, 9):
        plan = draw(World(seed).stream("plan"))
        adapt(plan)
        assert run_seed(seed, plan=plan)[0].violations == []
