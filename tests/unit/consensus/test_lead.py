"""The five conditions of the one-round lead, each by the story that goes wrong without it."""

import pytest

from dynamo.consensus.lead import Lead
from dynamo.layout.register import decode
from dynamo.protocol.commands import Action, ChangeOutcome, Condition
from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.paxos import Accept, Rejected
from tests.unit.consensus import broken
from tests.unit.consensus.hand import (
    DEADLINE,
    Counting,
    Replicas,
    promised,
    proposing,
    reading,
    setting,
    whole,
)

R, S, T, U = b"r" * 16, b"s" * 16, b"t" * 16, b"u" * 16


def led(replicas: Replicas, ballots: Counting) -> Lead:
    """The lead that a first change by "a" leaves."""
    lead = whole(replicas, setting(b"1", R), ballots=ballots).lead
    assert lead is not None
    return lead


def test_a_lead_saves_the_first_phase():
    """The second change of a coordinator takes one trip: its Accept carries the ballot that the first was promised."""
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    assert promised(replicas, "a") == lead.ballot
    story = proposing(replicas, setting(b"2", S), ballots=ballots, lead=lead)
    assert story.kinds() == [("b", "Accept"), ("c", "Accept"), ("a", "Accept")]
    story.deliver("b", "c")
    assert (story.round.trips, story.round.accepts, story.round.rounds) == (1, 1, 1)
    assert story.result.version == 2
    assert story.round.lead is not None
    assert story.round.lead.ballot > lead.ballot


def after_a_replay() -> None:
    """The second Accept of `a` reached `a`; a reader brought it to `c`, without a next ballot; then the Accept came to
    `c`, counted, and gave `a` the lead. Meanwhile a rival, whose ballot lies between, was refused by `a` and tried
    `b` and `c`, and `a` used its lead.
    """
    replicas, ballots = Replicas(), Counting("a")
    whole(replicas, setting(b"1", R), ballots=ballots)
    first = proposing(replicas, setting(b"2", S), ballots=ballots)
    first.deliver("b", "a")
    first.sent = [one for one in first.sent if one.to != "b" and isinstance(one.message, Accept)]
    first.deliver("a")
    reader = reading(replicas, "a", ("a", "b", "c"))
    reader.deliver("a")
    reader.deliver("b")
    reader.deliver("c")
    first.deliver("c")
    lead = first.round.lead
    assert lead is not None
    rival = proposing(replicas, setting(b"3", T), node="b", ballots=Counting("b", lead.ballot[0] - 2))
    assert first.round.chosen < rival.sent[0].message.ballot < lead.ballot
    rival.deliver("a", "b", "c")
    rival.deliver("b", "c")
    won = bool(rival.finished) and rival.result.applied
    second = proposing(replicas, setting(b"4", U), ballots=ballots, lead=lead)
    second.deliver("a", "b", "c")
    assert not won or not second.finished or not second.result.applied, "one of them wrote over the other"


def test_every_answer_that_counts_has_promised_the_next_ballot():
    """Condition 1, where it is easily missed: the value was there before the Accept came (row 10). Without it the
    rival's change is acknowledged, and lost.
    """
    after_a_replay()
    with broken.duplicate_accept_without_promise(), pytest.raises(AssertionError, match="wrote over"):
        after_a_replay()


def test_a_lead_is_used_once_however_that_ends():
    """Condition 2: an Accept that ran out of time leaves no lead, and the next try takes a new ballot (row 4)."""
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    change = setting(b"2", S)
    story = proposing(replicas, change, ballots=ballots, lead=lead)
    used = story.sent[0].message
    assert isinstance(used, Accept)
    assert used.ballot == lead.ballot
    story.wait_until(DEADLINE)
    assert story.round.lead is None
    again = proposing(replicas, change, ballots=ballots)
    assert again.sent[0].message.ballot > max(used.ballot, used.next)


def test_a_refusal_leaves_no_lead():
    """Condition 3: somebody else is at work; also if a majority accepted all the same."""
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    story = proposing(replicas, setting(b"2", S), ballots=ballots, lead=lead)
    story.hear("c", Rejected(lead.ballot, (99, "c", 0)))
    story.deliver("a", "b")
    assert story.result.applied
    assert story.round.lead is None


def test_a_refused_lead_is_followed_by_a_whole_round():
    """Condition 3: another coordinator went on. The change is made on what that one left."""
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    whole(replicas, setting(b"2", S), node="b", ballots=Counting("b", 50))
    story = proposing(replicas, setting(b"3", T), ballots=ballots, lead=lead)
    story.deliver("b", "c")
    story.wait_until(0.2)
    assert story.kinds()[:2] == [("a", "Accept"), ("b", "Prepare")]
    story.deliver("b", "c")
    story.deliver("b", "c")
    assert story.result.version == 3
    assert story.round.rounds == 2
    assert story.round.lead is None, "no lead is asked for where others are at work"


def test_what_only_looks_is_not_answered_from_the_lead():
    """Condition 4: another coordinator may have gone on (row 8). It is accepted once more first, and here refused."""
    for action, condition in ((Action.READ, None), (Action.SET, Condition(version=9))):
        replicas, ballots = Replicas(), Counting("a")
        lead = led(replicas, ballots)
        whole(replicas, setting(b"2", S), node="b", ballots=Counting("b", 50))
        looking = setting(b"3", T, condition=condition)
        looking.command.action = action
        story = proposing(replicas, looking, ballots=ballots, lead=lead)
        assert story.finished == []
        story.deliver("a", "b", "c")
        story.wait_until(0.2)
        story.deliver("a", "b", "c")
        assert isinstance(story.result, ChangeOutcome)
        assert story.result.version == 2
        assert decode(story.result.register).value == b"2"
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    with broken.answered_from_the_lead():
        assert proposing(replicas, looking, ballots=ballots, lead=lead).finished


def test_a_look_at_the_lead_takes_one_trip_if_nobody_interferes():
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    story = proposing(replicas, setting(b"3", T, condition=Condition(version=9)), ballots=ballots, lead=lead)
    sent = story.sent[0].message
    assert isinstance(sent, Accept)
    assert sent.register == lead.register
    story.deliver("b", "c")
    assert (story.result.applied, story.result.version, story.round.trips) == (False, 1, 1)


def test_a_failure_during_a_lead_is_asked_again_with_the_same_value():
    """Condition 2: to repeat the very same Accept is safe; nothing else goes out in its ballot."""
    replicas, ballots = Replicas(), Counting("a")
    lead = led(replicas, ballots)
    story = proposing(replicas, setting(b"2", S), ballots=ballots, lead=lead)
    before = story.sent[0].message
    story.fail("b", PeerFailure.LOST)
    story.fail("c", PeerFailure.DOWN)
    assert story.finished == []
    story.wait_until(0.3)
    assert [send.message for send in story.sent if send.to in ("b", "c")] == [before, before]
    story.deliver("b", "c")
    assert story.result.version == 2
