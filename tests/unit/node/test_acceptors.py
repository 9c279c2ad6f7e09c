"""This node as an acceptor: what it answers is on disk, and what it cannot read is not nothing."""

import pytest

from dynamo.errors import CorruptValue, ModeConflict, NotReady, Overloaded, StorageFull, WrongEpoch
from dynamo.layout import floor, register
from dynamo.layout.floor import Floor
from dynamo.layout.keyspaces import Keyspace
from dynamo.layout.register import Register
from dynamo.node.floors import floor_key
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.codec import refused_error
from dynamo.protocol.messages import Message, Refused, StoreAge
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO, Ballot
from tests.unit.node.strict_world import BUCKET, StrictWorld

KEY = b"k"
LOW: Ballot = (10, "node2~1", 1)
MIDDLE: Ballot = (11, "node2~1", 1)
HIGH: Ballot = (12, "node3~1", 1)
VALUE = register.encode(Register(version=1, value=b"v", counter=10, request=b"r" * 16))
OTHER = register.encode(Register(version=1, value=b"other", counter=11, request=b"s" * 16))


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld()


def prepare(ballot: Ballot) -> Prepare:
    return Prepare(BUCKET, KEY, ballot)


def accept(ballot: Ballot, value: bytes = VALUE, following: Ballot = ZERO) -> Accept:
    return Accept(BUCKET, KEY, ballot, value, following)


def inspect(known: Ballot = ZERO) -> Inspect:
    return Inspect(BUCKET, KEY, known)


def refused(answer: Message) -> Exception:
    assert isinstance(answer, Refused), answer
    return refused_error(answer)


def begun(world: StrictWorld, message: Message) -> list[Message]:
    """Answers as they come while the disk is held."""
    answers: list[Message] = []
    world["node1"].handle("node2", 1, message, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    return answers


def test_a_promise_and_what_follows_from_it(world):
    """Nothing below it is promised or accepted any more; what was accepted is shown to whoever comes higher."""
    stores = world["node1"].store_ages.stores
    assert world.ask("node1", prepare(MIDDLE)) == Promised(MIDDLE, ZERO, b"", stores)
    assert world.ask("node1", prepare(LOW)) == Rejected(LOW, MIDDLE)
    assert world.ask("node1", accept(LOW)) == Rejected(LOW, MIDDLE)
    assert world.ask("node1", accept(MIDDLE)) == Accepted(MIDDLE, stores)
    assert world.ask("node1", prepare(HIGH)) == Promised(HIGH, MIDDLE, VALUE, stores)
    rejections = world["node1"].metrics.paxos.rejections
    assert (rejections["prepare"].value, rejections["accept"].value) == (1, 1)


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("message", [prepare(LOW), accept(LOW)], ids=["prepare", "accept"])
def test_nothing_is_answered_before_it_is_synced(durability, message):
    """Whatever the node's durability: a vote that a crash can undo is none. A crash before leaves no trace of it."""
    world = StrictWorld(durability=durability)
    disk = world.storage["node1"]
    disk.held = True
    synced = disk.synced
    answers = begun(world, message)
    again = begun(world, message)  # the repeat of a vote that waits for the disk waits, too
    assert answers == again == []
    disk.release()
    world.agenda.run()
    assert type(answers[0]) is type(again[0]) is (Promised if isinstance(message, Prepare) else Accepted)
    assert disk.synced == synced + 2
    world.reboot("node1", crash=True)
    assert world.state("node1", KEY).promised == LOW


def test_a_promise_outlives_a_crash(world):
    """The older accept that arrives after it is refused (note, 1.10 row 3)."""
    world.ask("node1", prepare(HIGH))
    world.reboot("node1", crash=True)
    assert world.ask("node1", accept(LOW)) == Rejected(LOW, HIGH)
    assert world.state("node1", KEY).value is None


def test_a_vote_that_never_got_to_the_disk_is_none(world):
    """Neither shown to a reader before (row 19), nor there after the crash."""
    disk = world.storage["node1"]
    disk.held = True
    assert begun(world, accept(LOW)) == []
    assert world.ask("node1", inspect()).accepted == ZERO
    world.reboot("node1", crash=True)
    assert world.state("node1", KEY) is None
    assert isinstance(world.ask("node1", accept(LOW, OTHER)), Accepted)


def test_an_accept_promises_the_next_ballot(world):
    """Also when it came before without one: an answer that counts for a lead means the promise (row 10)."""
    world.ask("node1", accept(LOW))
    assert isinstance(world.ask("node1", accept(LOW, following=HIGH)), Accepted)
    assert world.state("node1", KEY).promised == HIGH
    assert world.ask("node1", accept(MIDDLE, OTHER)) == Rejected(MIDDLE, HIGH)


def test_a_look_promises_nothing_and_spares_what_is_known(world):
    """The register is sent only to who has not got it."""
    stores = world["node1"].store_ages.stores
    assert world.ask("node1", inspect()) == Inspected(ZERO, b"", stores)
    world.ask("node1", accept(LOW))
    assert world.ask("node1", inspect()) == Inspected(LOW, VALUE, stores)
    assert world.ask("node1", inspect(LOW)) == Inspected(LOW, b"", stores)
    assert world.state("node1", KEY).promised == LOW


@pytest.mark.parametrize("message", [prepare(HIGH), accept(HIGH), inspect()], ids=["prepare", "accept", "inspect"])
def test_a_damaged_state_is_refused(world, message):
    """It never reads as "nothing accepted" (row 20), and nothing is written over it."""
    world.ask("node1", accept(LOW))
    ballots, stored = world.storage["node1"].durable[Keyspace.BALLOTS], world.stored_key(KEY)
    damaged = ballots[stored][:-1] + bytes([ballots[stored][-1] ^ 1])
    ballots[stored] = damaged
    assert isinstance(refused(world.ask("node1", message)), CorruptValue)
    assert ballots[stored] == damaged
    assert world["node1"].metrics.corrupt_records.value == 1


def test_a_key_goes_on_with_one_damaged_acceptor(world):
    """The other two are a majority; the damaged one never takes part."""
    world.set("node1", KEY, b"a")
    ballots = world.storage["node2"].durable[Keyspace.BALLOTS]
    ballots[world.stored_key(KEY)] = b"damaged"
    assert world.set("node1", KEY, b"b").applied
    assert [world.shown(node, KEY).value for node in ("node1", "node2", "node3")] == [b"b"] * 3
    assert ballots[world.stored_key(KEY)] == b"damaged"


@pytest.mark.parametrize("message", [prepare(HIGH), accept(HIGH), inspect()], ids=["prepare", "accept", "inspect"])
def test_an_empty_store_does_not_vote(message):
    """It does not know what it has promised before it was lost."""
    world = StrictWorld(empty=True)
    assert isinstance(refused(world.ask("node1", message)), NotReady)
    assert world.state("node1", KEY) is None


def test_who_is_no_acceptor_does_not_vote():
    """Not on keys of other buckets, and not on those of other nodes."""
    world = StrictWorld(5)
    world["node1"].buckets.learn([BucketProperties(name="b")], lambda _: None)
    assert isinstance(refused(world.ask("node1", Prepare("b", KEY, LOW))), ModeConflict)
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    assert isinstance(refused(world.ask(stranger, prepare(LOW))), WrongEpoch)


def test_a_bucket_that_is_not_known_yet_gets_votes(world):
    """Its properties are on their way; the proposer has them."""
    assert isinstance(world.ask("node1", Prepare("new", KEY, LOW)), Promised)


def test_below_the_floor_nothing_is_promised_or_accepted(world):
    """A key that was forgotten behaves as one that has promised the floor, and its versions go on from there."""
    partition = world["node1"].preference.partition(BUCKET, KEY)
    world.storage["node1"].durable[Keyspace.META][floor_key(partition)] = floor.encode(Floor(MIDDLE, 7))
    world.reboot("node1")
    assert world.ask("node1", prepare(LOW)) == Rejected(LOW, MIDDLE)
    assert world.ask("node1", accept(MIDDLE)) == Rejected(MIDDLE, MIDDLE)
    promised = world.ask("node1", prepare(HIGH))
    assert (promised.accepted, register.decode(promised.register).version) == (ZERO, 7)


def test_a_damaged_floor_stops_the_votes_of_its_partition(world):
    """Nobody knows what was promised there."""
    partition = world["node1"].preference.partition(BUCKET, KEY)
    world.storage["node1"].durable[Keyspace.META][floor_key(partition)] = b"damaged"
    world.reboot("node1")
    assert isinstance(refused(world.ask("node1", prepare(HIGH))), CorruptValue)
    elsewhere = next(
        k for k in map(b"%d".__mod__, range(99)) if world["node1"].preference.partition(BUCKET, k) != partition
    )
    assert isinstance(world.ask("node1", Prepare(BUCKET, elsewhere, HIGH)), Promised)


def test_a_full_or_busy_disk_is_a_refusal(world):
    """The vote was not given; later it may be."""
    disk = world.storage["node1"]
    disk.full = True
    assert isinstance(refused(world.ask("node1", prepare(LOW))), StorageFull)
    disk.full = False
    world["node1"].replica._queue_bytes_max = -1
    assert isinstance(refused(world.ask("node1", accept(LOW))), Overloaded)
    assert world.state("node1", KEY) is None


def test_votes_say_which_stores_are_known(world):
    """A node that meets another store of a peer says so in every vote, once that is on disk."""
    before = world.ask("node1", prepare(LOW)).stores
    assert before == world.ask("node2", prepare(LOW)).stores
    identity = world.identity["node3"]
    identity.store = "f" * 16
    world.storage["node1"].held = True
    world["node1"].store_ages.judge(world["node3"].store_ages.mine)
    assert world["node1"].store_ages.stores == before
    world.storage["node1"].release()
    world.agenda.run()
    assert world.ask("node1", prepare(MIDDLE)).stores != before


@pytest.mark.parametrize("question", [prepare(LOW), accept(LOW)])
def test_an_answer_that_waited_names_the_stores_of_when_it_is_sent(world: StrictWorld, question: Message):
    """What is said from then on is not in what a node is told that lost its disk meanwhile."""
    disk, ages = world.storage["node1"], world["node1"].store_ages
    before = ages.stores
    disk.held = True
    ages.judge(StoreAge("node3", "f" * 16, 1, "r"))
    answers: list[Message] = []
    world["node1"].handle("node2", 1, question, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    assert ages.stores == before
    disk.release()
    world.agenda.run()
    assert isinstance(answers[0], Promised | Accepted)
    assert answers[0].stores == ages.stores != before
