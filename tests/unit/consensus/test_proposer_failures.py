"""What a round makes of lost messages, of failures, and of answers that come late."""

import pytest

from dynamo.consensus.proposer import RESEND_S
from dynamo.errors import Applied, NotReady, QuorumUnavailable
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import Register, decode, encode
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.paxos import Accepted, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO
from tests.unit.consensus.hand import (
    DEADLINE,
    Counting,
    Replicas,
    proposing,
    reading,
    setting,
)

R, S, T = b"r" * 16, b"s" * 16, b"t" * 16


def value_at(replicas: Replicas, name: str) -> bytes | None:
    state = replicas.states[name]
    return None if state is None or state.value is None else decode(state.value).value


# -- failures ----------------------------------------------------------------------------------------------------------


def test_lost_messages_are_sent_again():
    """In either phase, to all but who refused, until the deadline."""
    replicas = Replicas()
    story = proposing(replicas, setting(b"1"))
    story.sent.clear()
    story.wait_until(RESEND_S - 0.01)
    assert story.sent == []
    story.wait_until(RESEND_S)
    assert story.kinds() == [("b", "Prepare"), ("c", "Prepare"), ("a", "Prepare")]
    story.deliver("b", "c", answers=False)
    story.wait_until(2 * RESEND_S)
    story.deliver("b", "c")
    story.sent.clear()
    story.wait_until(3 * RESEND_S)
    story.deliver("b", "c")
    assert story.result.version == 1
    assert story.round.rounds == 1, "a repeated Prepare is answered as the first"


@pytest.mark.parametrize("failure", [PeerFailure.DOWN, PeerFailure.REFUSED])
def test_too_few_replicas_is_said_at_once_if_nothing_was_sent(failure):
    """They are away, or say that they take no part: nobody need wait for the deadline."""
    story = proposing(Replicas(), setting(b"1"))
    story.fail("b", failure, NotReady("it recovers") if failure is PeerFailure.REFUSED else None)
    assert not story.finished
    story.fail("c", failure, NotReady("it recovers") if failure is PeerFailure.REFUSED else None)
    assert isinstance(story.result, QuorumUnavailable)
    assert story.result.applied is Applied.NO
    assert ("it recovers" in story.result.detail) == (failure is PeerFailure.REFUSED)


@pytest.mark.parametrize("failure", [PeerFailure.LOST, PeerFailure.TIMEOUT])
def test_a_lost_answer_is_waited_for(failure):
    """The connection may be back in a moment."""
    story = proposing(Replicas(), setting(b"1"))
    story.fail("b", failure)
    story.fail("c", failure)
    assert not story.finished
    story.wait_until(RESEND_S)
    story.deliver("b", "c")
    story.deliver("b", "c")
    assert story.result.version == 1


def test_a_refusal_beside_a_failure_takes_another_ballot():
    """One says no, one is away, one promises: only a higher ballot can still have a majority."""
    replicas = Replicas()
    replicas.states["b"] = AcceptorState((9, "z", 0))
    story = proposing(replicas, setting(b"1"))
    story.fail("c")
    story.deliver("a", "b")
    story.wait_until(0.2)
    story.deliver("a", "b")
    story.deliver("a", "b")
    assert story.result.version == 1
    assert story.round.rounds == 2


def test_who_has_answered_does_not_fail():
    """Its promise is on its disk; that a later message to it was lost takes nothing back."""
    story = proposing(Replicas(), setting(b"1"))
    story.deliver("b")
    story.fail("b")
    story.fail("c")
    assert not story.finished, "a and b may still be a majority"
    story.deliver("a")
    story.deliver("a", "b")
    assert story.result.version == 1


def test_who_failed_may_answer():
    """The message that failed was an older one: it is not missing any more."""
    story = proposing(Replicas(), setting(b"1"))
    ballot = story.sent[0].message.ballot
    story.machine.on_failure("b", PeerError(PeerFailure.DOWN), 0.0)
    story.deliver("b")
    story.fail("c")
    assert not story.finished, "a and b may still be a majority"
    story.deliver("a")
    story.machine.on_failure("b", PeerError(PeerFailure.DOWN), 0.0)
    story.deliver("b")
    story.hear("c", Rejected(ballot, (9, "z", 0)))
    assert not story.finished
    story.deliver("a")
    assert story.result.version == 1
    assert story.round.rounds == 1


def test_who_refuses_and_fails_counts_once():
    """An older message to it may be lost as well: two others are a majority."""
    story = proposing(Replicas(), setting(b"1"))
    ballot = story.sent[0].message.ballot
    story.fail("c", PeerFailure.LOST)
    story.hear("c", Rejected(ballot, (9, "z", 0)))
    story.fail("c", PeerFailure.LOST)
    story.deliver("a", "b")
    story.deliver("a", "b")
    assert (story.result.version, story.round.rounds) == (1, 1)


def test_a_refusal_of_an_earlier_ballot_is_over():
    """Late, it refuses nothing now; but what it names is remembered."""
    ballots = Counting("a")
    story = proposing(Replicas(), setting(b"1"), ballots=ballots)
    for name in ("b", "c", "a"):
        story.hear(name, Rejected((0, "a", 0), (9, "z", 0)))
    story.deliver("b", "c")
    story.deliver("b", "c")
    assert (story.round.rounds, story.round.refusals) == (1, 0)
    assert ballots.highest > 9


def test_what_a_promise_shows_is_remembered():
    """The next ballot of this node is above it, also if this round needs none."""
    ballots = Counting("a")
    story = proposing(Replicas(), setting(b"1"), ballots=ballots)
    story.hear("b", Promised(story.sent[0].message.ballot, (70, "z", 0), encode(Register(1, b"0"))))
    assert ballots.highest == 70


def test_nothing_comes_of_what_is_heard_after_the_end():
    """But that somebody is further on is remembered."""
    ballots = Counting("a")
    story = proposing(Replicas(), setting(b"1"), ballots=ballots)
    story.deliver("b", "c")
    story.deliver("b", "c")
    chosen = story.round.chosen
    for message in (Accepted(chosen), Promised(chosen, ZERO, b""), Rejected(chosen, (70, "z", 0))):
        assert story.machine.on_reply("a", message, 1.0) == []
    assert story.machine.on_wakeup(DEADLINE) == []
    story.fail("a")
    assert len(story.finished) == 1
    assert ballots.highest == 70


def test_a_single_replica_is_its_own_majority():
    replicas = Replicas(dict.fromkeys("a"))
    story = proposing(replicas, setting(b"1"), primaries=("a",))
    story.deliver("a")
    story.deliver("a")
    assert story.result.version == 1


def test_a_key_of_any_coordinator():
    """A node that is no replica of the key may coordinate as well."""
    story = proposing(Replicas(), setting(b"1"), node="x")
    assert {name for name, _ in story.kinds()} == {"a", "b", "c"}
    assert isinstance(story.sent[0].message, Prepare)


def test_the_reader_and_the_proposer_meet():
    """A read while the Accept is on its way brings it to a majority; the round then ends as if nothing had been."""
    replicas = Replicas()
    story = proposing(replicas, setting(b"1"))
    story.deliver("b", "c")
    story.deliver("c", answers=False)
    read = reading(replicas, "c", ("c", "a", "b"))
    read.deliver("c")
    read.deliver("a")
    read.deliver("a")
    assert decode(read.finished[0].register).value == b"1"
    story.wait_until(RESEND_S)
    story.deliver("a", "c")
    assert story.result.version == 1
    assert value_at(replicas, "a") == b"1"
