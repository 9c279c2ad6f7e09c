"""What the rounds of one turn ask of a node is one message, and each round hears of its own vote."""

from collections.abc import Callable

import pytest

from dynamo.errors import CorruptValue, NotReady
from dynamo.layout.keyspaces import Keyspace
from dynamo.layout.register import Register, encode
from dynamo.node import accepts
from dynamo.node.accepts import Accepts
from dynamo.ports import Receiver
from dynamo.protocol.codec import refusal
from dynamo.protocol.commands import ChangeOutcome
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Pong, Refused, Votes
from dynamo.protocol.paxos import Accept, Accepted, AcceptMany, Rejected
from dynamo.versioning.ballot import ZERO, Ballot
from tests.unit.node.strict_world import BUCKET, StrictWorld
from tests.unit.node.world import ManualClock

LOW: Ballot = (10, "node2~1", 1)
HIGH: Ballot = (12, "node3~1", 1)
A, B, C = (Accept(BUCKET, key, LOW, b"register of " + key) for key in (b"a", b"b", b"c"))


class Round:
    """A Receiver that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_reply(self, peer: str, message: Message) -> None:
        self.heard.append((peer, message))

    def on_failure(self, peer: str, error: PeerError) -> None:
        self.heard.append((peer, error.failure, error.error and error.error.code))


class Broken(Round):
    """One with a bug."""

    def on_reply(self, peer: str, message: Message) -> None:
        raise RuntimeError("a bug")

    on_failure = on_reply  # type: ignore[assignment]


class Desk:
    """Accepts of node1, whose turn ends when the test says so."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[tuple[str, Message, float]] = []
        self.receivers: list[Receiver] = []
        self.accepts = Accepts("node1", self.clock, self._send)

    def _send(self, to: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        self.sent.append((to, message, deadline))
        self.receivers.append(receiver)

    def add(self, to: str, accept: Accept, deadline: float = 1.0, receiver: Receiver | None = None) -> Round:
        waiting = receiver or Round()
        self.accepts.add([to], accept, deadline, "t", waiting)
        assert isinstance(waiting, Round)
        return waiting


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_comes_in_one_turn_leaves_together(desk):
    """For each node one message, with the latest of the deadlines; this node's own last; the next turn has its own."""
    for to, accept, deadline in (("node1", A, 1.0), ("node2", A, 1.0), ("node2", B, 3.0), ("node1", C, 2.0)):
        desk.add(to, accept, deadline)
    assert desk.sent == []
    desk.clock.turn(0)
    assert desk.sent == [("node2", AcceptMany([A, B]), 3.0), ("node1", AcceptMany([A, C]), 2.0)]
    desk.clock.turn(0)
    desk.add("node2", C)
    desk.clock.turn(0)
    assert desk.sent[2:] == [("node2", C, 1.0)], "one that is alone leaves as it is"


def test_many_and_large_ones_wait_for_nothing(desk, monkeypatch):
    """A frame has its bounds. What comes afterwards leaves at the end of the turn."""
    monkeypatch.setattr(accepts, "MANY_MAX", 3)
    for accept in (A, B, C, A):
        desk.add("node2", accept)
    assert [message for _, message, _ in desk.sent] == [AcceptMany([A, B, C])]
    desk.add("node2", Accept(BUCKET, b"k", LOW, bytes(accepts.BYTES_MAX)))
    assert len(desk.sent) == 2
    desk.add("node2", B)
    desk.clock.turn(0)
    assert [message for _, message, _ in desk.sent[2:]] == [B]


def test_each_round_hears_of_its_vote(desk):
    """Whatever came of the others; one that has a bug costs nobody else his vote."""
    rounds = [desk.add("node2", A), desk.add("node2", B, receiver=Broken()), desk.add("node2", C), desk.add("node2", A)]
    desk.clock.turn(0)
    votes = Votes(4, 7, {2: Rejected(LOW, HIGH), 3: refusal(NotReady("not yet"))})
    desk.receivers[0].on_reply("node2", votes)
    assert [waiting.heard for waiting in rounds] == [
        [("node2", Accepted(LOW, 7))],
        [],
        [("node2", Rejected(LOW, HIGH))],
        [("node2", PeerFailure.REFUSED, "not-ready")],
    ]


@pytest.mark.parametrize(
    ("come", "said"),
    [
        (lambda ballots: ballots.on_failure("node2", PeerError(PeerFailure.TIMEOUT)), PeerFailure.TIMEOUT),
        (lambda ballots: ballots.on_reply("node2", Votes(2, 7)), PeerFailure.LOST),
        (lambda ballots: ballots.on_reply("node2", Pong()), PeerFailure.LOST),
    ],
    ids=["failure", "too few", "no votes"],
)
def test_without_votes_all_hear_that(desk, come: Callable[[Receiver], None], said: PeerFailure):
    rounds = [desk.add("node2", A), desk.add("node2", B, receiver=Broken()), desk.add("node2", C)]
    desk.clock.turn(0)
    come(desk.receivers[0])
    assert [waiting.heard for waiting in rounds] == [[("node2", said, None)], [], [("node2", said, None)]]


# --- the acceptor's side


def register(value: bytes) -> bytes:
    return encode(Register(version=1, value=value, counter=10, request=b"r" * 16))


def accept(key: bytes, ballot: Ballot = LOW, value: bytes = b"v", bucket: str = BUCKET) -> Accept:
    return Accept(bucket, key, ballot, register(value), ZERO)


def test_votes_are_of_each_key_and_on_disk():
    """In the order asked, with one sync for all; nothing is answered before."""
    world = StrictWorld()
    world.ask("node1", accept(b"b", HIGH))
    disk = world.storage["node1"]
    disk.held = True
    synced, answers = disk.synced, []
    asked = AcceptMany([accept(b"a"), accept(b"b"), accept(b"c"), accept(b"a")])
    world["node1"].handle("node2", 1, asked, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    assert answers == []
    disk.release()
    world.agenda.run()
    assert answers == [Votes(4, world["node1"].store_ages.stores, {1: Rejected(LOW, HIGH)})]
    assert disk.synced == synced + 1
    assert [world.state("node1", key).accepted for key in (b"a", b"b", b"c")] == [LOW, HIGH, LOW]


def test_two_accepts_of_one_key_in_one_message():
    """The second one meets the state that the first one leaves: it is not on disk yet, and must not be overwritten."""
    world = StrictWorld()
    answer = world.ask("node1", AcceptMany([accept(b"a", HIGH, b"new"), accept(b"a", LOW, b"old")]))
    assert answer == Votes(2, world["node1"].store_ages.stores, {1: Rejected(LOW, HIGH)})
    assert world.state("node1", b"a").value == register(b"new")


def test_a_key_on_which_it_must_not_vote_costs_the_others_nothing():
    """Damage, and a bucket that is not linearizable."""
    world = StrictWorld()
    world.ask("node1", accept(b"b"))
    disk = world.storage["node1"].durable[Keyspace.BALLOTS]
    disk[world.stored_key(b"b")] = b"\xff" + disk[world.stored_key(b"b")][1:]
    answer = world.ask("node1", AcceptMany([accept(b"a"), accept(b"b", HIGH)]))
    assert isinstance(answer, Votes)
    assert (answer.count, list(answer.others)) == (2, [1])
    assert isinstance(answer.others[1], Refused)
    assert answer.others[1].code == CorruptValue.code
    assert world["node1"].metrics.corrupt_records.value == 1


def test_changes_of_several_keys_begun_in_one_turn():
    """From the client's side: one message to each other replica, and each change is made."""
    world = StrictWorld()
    keys = [key for key in (b"k%d" % number for number in range(30)) if world.order(key)[0] == "node1"][:4]
    for key in keys:
        world.set("node1", key, b"first")
    world.network.sent.clear()
    outcomes = [world.begin("node1", world.make(key, value=b"second")) for key in keys]
    for each in outcomes:
        outcome = world.finish(each)
        assert isinstance(outcome, ChangeOutcome)
        assert outcome.version == 2
    together = world.sent(AcceptMany)
    assert [(to, len(message.accepts)) for _, to, message in together] == [("node2", 4), ("node3", 4)]
    assert world.sent(Accept) == []
