"""Keys of linearizable buckets that were deleted long ago go from all replicas, and nothing of them comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dynamo.config import TombstonesSection
from dynamo.daemons.forgetter import Forgetter
from dynamo.layout.ballot import AcceptorState, encode
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.commands import Action, ChangeOutcome, Condition
from dynamo.protocol.messages import DeadKey, MayReap, ReapVotes
from dynamo.protocol.paxos import Accept, ForgetKey, Forgotten, Learn, Prepare, Rejected
from dynamo.versioning.record import decode, digest
from tests.unit.daemons.rounds import settle, until, worked_off
from tests.unit.node.strict_world import BUCKET, Outcome, StrictWorld

KEY = b"k"
AGE_S = 700.0


class Graves:
    """A world in which one key was set and deleted, by hand of its first primary."""

    def __init__(self) -> None:
        settings = TombstonesSection(age_min_s=AGE_S)
        self.world = StrictWorld(later=asyncio.get_running_loop().call_soon, tombstones=settings)
        self.order = self.world.order(KEY)
        self.daemons = {name: Forgetter(node) for name, node in self.world.network.nodes.items()}

    async def change(self, action: Action = Action.SET, **more) -> Outcome:
        outcomes = self.world.begin(self.order[0], self.world.make(KEY, action, **more))
        await until(self.world, lambda: bool(outcomes))
        self.world.tell()
        await settle()
        return outcomes[0]

    async def look(self, at: str | None = None) -> Outcome:
        outcomes: list[Outcome] = []
        node = self.world[at or self.order[0]]
        node.read_register(BUCKET, KEY, self.world.clock.now + 2, "t", outcomes.append)
        await until(self.world, lambda: bool(outcomes))
        return outcomes[0]

    async def buried(self) -> None:
        await settle()
        await self.change(value=b"v")
        await self.change(Action.DELETE)

    def wait(self, seconds: float = AGE_S + 1) -> None:
        self.world.clock.wall += int(seconds * 1000)
        self.world.clock.turn(seconds)

    async def walk(self, *names: str) -> None:
        for name in names or self.order[:1]:
            await worked_off(self.world, self.daemons[name].run_once())
            await settle()

    async def forgotten(self) -> None:
        await self.buried()
        await self.walk()
        self.wait()
        await self.walk()

    def states(self) -> list[AcceptorState | None]:
        return [self.world.state(name, KEY) for name in self.order]


def _keeps(*asked: Any) -> None:
    """A replica that forgets nothing."""
    asked[-1](Forgotten(False))


async def test_a_key_goes_once_it_is_old_and_was_seen_unchanged_for_long() -> None:
    """One walk sees it, a later one attempts it; of its votes nothing is left anywhere."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    assert graves.world.sent(ForgetKey) == []
    graves.wait()
    await graves.walk()
    assert graves.states() == [None, None, None]
    assert graves.world[graves.order[0]].metrics.forget_attempts["forgotten"].value == 1
    partition = graves.world["node1"].preference.partition(BUCKET, KEY)
    for name in graves.order:
        node = graves.world[name]
        assert node.metrics.forgotten_keys.value == 1
        assert node.floors.of(partition).version == 2
        assert graves.world.boot(name).floors.of(partition) == node.floors.of(partition)


async def test_a_clock_that_jumps_makes_no_key_old() -> None:
    """What counts for the requests that would be forgotten is time that passed."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    graves.world.clock.wall += 10**9
    await graves.walk()
    assert all(graves.states())


async def test_the_version_goes_on_and_looks_like_none() -> None:
    """A reader is shown version 0 by whomever it asks; the next change has a version above the last."""
    graves = Graves()
    await graves.forgotten()
    for name in graves.order:
        outcome = await graves.look(name)
        assert (outcome.version, outcome.deleted) == (0, False)
    assert not (await graves.change(value=b"w", condition=Condition(version=2))).applied
    outcome = await graves.change(value=b"w", condition=Condition(version=0))
    assert isinstance(outcome, ChangeOutcome)
    assert (outcome.applied, outcome.version) == (True, 3)


async def test_late_messages_find_the_floor() -> None:
    """An Accept that was sent before, and a Prepare, are refused by all."""
    graves = Graves()
    await graves.forgotten()
    (accept, *_) = [message for _, _, message in graves.world.sent(Accept)]
    for name in graves.order:
        for message in (accept, Prepare(BUCKET, KEY, accept.ballot)):
            answers: list = []
            graves.world[name].handle("node9", 1, message, graves.world.clock.now + 2, "t", answers.append)
            await settle()
            assert isinstance(answers[0], Rejected)
    assert graves.states() == [None, None, None]


async def test_a_replica_that_is_away_keeps_everything_where_it_is() -> None:
    """All of them must be there."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    graves.wait()
    graves.world.network.down.add(graves.order[2])
    await graves.walk()
    assert graves.world.sent(Prepare, ForgetKey) == graves.world.sent(Prepare)
    assert all(graves.states())
    graves.world.network.down.clear()
    graves.world.network.silent.add(graves.order[2])
    await graves.walk()
    assert all(graves.states())


async def test_a_key_that_came_to_life_again_stays() -> None:
    """And its coordinator goes on."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    graves.wait()
    await graves.change(value=b"w")
    await graves.walk()
    graves.wait()
    await graves.walk()
    assert (await graves.look()).version == 3
    assert graves.world.sent(ForgetKey) == []


async def test_what_one_replica_did_not_forget_the_others_make_good() -> None:
    """The first primary has nothing left and would not look; another one does after twice the time."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    graves.wait()
    kept = graves.order[1]
    graves.world[kept]._handlers[ForgetKey] = _keeps
    await graves.walk()
    assert [state is None for state in graves.states()] == [True, False, True]
    assert graves.world[graves.order[0]].metrics.forget_attempts["refused"].value == 1
    assert (await graves.look(kept)).version == 0
    graves.world[kept]._handlers[ForgetKey] = graves.world[kept].acceptors.forget
    await graves.walk(*graves.order)
    graves.wait(3 * AGE_S)
    await graves.walk(*graves.order)
    assert graves.states() == [None, None, None]


async def test_a_replica_forgets_only_what_it_has_promised_and_accepted_alike() -> None:
    """A promise of something higher is not forgotten; nor is a batch that the disk did not take."""
    graves = Graves()
    await graves.buried()
    name = graves.order[0]
    state = graves.world.state(name, KEY)
    node, answers = graves.world[name], []
    node.acceptors.forget(ForgetKey(BUCKET, KEY, state.accepted), 0.0, "", answers.append)
    await settle()
    assert answers == [Forgotten(False)], "it has promised the next ballot of its coordinator"
    level = AcceptorState(state.accepted, state.accepted, state.value)
    graves.world.storage[name].durable[Keyspace.BALLOTS][graves.world.stored_key(KEY)] = encode(level)
    graves.world.storage[name].full = True
    node.acceptors.forget(ForgetKey(BUCKET, KEY, state.accepted), 0.0, "", answers.append)
    await settle()
    assert graves.world.state(name, KEY) == level
    assert not isinstance(answers[1], Forgotten)


async def test_the_record_is_reaped_once_the_votes_are_gone() -> None:
    """Not before: what was accepted may still be learnt, and the tombstone holds down what is older."""
    graves = Graves()
    await graves.buried()
    node = graves.world[graves.order[0]]
    dead = DeadKey(BUCKET, KEY, digest(decode(node.replica.fetch(BUCKET, KEY))))

    async def vote() -> list[bool]:
        node.reaping.watch()
        for _ in range(int(2 * (node.reaping.settle_s + 1))):
            graves.wait(0.5)
        answers: list[ReapVotes] = []
        node.reaping.vote(MayReap([dead]), answers.append)
        await settle()
        return answers[0].votes

    await graves.walk()
    graves.wait()
    assert await vote() == [False]
    assert node.metrics.reap_votes_against["votes"].value == 1
    await graves.walk()
    assert await vote() == [True]


async def test_nothing_is_learnt_of_a_forgotten_key() -> None:
    """Its tombstone stays as it is; another with the same version would differ from it."""
    graves = Graves()
    await graves.buried()
    name = graves.order[1]
    before = graves.world[name].replica.fetch(BUCKET, KEY)
    graves.world[name]._handlers[ForgetKey] = _keeps
    await graves.walk()
    graves.wait()
    await graves.walk()
    state = graves.world.state(name, KEY)
    graves.world.storage[name].durable[Keyspace.RECORDS].clear()
    graves.world[name].learning.learn(Learn(BUCKET, KEY, state.accepted), 0.0, "", lambda _: None)
    await settle()
    assert graves.world.storage[name].durable[Keyspace.RECORDS] == {}
    assert before


@pytest.mark.parametrize("damaged", [0, 1, 2])
async def test_a_damaged_state_is_nobodys_deletion(damaged: int) -> None:
    """Its replica does not vote, so the key is not forgotten."""
    graves = Graves()
    await graves.buried()
    await graves.walk()
    graves.wait()
    held, stored = graves.world.storage[graves.order[damaged]].durable[Keyspace.BALLOTS], graves.world.stored_key(KEY)
    held[stored] = held[stored][:-1] + b"?"
    await graves.walk()
    assert all(graves.world.storage[name].durable[Keyspace.BALLOTS] for name in graves.order)
