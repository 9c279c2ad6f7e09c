"""Nodes that lost their disks vote again once they know what they said, and not before."""

from __future__ import annotations

import asyncio

from dynamo.daemons.rejoiner import AVOID_S, Rejoiner
from dynamo.daemons.store_sharer import StoreSharer
from dynamo.errors import Applied, DynamoError, NotReady
from dynamo.layout.ballot import AcceptorState, encode
from dynamo.layout.floor import Floor
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import ChangeOutcome
from dynamo.protocol.messages import Refused
from dynamo.protocol.paxos import AskBallots, Inspect, Prepare
from dynamo.versioning.ballot import is_hearsay, plain
from tests.unit.daemons.rounds import settle, until, worked_off
from tests.unit.node.strict_world import BUCKET, Outcome, StrictWorld, value_of

HIGH = (2**50, "node9~x", 1)


class Cluster:
    """A world on the loop, with the daemons that make a node vote again."""

    def __init__(self, nodes: int = 3, **settings) -> None:
        self.world = StrictWorld(nodes, later=asyncio.get_running_loop().call_soon, **settings)
        self.names = list(self.world.network.nodes)

    async def round(self) -> None:
        """One of each daemon of each node that is not cut off."""
        for name in self.names:
            if name not in self.world.network.down:
                await worked_off(self.world, StoreSharer(self.world[name]).run_once())
                await worked_off(self.world, Rejoiner(self.world[name]).run_once())
                await settle()

    async def change(self, at: str, key: bytes, value: bytes) -> Outcome:
        outcomes: list[Outcome] = []
        command = self.world.make(key, value=value)
        self.world[at].change(command, self.world.clock.now + 2, "t", outcomes.append)
        await until(self.world, lambda: bool(outcomes))
        await settle()
        return outcomes[0]

    async def shown(self, at: str, key: bytes) -> bytes | None:
        outcomes: list[Outcome] = []
        self.world[at].read_register(BUCKET, key, self.world.clock.now + 2, "t", outcomes.append)
        await until(self.world, lambda: bool(outcomes))
        return value_of(outcomes[0])

    def ask(self, at: str, message: object) -> list:
        answers: list = []
        self.world[at].handle("node1", 1, message, self.world.clock.now + 2, "t", answers.append)
        return answers

    def blank(self, name: str) -> int:
        return self.world[name].voting.waiting()


async def test_a_new_cluster_votes_after_one_round() -> None:
    """Nobody ever knew another store of anybody: there is nothing to ask for."""
    cluster = Cluster(empty=True)
    await settle()
    assert all(cluster.blank(name) == 8 for name in cluster.names)
    began = cluster.world.clock.now
    await cluster.round()
    assert [cluster.blank(name) for name in cluster.names] == [0, 0, 0]
    assert cluster.world.clock.now - began < 0.5
    assert cluster.world.sent(AskBallots) == []
    assert isinstance(await cluster.change("node1", b"k", b"v"), ChangeOutcome)


async def test_nobody_takes_a_stranger_for_new_while_somebody_is_missing() -> None:
    """The one that is away may be the one that knew its old store."""
    cluster = Cluster(empty=True)
    cluster.world.network.down.add("node3")
    await settle()
    await cluster.round()
    assert cluster.blank("node1") == cluster.blank("node2") == 8
    cluster.world.network.down.clear()
    await cluster.round()
    assert cluster.blank("node1") == 0


async def test_a_wiped_node_refuses_until_it_knows_what_it_said() -> None:
    """Then it has the same states as the others, and counts again."""
    cluster = Cluster()
    await settle()
    keys = [b"k%d" % i for i in range(40)]
    for key in keys:
        await cluster.change("node1", key, b"of " + key)
    node = cluster.world.wipe("node3")
    await settle()
    for message in (Prepare(BUCKET, b"k1", HIGH), Inspect(BUCKET, b"k1")):
        (answer,) = cluster.ask("node3", message)
        assert isinstance(answer, Refused)
        assert isinstance(refused_error(answer), NotReady)
    assert "asking the other replicas what an empty store may have promised" in node.readiness()
    await cluster.round()
    await settle()
    assert cluster.blank("node3") == 0
    await cluster.round()
    assert node.metrics.rejoin_partitions.value == 0
    assert node.metrics.rejoin_keys.value == len(keys)
    for key in keys:
        mine, theirs = cluster.world.state("node3", key), cluster.world.state("node1", key)
        assert (mine.accepted, mine.value) == (theirs.accepted, theirs.value)
        assert mine.promised >= theirs.promised
    cluster.world.network.down.add("node1")
    assert await cluster.shown("node2", b"k7") == b"of k7"
    assert isinstance(await cluster.change("node2", b"k7", b"next"), ChangeOutcome)


async def test_a_rejoined_node_votes_after_a_restart_and_one_in_the_middle_asks_on() -> None:
    """The mark is on its disk, with what is done and what is not."""
    cluster = Cluster()
    await settle()
    await cluster.change("node1", b"k", b"v")
    cluster.world.wipe("node3")
    await settle()
    cluster.world["node3"].voting.rejoined(2, 3)
    cluster.world["node3"].voting.save()
    await settle()
    node = cluster.world.boot("node3")
    assert 2 not in node.voting.left(3)
    assert len(node.voting.left(3)) == 7
    await settle()
    await cluster.round()
    await settle()
    assert cluster.world.boot("node3").voting.left(3) == []


async def test_one_that_forgot_itself_is_not_asked_for_its_memory() -> None:
    """Two disks of three are lost: what only those two had accepted is nowhere. Nobody pretends to know."""
    cluster = Cluster()
    await settle()
    await cluster.change("node1", b"k", b"v")
    cluster.world.wipe("node3")
    cluster.world.wipe("node2")
    await settle()
    for _ in range(3):
        await cluster.round()
        cluster.world.clock.turn(AVOID_S + 1)
    assert cluster.blank("node2") == cluster.blank("node3") == 8
    outcome = await cluster.change("node1", b"k", b"w")
    assert isinstance(outcome, DynamoError)
    assert outcome.applied is Applied.NO


async def test_disks_that_are_lost_one_after_the_other_lose_nothing() -> None:
    """Each has learned everything before the next one goes."""
    cluster = Cluster()
    await settle()
    for key in (b"a", b"b", b"c"):
        await cluster.change("node1", key, key)
    for name in ("node3", "node1", "node2"):
        cluster.world.wipe(name)
        await settle()
        await cluster.round()
        await cluster.round()
        await settle()
        assert cluster.blank(name) == 0
    for key in (b"a", b"b", b"c"):
        assert await cluster.shown("node1", key) == key


async def test_of_five_replicas_three_answers_are_enough() -> None:
    """One of the others may be away."""
    cluster = Cluster(5, n=5)
    await settle()
    await cluster.change("node1", b"k", b"v")
    cluster.world.wipe("node5")
    cluster.world.network.down.add("node2")
    await settle()
    await cluster.round()
    await cluster.round()
    await settle()
    assert cluster.world["node5"].voting.left(5) == []
    cluster.world.network.down.add("node1")
    assert await cluster.shown("node5", b"k") == b"v"


async def test_what_was_accepted_by_too_few_is_no_vote_of_a_node_that_forgot() -> None:
    """It may have promised something higher, and says so; a read settles it."""
    cluster = Cluster()
    await settle()
    await cluster.change("node1", b"k", b"v")
    stored, state = cluster.world.stored_key(b"k"), cluster.world.state("node1", b"k")
    later = AcceptorState((HIGH[0] - 1, "node1~x", 1), (HIGH[0] - 1, "node1~x", 1), state.value)
    cluster.world.storage["node1"].durable[Keyspace.BALLOTS][stored] = encode(later)
    promised = AcceptorState(HIGH, state.accepted, state.value)
    cluster.world.storage["node2"].durable[Keyspace.BALLOTS][stored] = encode(promised)
    cluster.world.wipe("node3")
    await settle()
    await cluster.round()
    await settle()
    mine = cluster.world.state("node3", b"k")
    assert is_hearsay(mine.accepted)
    assert plain(mine.accepted) == later.accepted
    assert mine.promised == HIGH
    assert await cluster.shown("node3", b"k") == b"v"
    await settle()
    assert not is_hearsay(cluster.world.state("node3", b"k").accepted), "the read had it accepted once more"


async def test_the_floor_comes_along() -> None:
    """What was forgotten of deleted keys is refused by the new store as it was by the old one."""
    cluster = Cluster()
    await settle()
    partition = cluster.world["node1"].preference.partition(BUCKET, b"k")
    change = cluster.world["node1"].floors.raised(partition, Floor((9, "n", 1), 4))
    cluster.world.storage["node1"].write([change], True, lambda _: None)
    cluster.world.wipe("node3")
    await settle()
    await cluster.round()
    await settle()
    assert cluster.world["node3"].floors.of(partition) == Floor((9, "n", 1), 4)
    assert cluster.world.boot("node3").floors.of(partition) == Floor((9, "n", 1), 4)


async def test_a_question_of_a_store_that_the_answerer_does_not_know_is_refused() -> None:
    """Only what is said after the new store is on disk here is not counted with the old one."""
    cluster = Cluster()
    await settle()
    (answer,) = cluster.ask("node1", AskBallots(0, b"", 3, "node3", "another"))
    assert isinstance(refused_error(answer), NotReady)
    cluster.world.storage["node1"].held = True
    cluster.world.wipe("node3")
    store = cluster.world.identity["node3"].store
    answers = cluster.ask("node1", AskBallots(0, b"", 3, "node3", store))
    await settle()
    assert answers == [], "it waits for the disk"
    cluster.world.storage["node1"].release()
    await settle()
    assert len(answers) == 1


async def test_one_partition_that_cannot_be_learned_holds_up_no_other():
    """A replica has votes there of a bucket that it does not know; with the bucket it goes on."""
    cluster = Cluster()
    await settle()
    held = cluster.world.storage["node1"].durable[Keyspace.BALLOTS]
    held[record_key(0, "unheard", b"k")] = encode(AcceptorState(HIGH, HIGH, b"r"))
    cluster.world.wipe("node3")
    await settle()
    await cluster.round()
    await settle()
    assert cluster.world["node3"].voting.left(3) == [0]
    unheard = BucketProperties(name="unheard", mode=Mode.LWW)
    cluster.world["node1"].buckets.learn([unheard], lambda _: None)
    cluster.world.clock.turn(AVOID_S)
    await cluster.round()
    await settle()
    assert cluster.world["node3"].voting.left(3) == []
