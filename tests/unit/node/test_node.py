import asyncio
import random
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo.errors import CorruptValue, DynamoError, Internal, Overloaded, StorageFull, WrongEpoch, from_code
from dynamo.membership.view import State
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.messages import (
    Buckets,
    Fetch,
    Fetched,
    Forward,
    Forwarded,
    MemberState,
    Message,
    Ping,
    Pong,
    Refused,
    Scan,
    Scanned,
    ShareBuckets,
    Status,
    StatusReport,
    Store,
    Stored,
)
from dynamo.ring.ring import Ring
from dynamo.version import VERSION
from dynamo.versioning.clock import Clock, Dot, covers, descends
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, decode, encode
from dynamo.versioning.siblings import EMPTY, merged
from tests.unit.node.world import START_MS, Agenda, World


@pytest.fixture
def world() -> World:
    return World(3)


def ask(world: World, message: Message, *, at: str = "node1", epoch: int = 1) -> Message:
    """What a peer is answered: once."""
    answers: list[Message] = []
    world[at].handle("node2", epoch, message, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    assert len(answers) == 1
    return answers[0]


RECORD = encode(Record({"x": 1}, [Sibling("x", 1, stamp(START_MS), b"v")]))
COMMAND = WriteCommand(bucket="b", key=b"k", value=b"v", request=b"r" * 16)
REQUESTS = [
    (Ping(), Pong),
    (Status(), StatusReport),
    (Fetch("b", b"k"), Fetched),
    (Store("b", b"k", RECORD), Stored),
    (Forward(COMMAND), Forwarded),
    (Scan("b", 0, b"", b"", b"", 10, values=False), Scanned),
    (ShareBuckets([]), Buckets),
]


@pytest.mark.parametrize(("message", "answer"), REQUESTS, ids=lambda each: type(each).__name__)
def test_every_request_has_its_answer(world, message, answer):
    """Exactly one, of its own kind."""
    assert isinstance(ask(world, message), answer)


@pytest.mark.parametrize("message", [Pong(), Fetched(b""), Stored(), Refused("x", "y")], ids=lambda m: type(m).__name__)
def test_a_reply_is_no_request(world, message):
    """It is refused as the bug that it is."""
    answer = ask(world, message)
    assert isinstance(answer, Refused)
    assert isinstance(refused_error(answer), Internal)


@pytest.mark.parametrize(("message", "answer"), REQUESTS[2:], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("epoch", [1, 3])
def test_another_topology_is_answered_with_ours(message, answer, epoch):
    """Whoever is behind gets the newer topology along; whoever is ahead is told our epoch. Nothing is done."""
    world = World(3, epoch=2)
    before = {name: dict(world.records(name)) for name in world.network.nodes}
    refusal = ask(world, message, epoch=epoch)
    assert isinstance(refusal, Refused)
    error = refused_error(refusal)
    assert isinstance(error, WrongEpoch)
    assert error.members["epoch"] == 2
    if epoch < 2:
        assert msgspec.convert(error.members["topology"], Ring) == world["node1"].ring
    else:
        assert error.members["topology"] is None
    assert before == {name: world.records(name) for name in world.network.nodes}


@pytest.mark.parametrize("epoch", [1, 3])
def test_liveness_does_not_depend_on_the_topology(epoch):
    """Who disagrees about the ring can still be asked whether it is there, and how it sees the cluster."""
    world = World(3, epoch=2)
    assert isinstance(ask(world, Ping(), epoch=epoch), Pong)
    assert ask(world, Status(), epoch=epoch).epoch == 2


def test_refusals_are_counted(world):
    """Damage and clocks, by peers' requests."""
    world["node1"].buckets.learn([BucketProperties(name="l", mode=Mode.LWW)], lambda _: None)
    far = encode(Record({"x": 1}, [Sibling("x", 1, stamp(START_MS + 10**6), b"v")]))
    assert ask(world, Store("l", b"k", far)).code == "clock-drift"
    assert ask(world, Store("b", b"k", b"damaged")).code == CorruptValue.code
    metrics = world["node1"].metrics
    assert (metrics.clock_drift_refusals.value, metrics.corrupt_records.value) == (1, 1)


def test_a_disk_that_is_full_is_a_refusal(world):
    """The sender knows that nothing was stored; reads go on."""
    ask(world, Store("b", b"k", RECORD))
    world.storage["node1"].full = True
    assert isinstance(refused_error(ask(world, Store("b", b"other", RECORD))), StorageFull)
    assert ask(world, Fetch("b", b"k")).record == RECORD


def test_books_are_compared_by_digest(world):
    """The same digest: no answer but what was shared. Another one, after the merge: everything."""
    node = world["node1"]
    mine = BucketProperties(name="mine", created=(1, "node1"), changed=(1, "node1"))
    theirs = BucketProperties(name="theirs", created=(1, "node2"), changed=(1, "node2"))
    node.buckets.learn([mine], lambda _: None)
    assert ask(world, ShareBuckets([theirs])) == Buckets([theirs])
    assert ask(world, ShareBuckets([], node.buckets.digest())) == Buckets([])
    assert ask(world, ShareBuckets([], 12345)) == Buckets([mine, theirs])


def test_the_status_of_a_node(world):
    """Its own view, for operators."""
    ask(world, Store("b", b"k", RECORD))
    world.clock.turn(5)
    world.network.down = {"node3"}
    report = world["node1"].status()
    members = [MemberState("node2", State.ALIVE, 0), MemberState("node3", State.ALIVE, 0)]
    assert report == StatusReport("node1", VERSION, 1, "00000001", ["node2"], 1, 0, 5.0, members)


async def test_the_status_of_the_cluster():
    """This node first; of one that does not answer only its id."""
    world = World(3, later=asyncio.get_running_loop().call_soon)
    world.network.silent = {"node2"}
    reports = await world["node1"].cluster_status(102.0)
    assert [report if isinstance(report, str) else report.node for report in reports] == ["node1", "node2", "node3"]
    assert isinstance(reports[1], str)


def test_readiness(world):
    """Not before its book was compared with a peer's, or the time for that has passed; not while draining."""
    node = world["node1"]
    node.buckets.compared = False
    assert node.readiness() == ["comparing bucket properties with a peer"]
    world.clock.turn(5)
    assert node.readiness() == []
    rebooted = world.boot("node1")
    rebooted.buckets.compared = True
    assert rebooted.readiness() == []
    drained: list[bool] = []
    rebooted.drain(lambda: drained.append(True))
    assert drained == [True]
    assert rebooted.readiness() == ["draining"]
    rebooted.stop()
    assert rebooted.readiness() == ["not started", "draining"]


def test_a_lone_node_waits_for_nobody():
    """It has no peers to compare with."""
    assert World(1)["node1"].readiness() == []


def test_a_clean_stop_goes_on_where_it_ended(world):
    """The same incarnation, the next counter; after a crash another one."""
    world.write("node1", b"k", b"x", w=1)
    world["node1"].stop()
    assert world.identity["node1"].closed_at == 1
    world.identity["node1"].counter = 1
    world.boot("node1")
    assert decode(world.write("node1", b"k2", b"x", w=1).record).clock == {"node1.00000001": 2}
    world.crash("node1")
    assert decode(world.write("node1", b"k3", b"x", w=1).record).clock == {"node1.00000002": 1}


def test_a_crash_loses_nothing_that_was_acknowledged(world):
    """What was queued is gone; what was acknowledged is there, and so are the buckets."""
    world.write("node1", b"k", b"x")
    world.storage["node1"].held = True
    outcomes: list = []
    world.network.silent = {"node2", "node3"}
    world["node1"].write(world.command(b"lost", b"y", w=1), 102.0, "t", outcomes.append)
    world.agenda.run()
    assert outcomes == []
    world.crash("node1")
    world.network.silent = set()
    assert world.values("node1", b"k", r=1) == [b"x"]
    assert world.values("node1", b"lost", r=1) == []
    assert world["node1"].buckets.known("b") is not None


def test_admission_is_the_nodes_own(world):
    """Its limit comes from the configuration."""
    admission = world["node1"].admission
    for _ in range(world["node1"].config.limits.inflight_max):
        assert admission.enter() is None
    assert isinstance(admission.enter(), Overloaded)
    assert from_code("overloaded", "").retry_after_s == 1


# --- whole histories


class ShuffledAgenda(Agenda):
    """Messages, answers and commits happen in any order."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice

    def run(self, steps: int | None = None) -> None:
        """Let some of it happen, or all."""
        while self._waiting and (steps is None or steps > 0):
            self._waiting.rotate(-self.dice.randrange(len(self._waiting)))
            self._waiting.popleft()()
            steps = None if steps is None else steps - 1


@dataclass
class Attempt:
    """One write of a client, and what that client had been shown before."""

    value: bytes | None
    knew: frozenset[bytes]
    """Request identities whose writes it had seen, or seen superseded."""
    blind: bool
    acknowledged: bool = False
    record: Record | None = None


@dataclass
class Client:
    clock: Clock = field(default_factory=dict)
    knew: frozenset[bytes] = frozenset()


class Story:
    """Clients, nodes and mishaps, step by step, and what must hold of all of it at the end."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.agenda = ShuffledAgenda(dice)
        self.world = World(3, later=self.agenda.later)
        self.world.agenda = self.agenda
        self.nodes = sorted(self.world.network.nodes)
        self.clients = [Client() for _ in range(3)]
        self.attempts: dict[bytes, Attempt] = {}
        self.open = 0
        self.dots: dict[Dot, Sibling] = {}
        self.shown: list[tuple[Clock, Clock]] = []
        self.blind_deletes = dice.random() < 0.2

    def step(self) -> None:
        kind = self.dice.choices(
            ["write", "read", "some", "cut", "heal", "full", "room", "crash", "wait"], [8, 8, 12, 1, 2, 1, 2, 1, 1]
        )[0]
        getattr(self, kind)()

    def write(self) -> None:
        client = self.dice.choice(self.clients)
        request = len(self.attempts).to_bytes(16, "big")
        knowing = self.dice.random() < 0.6
        value = None if self.dice.random() < 0.2 and (knowing or self.blind_deletes) else request
        attempt = Attempt(value, client.knew if knowing else frozenset(), blind=value is None and not knowing)
        self.attempts[request] = attempt
        command = WriteCommand(
            bucket="b", key=b"k", value=value, request=request, context=dict(client.clock) if knowing else None
        )
        self.open += 1

        def done(outcome: WriteOutcome | DynamoError) -> None:
            self.open -= 1
            attempt.acknowledged = isinstance(outcome, WriteOutcome)
            if isinstance(outcome, WriteOutcome):
                attempt.record = decode(outcome.record)

        self._any_node().write(command, self.world.clock.now + 2, "t", done)

    def read(self) -> None:
        client = self.dice.choice(self.clients)
        self.open += 1
        began = self.shown[-1][0] if self.shown else {}
        context = client.clock if self.dice.random() < 0.3 else None

        def done(outcome: ReadOutcome | DynamoError) -> None:
            self.open -= 1
            if isinstance(outcome, ReadOutcome) and outcome.record is not None:
                assert context is None or descends(outcome.record.clock, context)
                self._see(client, outcome.record)
                self.shown.append((outcome.record.clock, began))

        command = ReadCommand(bucket="b", key=b"k", context=context)
        self._any_node().read(command, self.world.clock.now + 2, "t", done)

    def _any_node(self):
        return self.world[self.dice.choice(self.nodes)]

    def _see(self, client: Client, record: Record) -> None:
        requests = {s.request for s in record.siblings}
        client.clock = dict(record.clock)
        client.knew = frozenset().union(requests, *(self.attempts[request].knew for request in requests))

    def some(self) -> None:
        self.agenda.run(self.dice.randrange(1, 12))

    def cut(self) -> None:
        mishap = self.dice.choice([self.world.network.down, self.world.network.silent, self.world.network.mute])
        mishap.add(self.dice.choice(self.nodes))

    def heal(self) -> None:
        for mishap in (self.world.network.down, self.world.network.silent, self.world.network.mute):
            mishap.clear()

    def full(self) -> None:
        self.world.storage[self.dice.choice(self.nodes)].full = True

    def room(self) -> None:
        for storage in self.world.storage.values():
            storage.full = False

    def crash(self) -> None:
        self.world.crash(self.dice.choice(self.nodes))

    def wait(self) -> None:
        self.world.clock.turn(0.7)

    def end(self) -> Record:
        """Everything heals, everything that is under way ends; the final state of the key."""
        self.heal()
        self.room()
        for _ in range(3):
            self.agenda.run()
            self.world.clock.turn(3)
        assert self.open == 0, "requests in = outcomes out"
        final = EMPTY
        for name in self.nodes:
            for data in self.world.records(name).values():
                self._note_dots(decode(data))
                final = merged(final, decode(data))
        for _, _, message in self.world.network.sent:
            if isinstance(message, Store):
                self._note_dots(decode(message.record))
        return final

    def _note_dots(self, record: Record) -> None:
        for sibling in record.siblings:
            assert self.dots.setdefault(sibling.dot, sibling) == sibling, "no dot has two values"


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(5, 80))
def test_no_acknowledged_write_is_lost(seed, steps):
    """Three nodes at quorum, with messages in any order, cuts, lost answers, full disks and crashes.

    Each request has one outcome; no dot has two values; a write that was acknowledged stands at the end, unless one
    that knew of it (or a delete without a context, which takes what its coordinator has) superseded it.
    """
    story = Story(random.Random(seed))
    for _ in range(steps):
        story.step()
    final = story.end()
    standing = {s.request for s in final.siblings}
    blind = any(attempt.blind for attempt in story.attempts.values())
    for request, attempt in story.attempts.items():
        if not attempt.acknowledged or request in standing:
            continue
        knowing = any(request in later.knew for later in story.attempts.values())
        # A blind write over a tombstone drops it: the tombstone has done its work.
        assert knowing or blind or attempt.value is None, f"acknowledged write {request.hex()} is lost"
    for attempt in story.attempts.values():
        if attempt.acknowledged:
            assert attempt.record is not None
            assert descends(final.clock, attempt.record.clock), "what was acknowledged is on a disk"
    for shown, before in story.shown:
        assert descends(shown, before), "quorum reads never go backwards"
        assert all(covers(final.clock, (actor, counter)) for actor, counter in shown.items())
    assert all(len(story.world.records(name)) <= 1 for name in story.nodes)
