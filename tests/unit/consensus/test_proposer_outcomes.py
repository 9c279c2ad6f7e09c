"""What a round tells each change: only what can never turn out wrong."""

from dynamo.consensus.change import Change
from dynamo.errors import Applied, QuorumUnavailable, ReadTimeout, WriteTimeout
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import Register, decode, encode
from dynamo.protocol.commands import Action, Condition
from dynamo.protocol.paxos import Rejected
from dynamo.versioning.ballot import ZERO
from tests.unit.consensus import broken
from tests.unit.consensus.hand import (
    DEADLINE,
    Counting,
    Replicas,
    Story,
    command,
    proposing,
    setting,
    whole,
)

R, S, T = b"r" * 16, b"s" * 16, b"t" * 16


def looking(request: bytes = T) -> Change:
    return Change(command(Action.READ, request))


# -- what only looks ---------------------------------------------------------------------------------------------------


def test_a_failed_condition_in_a_settled_state_is_answered_at_once():
    """All of the majority show the same ballot: it is chosen, and nothing need be accepted."""
    replicas, ballots = Replicas(), Counting("a")
    whole(replicas, setting(b"1", R), ballots=ballots)
    story = proposing(replicas, setting(b"2", S, condition=Condition(version=9)), ballots=ballots)
    story.deliver("b", "c")
    assert (story.result.applied, story.result.version) == (False, 1)
    assert (story.round.trips, story.round.accepts, story.round.chosen) == (1, 0, ZERO)
    assert story.learned == []


def test_a_failed_condition_on_an_unsettled_state_settles_it_first():
    """The value that makes it fail is on one replica only: nobody may be told of it yet (row 8)."""

    def told_at_once() -> bool:
        replicas = Replicas()
        one_has_it(replicas)
        story = proposing(
            replicas, setting(b"2", S, condition=Condition(exists=False)), node="b", ballots=Counting("b", 7)
        )
        story.deliver("b", "c")
        at_once = bool(story.finished)
        story.deliver("b", "a")
        assert (story.result.applied, story.result.version) == (False, 1)
        return at_once

    assert not told_at_once()
    with broken.failed_condition_not_settled():
        assert told_at_once()


def one_has_it(replicas: Replicas) -> Change:
    """A change that reached `c` and nobody else, and whose coordinator has run out of time."""
    change = setting(b"1", R)
    story = proposing(replicas, change)
    story.deliver("b", "c")
    story.deliver("c")
    story.wait_until(DEADLINE)
    assert isinstance(story.result, WriteTimeout)
    return change


def test_a_repeat_is_answered_only_once_its_change_is_chosen():
    """The entry is there, on one replica: not enough."""
    replicas = Replicas()
    one_has_it(replicas)
    story = proposing(replicas, setting(b"1", R), node="b", ballots=Counting("b", 7))
    story.deliver("b", "c")
    assert not story.finished
    story.deliver("b", "a")
    assert (story.result.applied, story.result.version, story.result.repeated) == (True, 1, True)


def test_a_repeat_found_where_it_is_not_chosen_is_unknown_at_the_deadline():
    """Another attempt of the request may have succeeded by this very round."""
    replicas = Replicas()
    one_has_it(replicas)
    story = proposing(replicas, setting(b"1", R), node="b", ballots=Counting("b", 7))
    story.deliver("b", "c")
    story.wait_until(DEADLINE)
    assert story.result.applied is Applied.UNKNOWN


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_nothing_accepted_by_the_deadline_is_a_definite_failure():
    """Only Prepare was sent: it says that nothing was changed. A read has its own error."""
    story = proposing(Replicas(), setting(b"1"), looking())
    story.deliver("b")
    story.wait_until(DEADLINE)
    change, read = story.round.results
    assert isinstance(change, QuorumUnavailable)
    assert change.applied is Applied.NO
    assert "nothing was changed" in change.detail
    assert isinstance(read, ReadTimeout)


def test_an_accept_without_a_majority_is_unknown():
    """From the moment it is sent, delivered or not (row 9)."""
    for delivered in ((), ("b",)):
        story = proposing(Replicas(), setting(b"1"))
        story.deliver("b", "c")
        story.deliver(*delivered)
        story.wait_until(DEADLINE)
        assert isinstance(story.result, WriteTimeout)
        assert story.result.applied is Applied.UNKNOWN
        with broken.timeout_is_failure():
            assert story.machine._unfinished(setting(b"1")).applied is Applied.NO


def in_doubt_then_prepare_only() -> Story:
    """Its first Accept was refused by two; its next ballot gets no answer."""
    story = proposing(Replicas(), setting(b"1"))
    story.deliver("b", "c")
    ballot = story.sent[-1].message.ballot
    story.hear("b", Rejected(ballot, (9, "z", 0)))
    story.hear("c", Rejected(ballot, (9, "z", 0)))
    story.sent.clear()
    story.wait_until(0.2)
    assert {kind for _, kind in story.kinds()} == {"Prepare"}
    story.wait_until(DEADLINE)
    return story


def test_unknown_stays_unknown_when_a_later_ballot_only_reached_prepare():
    """The first Accept may be on one replica, and taken up by anybody (row 9)."""
    assert in_doubt_then_prepare_only().result.applied is Applied.UNKNOWN
    with broken.doubt_forgotten_by_prepare():
        assert in_doubt_then_prepare_only().result.applied is Applied.NO


def test_unknown_stays_unknown_for_the_next_proposer():
    """A change with time left goes to another round as it is. That one cannot reach anybody."""
    replicas = Replicas()
    change = one_has_it(replicas)
    again = proposing(replicas, change, ballots=Counting("a", 20))
    for name in ("a", "b", "c"):
        again.fail(name)
    assert not again.finished, "a doubt may end as long as there is time"
    again.wait_until(DEADLINE)
    assert again.result.applied is Applied.UNKNOWN


def refused_in_doubt() -> tuple[Replicas, Story]:
    """A compare and set reached `c` alone, was refused, and then sees the state without it, settled at `a` and `b`. Its
    condition does not hold there. Somebody else reads, meeting `c`.
    """
    replicas, ballots = Replicas(), Counting("a")
    whole(replicas, setting(b"0", R), ballots=ballots)
    cas = setting(b"1", S, condition=Condition(version=1, value=b"0"))
    story = proposing(replicas, cas, ballots=ballots)
    story.deliver("a", "b", "c")
    story.deliver("c")
    ballot = story.sent[0].message.ballot
    # A rival that had asked before got its change to nobody but made the coordinator try again.
    for name in ("a", "b"):
        story.hear(name, Rejected(ballot, (ballot[0] + 2, "z", 0)))
    story.sent.clear()
    cas.command.condition = Condition(version=7)
    story.wait_until(0.2)
    story.deliver("a", "b")
    return replicas, story


def test_a_refusal_of_what_was_sent_before_is_told_only_once_it_cannot_surface():
    """That the state without it is settled is not enough: a minority has the change in a higher ballot, and whoever
    meets it takes it up. A later ballot has to be accepted first.
    """
    replicas, story = refused_in_doubt()
    assert not story.finished
    story.deliver("a", "b")
    assert (story.result.applied, story.result.version) == (False, 1)
    reader = proposing(replicas, looking(), node="c", ballots=Counting("c", 90))
    reader.deliver("c", "b")
    reader.deliver("c", "b")
    assert decode(reader.result.register).value == b"0"

    with broken.refusal_ends_the_doubt():
        replicas, story = refused_in_doubt()
        assert story.result.applied is False
        reader = proposing(replicas, looking(), node="c", ballots=Counting("c", 90))
        reader.deliver("c", "b")
        reader.deliver("c", "b")
        assert decode(reader.result.register).value == b"1", "told that it was not applied, and it was"


def test_a_change_in_doubt_that_is_found_applied_is_told_so():
    """Somebody took it up; the round finds it in a settled state, and needs nothing more."""
    replicas = Replicas()
    change = one_has_it(replicas)
    taken_up = proposing(replicas, looking(), node="b", ballots=Counting("b", 20))
    taken_up.deliver("c", "a")
    taken_up.deliver("c", "a")
    story = proposing(replicas, change, ballots=Counting("a", 40))
    story.deliver("c", "a")
    assert (story.result.applied, story.result.repeated, story.round.trips) == (True, True, 1)


def test_a_change_in_doubt_whose_entry_was_dropped_stays_unknown():
    replicas = Replicas()
    change = one_has_it(replicas)
    forgetful = AcceptorState((50, "z", 0), (50, "z", 0), encode(Register(9, b"9", request=S, dropped=9)))
    replicas.states = dict.fromkeys(replicas.states, forgetful)
    story = proposing(replicas, change, ballots=Counting("a", 60))
    story.deliver("b", "c")
    story.deliver("b", "c")
    assert story.result.applied is Applied.UNKNOWN
    assert "not known any more" in story.result.detail
