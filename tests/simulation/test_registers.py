"""Keys of linearizable buckets, one story at a time: what acceptors keep, who is counted, what becomes of requests.

`make mutants` holds most of these against the rule that they are about, taken out.
"""

from __future__ import annotations

import asyncio

import pytest

from dynamo.errors import Applied, DynamoError
from dynamo.layout.register import decode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.messages import Refused
from dynamo.protocol.paxos import Accepted, ForwardChange, ForwardedChange, Inspect, Inspected, Promised, Rejected
from dynamo.simulation.cluster import Shape
from dynamo.versioning.ballot import ZERO, Ballot
from tests.simulation.register_stage import KEY, LEDGER, RegisterStage, accept, perform, prepare

pytestmark = pytest.mark.simulation

LOW: Ballot = (10, "x", 1)
MIDDLE: Ballot = (20, "y", 1)
HIGH: Ballot = (30, "z", 1)


def value_of(outcome: ChangeOutcome | DynamoError) -> bytes | None:
    assert isinstance(outcome, ChangeOutcome), outcome
    return decode(outcome.register).value


# -- what acceptors keep ---------------------------------------------------------------------------------------------


def test_a_promise_is_kept():
    """What is below it is refused, also if nothing was accepted yet."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        assert isinstance(await stage.tell(node, prepare(MIDDLE)), Promised)
        refused = await stage.tell(node, accept(LOW, b"v"))
        assert isinstance(refused, Rejected)
        assert refused.highest == MIDDLE
        assert isinstance(await stage.tell(node, accept(MIDDLE, b"v")), Accepted)

    perform(story)


def test_a_promise_survives_a_crash():
    """It is on disk before it is given: the older accept comes after the restart."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        assert isinstance(await stage.tell(node, prepare(HIGH)), Promised)
        assert stage.state(node).promised == HIGH
        stage.restart(node)
        await stage.connected()
        assert isinstance(await stage.tell(node, accept(MIDDLE, b"v")), Rejected)

    perform(story)


def test_what_is_acknowledged_is_on_disk():
    """At the moment of the answer: a crash just then changes nothing."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        assert isinstance(await stage.tell(node, accept(MIDDLE, b"v")), Accepted)
        assert stage.state(node).accepted == MIDDLE
        stage.restart(node)
        await stage.connected()
        promised = await stage.tell(node, prepare(HIGH))
        assert isinstance(promised, Promised)
        assert decode(promised.register).value == b"v"

    perform(story)


def test_an_accept_that_comes_again_promises_what_it_asks_for():
    """First without a next ballot, then with one: the answer to the second is counted for the lead."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        assert isinstance(await stage.tell(node, accept(LOW, b"v")), Accepted)
        assert isinstance(await stage.tell(node, accept(LOW, b"v", next_ballot=HIGH)), Accepted)
        assert isinstance(await stage.tell(node, accept(MIDDLE, b"w", version=2)), Rejected)

    perform(story)


def test_only_what_is_on_disk_is_shown():
    """While an accept waits for the disk, nobody sees it; a crash then takes back nothing that was seen."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        stage.cluster.platters[node].habits.sync_s = 1.0
        accepting = asyncio.ensure_future(stage.tell(node, accept(MIDDLE, b"v")))
        await stage.world.sleep(0.1)
        seen = await stage.tell(node, Inspect(LEDGER, KEY))
        assert isinstance(seen, Inspected)
        assert seen.accepted == ZERO
        assert isinstance(await accepting, Accepted)

    perform(story)


def test_damage_is_no_nothing():
    """A bit flips in what an acceptor keeps: it votes no more on that key, and the others go on."""

    async def story(stage: RegisterStage) -> None:
        first, second, third = stage.replicas()
        assert (await stage.change(first, value=b"v")).version == 1
        await stage.until(lambda: stage.state(first).accepted != ZERO, 2)
        stage.rot(first)
        for message in (prepare((2**50, "z", 1)), accept((2**50, "z", 1), b"w"), Inspect(LEDGER, KEY)):
            answer = await stage.tell(first, message)
            assert not isinstance(answer, Promised | Accepted | Inspected), answer
        for node in (first, second, third):
            assert value_of(await stage.look(node)) == b"v"
        stage.cluster.crash(third)
        await stage.until(lambda: not stage.cluster.running[second].node.liveness.is_alive(third), 10)
        assert isinstance(await stage.change(second, value=b"w"), DynamoError)

    perform(story)


# -- ballots ---------------------------------------------------------------------------------------------------------


def test_no_two_nodes_make_one_ballot():
    """In the same millisecond, having seen the same."""

    async def story(stage: RegisterStage) -> None:
        minted = [running.node.ballots.next(ZERO) for running in stage.cluster.running.values()]
        assert len({counter for counter, _, _ in minted}) == 1
        assert len(set(minted)) == len(minted)

    perform(story)


def test_no_two_lives_of_a_node_make_one_ballot():
    """Its clock goes back, and it has forgotten all that it made."""

    async def story(stage: RegisterStage) -> None:
        node = stage.replicas()[0]
        made = stage.cluster.running[node].node.ballots.next(ZERO)
        stage.restart(node)
        clock = stage.cluster.running[node].clock
        clock.skew_ms = made[0] - 1 - clock.wall_ms()
        again = stage.cluster.running[node].node.ballots.next(ZERO)
        assert again[0] == made[0]
        assert again != made

    perform(story)


# -- who is counted --------------------------------------------------------------------------------------------------


def test_a_minority_decides_nothing_and_the_majority_goes_on():
    """Both sides of a cut are asked to write: within two seconds the one serves, the other never does."""

    async def story(stage: RegisterStage) -> None:
        alone, second, third = stage.replicas()
        assert isinstance(await stage.change(alone, value=b"before"), ChangeOutcome)
        for other in (second, third):
            stage.cluster.network.cut(alone, other)
            stage.cluster.network.cut(other, alone)
        began = stage.world.now()
        while not isinstance(await stage.change(second, value=b"after", timeout_s=0.5), ChangeOutcome):
            assert stage.world.now() < began + 2.0
        await stage.until(lambda: not stage.cluster.running[alone].node.liveness.is_alive(second), 20)
        refused = await stage.change(alone, value=b"never")
        assert isinstance(refused, DynamoError)
        assert refused.code == "quorum-unavailable"
        assert isinstance(await stage.look(alone), DynamoError)
        stage.cluster.network.mend_all()
        await stage.connected()
        assert value_of(await stage.look(alone)) == b"after"

    perform(story)


def test_an_empty_disk_does_not_vote():
    """Of the two that have a change one loses its disk, and the third one meets it: until it has recovered nobody may
    take it for one that has nothing.
    """

    async def story(stage: RegisterStage) -> None:
        first, second, third = stage.replicas()
        for other in (first, second):
            stage.cluster.network.cut(other, third)
            stage.cluster.network.cut(third, other)
        assert isinstance(await stage.change(first, value=b"v", timeout_s=1.5), ChangeOutcome)
        stage.cluster.crash(first)
        stage.cluster.crash(second)
        stage.cluster.wipe(second)
        stage.cluster.network.mend_all()
        stage.cluster.start_all()
        running = stage.cluster.running
        await stage.until(lambda: len({each.node.store_ages.stores for each in running.values()}) == 1, 5)
        stage.cluster.crash(first)
        assert isinstance(await stage.look(third), DynamoError)
        assert isinstance(await stage.change(third, condition=Condition(exists=False), value=b"w"), DynamoError)
        stage.cluster.start(first)
        await stage.connected()
        assert value_of(await stage.look(third)) == b"v"

    perform(story)


# -- what becomes of requests ----------------------------------------------------------------------------------------


async def in_doubt(stage: RegisterStage, request: bytes) -> str:
    """1, and then 5 more through a node that dies before the answers of the others reach it; another node."""
    first, second, third = stage.replicas()
    assert isinstance(await stage.change(first, Action.ADD, amount=1), ChangeOutcome)
    await stage.until(lambda: stage.state(third).accepted == stage.state(second).accepted != ZERO, 2)
    before = stage.state(second).accepted
    for node in (second, third):
        stage.cluster.network.delays[node, first] = 5.0
    asked = asyncio.ensure_future(stage.change(first, Action.ADD, amount=5, request=request))
    await stage.until(lambda: before not in (stage.state(second).accepted, stage.state(third).accepted), 1)
    assert not asked.done()
    stage.cluster.crash(first)
    asked.cancel()
    return second


def test_a_request_that_is_repeated_elsewhere_is_applied_once():
    """Its first coordinator died, nobody knows how far it had come."""

    async def story(stage: RegisterStage) -> None:
        request = bytes(16)
        other = await in_doubt(stage, request)
        for _ in range(3):
            outcome = await stage.change(other, Action.ADD, amount=5, request=request)
            assert isinstance(outcome, ChangeOutcome)
            assert (outcome.applied, outcome.version) == (True, 2)
        assert value_of(await stage.look(other)) == b"6"

    perform(story)


def test_a_request_in_doubt_is_resolved_for_good():
    """What was applied stays so; what was not is called off, and never will be."""

    async def story(stage: RegisterStage) -> None:
        request = bytes(16)
        other = await in_doubt(stage, request)
        for _ in range(2):
            answer = await stage.change(other, Action.RESOLVE, target=request)
            assert isinstance(answer, ChangeOutcome)
            assert (answer.applied, answer.version) == (True, 2)
        never = bytes(15) + b"n"
        answer = await stage.change(other, Action.RESOLVE, target=never)
        assert isinstance(answer, ChangeOutcome)
        assert not answer.applied
        refused = await stage.change(other, Action.ADD, amount=5, request=never)
        assert isinstance(refused, DynamoError)
        assert (refused.code, refused.applied) == ("called-off", Applied.NO)
        assert value_of(await stage.look(other)) == b"6"

    perform(story)


def test_what_nobody_acknowledged_is_not_called_a_failure():
    """A coordinator that cannot hear the answers to its accepts says that it does not know; and all have accepted."""

    async def story(stage: RegisterStage) -> None:
        first, second, third = stage.replicas()
        assert isinstance(await stage.change(first, value=b"v"), ChangeOutcome)
        for node in (second, third):
            stage.cluster.network.delays[node, first] = 5.0
        outcome = await stage.change(first, value=b"w", timeout_s=1.0)
        assert isinstance(outcome, DynamoError)
        assert outcome.applied is Applied.UNKNOWN
        assert value_of(await stage.look(second)) == b"w"

    perform(story)


def test_a_message_that_comes_twice_is_carried_out_once():
    """The condition did not hold, and the client was told so. When the message comes again, it would."""

    async def story(stage: RegisterStage) -> None:
        first = stage.replicas()[0]
        await stage.change(first, value=b"v")
        command = ChangeCommand(
            bucket=LEDGER,
            key=KEY,
            action=Action.SET,
            request=bytes(16),
            condition=Condition(exists=False),
            value=b"w",
        )
        answer = await stage.tell(first, ForwardChange(command, 7))
        assert isinstance(answer, ForwardedChange)
        assert not answer.outcome.applied
        await stage.change(first, Action.DELETE)
        assert isinstance(await stage.tell(first, ForwardChange(command, 7)), Refused)
        assert value_of(await stage.look(first)) is None

    perform(story)


@pytest.mark.parametrize("nodes", [3, 5])
def test_all_of_64_clients_on_one_key_finish(nodes: int):
    """Through all nodes at once: nobody starves, nothing is lost, and it takes seconds."""

    async def story(stage: RegisterStage) -> None:
        ids = stage.cluster.ids
        began = stage.world.now()
        asked = [stage.change(ids[number % nodes], Action.ADD, amount=1, timeout_s=10.0) for number in range(64)]
        outcomes = await asyncio.gather(*asked)
        assert all(isinstance(outcome, ChangeOutcome) and outcome.applied for outcome in outcomes), outcomes
        assert stage.world.now() - began < 5.0
        assert sorted(outcome.version for outcome in outcomes) == list(range(1, 65))
        assert value_of(await stage.look(ids[0])) == b"64"

    perform(story, Shape(nodes=nodes))
