"""Keys that were deleted long ago are forgotten by all replicas or not at all, and do not come back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dynamo.consensus.forgetting import Attempt, Forgetting, floor_after, is_forgettable, last_decided
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.layout.register import ABSENT, Done, Register, encode, is_unwritten, of_floor, packed
from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, ForgetKey, Forgotten, Inspect, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO
from tests.unit.consensus.forgetting_model import Rules, violations
from tests.unit.consensus.hand import DEADLINE, NODES, Replicas, Story

AGE_MS = 1000
OLD, LATER, BALLOT = (10, "p", 1), (20, "p", 1), (5000, "f", 1)
VALUE = Register(1, b"v", counter=10, request=b"1" * 16, done=packed(Done(b"1" * 16, 1, 1, 10)))
DELETION = Register(2, None, counter=20, request=b"2" * 16, done=packed(Done(b"2" * 16, 1, 2, 20, True)))
CALLED_OFF = packed(Done(b"2" * 16, 1, 2, 20, True), Done(b"9" * 16, 0, 0, 4500))


def having(register: Register, ballot=LATER) -> AcceptorState:
    return AcceptorState(ballot, ballot, encode(register))


@dataclass
class Forgetful(Replicas):
    """Acceptors that can forget, each with a floor of its own."""

    floors: dict[str, Floor] = field(default_factory=lambda: dict.fromkeys(NODES, GROUND))

    def handle(self, name: str, message: Message) -> Message:
        self.floor = self.floors[name]
        if not isinstance(message, ForgetKey):
            return super().handle(name, message)
        after = floor_after(self.states[name], self.floor, message.ballot)
        if after is not None:
            self.states[name], self.floors[name] = None, after
        return Forgotten(self.states[name] is None)


@pytest.fixture
def replicas() -> Forgetful:
    return Forgetful({name: having(DELETION) for name in NODES})


def attempt(replicas: Forgetful, last=(4999, "p", 1)) -> Story:
    return Story(Forgetting(NODES, "b", b"k", BALLOT, last, AGE_MS, DEADLINE), replicas).start()


def test_a_deletion_of_long_ago_is_forgotten_by_all(replicas):
    """Three rounds; what stays is the floor, in ballot and version."""
    story = attempt(replicas)
    for kind in ("Prepare", "Accept", "ForgetKey"):
        assert story.kinds() == [(name, kind) for name in NODES]
        story.deliver(*NODES)
    assert story.finished == [Attempt("forgotten")]
    assert replicas.states == dict.fromkeys(NODES)
    assert replicas.floors == dict.fromkeys(NODES, Floor(BALLOT, 2))


def test_in_between_the_key_looks_as_if_it_was_never_written(replicas):
    """So a reader is shown the same by those that have forgotten and those that have not."""
    story = attempt(replicas)
    story.deliver(*NODES)
    story.deliver(*NODES)
    story.deliver("a")
    shown = {name: replicas.handle(name, Inspect("b", b"k")) for name in NODES}
    assert shown["a"].register == shown["b"].register == encode(of_floor(2))
    assert is_unwritten(of_floor(2))
    assert (shown["a"].accepted, shown["b"].accepted) == (ZERO, BALLOT)


@pytest.mark.parametrize("silent", NODES)
@pytest.mark.parametrize("rounds", [0, 1])
def test_a_majority_is_not_enough(replicas, silent: str, rounds: int):
    """Mutation row 12. The one that is missing holds the value of before the deletion; nobody may forget."""
    replicas.states[silent] = having(VALUE, OLD)
    story = attempt(replicas)
    others = [name for name in NODES if name != silent]
    for _ in range(rounds):
        story.deliver(*NODES)
    for _ in range(3):
        story.deliver(*others)
    assert all(kind != "ForgetKey" for _, kind in story.kinds())
    assert all(replicas.states[name] is not None for name in NODES)
    story.wait_until(DEADLINE)
    assert story.finished == [Attempt("away")]


def test_what_comes_late_is_refused_by_who_has_forgotten(replicas):
    """Mutation row 13: without the floor an Accept of before would find nothing that forbids it."""
    story = attempt(replicas)
    for _ in range(3):
        story.deliver(*NODES)
    for name in NODES:
        for ballot in (OLD, LATER, BALLOT):
            late = Accept("b", b"k", ballot, encode(VALUE))
            assert isinstance(replicas.handle(name, late), Rejected)
            assert isinstance(replicas.handle(name, Prepare("b", b"k", ballot)), Rejected)
        assert replicas.states[name] is None


def test_the_version_goes_on_where_it_was(replicas):
    """A fencing token must not come a second time."""
    story = attempt(replicas)
    for _ in range(3):
        story.deliver(*NODES)
    promised = replicas.handle("b", Prepare("b", b"k", (6000, "q", 1)))
    assert isinstance(promised, Promised)
    assert promised.register == encode(of_floor(2))


@pytest.mark.parametrize(
    "state",
    [
        having(VALUE, (30, "p", 1)),
        having(Register(3, None, counter=4500, request=b"3" * 16), (4500, "p", 1)),
        having(Register(2, None, counter=20, request=b"2" * 16, done=CALLED_OFF), (4500, "p", 1)),
    ],
)
def test_what_is_not_dead_for_long_stays(replicas, state: AcceptorState):
    """It has a value; it was deleted just now; or a request was called off just now, which must be remembered."""
    replicas.states["c"] = state
    story = attempt(replicas)
    story.deliver(*NODES)
    assert story.finished == [Attempt("alive")]
    assert story.sent == []


def test_what_was_decided_since_it_was_first_looked_at_stays(replicas):
    """Whatever the clocks say that made the ballots."""
    replicas.states["b"] = having(DELETION, (21, "p", 1))
    story = attempt(replicas, last=LATER)
    story.deliver(*NODES)
    assert story.finished == [Attempt("alive")]


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_whoever_refuses_or_is_away_ends_the_attempt(replicas, rounds: int):
    """Another proposer was quicker at one, or it does not answer: nothing more is sent."""
    for failed in (True, False):
        replicas.states = {name: having(DELETION) for name in NODES}
        replicas.floors = dict.fromkeys(NODES, GROUND)
        story = attempt(replicas)
        for _ in range(rounds):
            story.deliver(*NODES)
        if failed:
            story.fail("b", PeerFailure.TIMEOUT)
        else:
            replicas.handle("b", Prepare("b", b"k", (9000, "q", 1)))
            story.deliver("b")
        assert story.finished == [Attempt("away" if failed else "refused")]
        before = len(story.sent)
        story.deliver("a", "c")
        assert len(story.sent) <= before
        assert len(story.finished) == 1


def test_one_that_has_forgotten_beside_one_that_has_not_is_forgotten_again(replicas):
    """An attempt that ended in the middle is made up for by the next one."""
    replicas.states["a"] = None
    replicas.floors["a"] = Floor((4000, "f", 1), 2)
    replicas.states["b"] = replicas.states["c"] = having(of_floor(2), (4000, "f", 1))
    story = attempt(replicas)
    for _ in range(3):
        story.deliver(*NODES)
    assert story.finished == [Attempt("forgotten")]
    assert replicas.floors == dict.fromkeys(NODES, Floor(BALLOT, 2))


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_disk_that_is_lost_meanwhile_ends_the_attempt(replicas, rounds: int):
    """All answers must be of the same stores."""
    story = attempt(replicas)
    for _ in range(rounds):
        story.deliver(*NODES)
    story.deliver("a")
    replicas.stores["b"] = 7
    story.deliver("b")
    assert story.finished == [Attempt("stores")]


@pytest.mark.parametrize(
    ("state", "floor"),
    [
        (None, None),
        (AcceptorState(BALLOT, ZERO, None), None),
        (AcceptorState((6000, "q", 1), BALLOT, encode(DELETION)), None),
        (AcceptorState(LATER, LATER, encode(DELETION)), None),
        (AcceptorState(BALLOT, BALLOT, encode(VALUE)), None),
        (AcceptorState(BALLOT, BALLOT, encode(of_floor(2))), Floor((7000, "f", 1), 2)),
        (AcceptorState(BALLOT, BALLOT, encode(ABSENT)), Floor((7000, "f", 1), 1)),
    ],
)
def test_a_replica_forgets_exactly_what_was_agreed_to(state, floor):
    """Promised and accepted in that ballot, and no value; its floor never falls."""
    assert floor_after(state, Floor((7000, "f", 1), 1), BALLOT) == floor


def test_age_counts_from_the_last_decision():
    """Of a change or of a request that was called off."""
    called_off = Register(2, None, counter=20, done=packed(Done(b"9" * 16, 0, 0, 90), Done(b"8" * 16, 0, 0, 70)))
    assert last_decided(called_off) == 90
    assert is_forgettable(called_off, 1090, 1000)
    assert not is_forgettable(called_off, 1089, 1000)
    assert not is_forgettable(VALUE, 10**9, 1000)


@pytest.mark.parametrize(("lagging", "change"), [(True, (7, "q", 1)), (False, (7, "q", 1)), (True, (4, "q", 1))])
def test_nothing_comes_back_in_any_order(lagging: bool, change: tuple[int, str, int]):
    """With a late Accept, a change in a higher or a lower ballot, and a reader, all at the same time."""
    found, worlds = violations(Rules(lagging, change=change))
    assert found == []
    assert worlds > 1000


@pytest.mark.parametrize(
    "broken",
    [Rules(True, replicas_needed=2), Rules(False, floor=False), Rules(False, floor=False, changes=False)],
)
def test_each_rule_is_needed(broken: Rules):
    """After a majority only, a value comes back from the third replica; without the floor, from a late message."""
    assert violations(broken)[0] != []
