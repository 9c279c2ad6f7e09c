import pytest

from dynamo.consensus.change import Change
from dynamo.consensus.proposer import RESEND_S
from dynamo.errors import Applied, NotReady, QuorumUnavailable
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import Register, decode, encode
from dynamo.protocol.commands import Action, ChangeOutcome, Condition
from dynamo.protocol.effects import PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.paxos import Accept, Accepted, Learn, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO
from tests.unit.consensus import broken
from tests.unit.consensus.hand import (
    DEADLINE,
    Counting,
    Replicas,
    Story,
    command,
    proposing,
    reading,
    setting,
    whole,
)

R, S, T = b"r" * 16, b"s" * 16, b"t" * 16


def looking(request: bytes = T) -> Change:
    return Change(command(Action.READ, request))


def value_at(replicas: Replicas, name: str) -> bytes | None:
    state = replicas.states[name]
    return None if state is None or state.value is None else decode(state.value).value


# -- the usual course --------------------------------------------------------------------------------------------------


def test_a_change_takes_two_trips_and_is_learned():
    """Everybody is asked, this node last; a majority is enough; then all are told."""
    replicas = Replicas()
    story = proposing(replicas, setting(b"1"))
    assert story.kinds() == [("b", "Prepare"), ("c", "Prepare"), ("a", "Prepare")]
    story.deliver("b", "c")
    assert [kind for kind in story.kinds() if kind[1] == "Accept"] == [(n, "Accept") for n in ("b", "c", "a")]
    story.deliver("b")
    assert not story.finished
    story.deliver("c")
    assert (story.result.applied, story.result.version, story.result.coordinator) == (True, 1, "a")
    assert (story.round.rounds, story.round.trips, story.round.accepts) == (1, 2, 1)
    assert [(one.to, one.message) for one in story.learned] == [
        (name, Learn("b", b"k", story.round.chosen)) for name in ("b", "c", "a")
    ]
    assert story.machine.drained


def test_one_wake_up_is_asked_for_and_it_is_not_after_the_deadline():
    """No timer for each phase."""
    story = proposing(Replicas(), setting(b"1"))
    effects = story.machine.on_wakeup(0.0)
    assert [effect for effect in effects if not isinstance(effect, WakeAt)] == []
    story.deliver("b")
    (prepare,) = [one for one in story.sent if one.to == "c"]
    effects = story.machine.on_reply("c", story.replicas.handle("c", prepare.message), 0.1)
    assert {type(effect) for effect in effects} == {Send}


def test_the_register_is_passed_on_as_it_came():
    """What is only looked at is accepted byte for byte as its proposer wrote it, whoever takes it up: the function is
    never run again (row 18). Its proposer was killed after one replica had it.
    """
    replicas = Replicas()
    killed = proposing(replicas, Change(command(Action.ADD, R, amount=5)))
    killed.deliver("b", "c")
    killed.deliver("c")
    written = replicas.states["c"]
    assert written is not None
    taken_up = proposing(replicas, looking(), node="b", ballots=Counting("b", 7))
    taken_up.deliver("b", "c")
    taken_up.deliver("b", "a")
    assert taken_up.result.version == 1
    for name in ("a", "b"):
        state = replicas.states[name]
        assert state is not None
        assert state.value == written.value


def test_changes_of_a_round_get_their_own_results():
    """Two sets, a failed condition, a read, one after the other in one ballot."""
    story = proposing(
        Replicas(),
        setting(b"1", R),
        setting(b"2", S),
        setting(b"3", T, condition=Condition(exists=False)),
        looking(b"u" * 16),
    )
    story.deliver("b", "c")
    story.deliver("b", "c")
    results = story.round.results
    assert [(one.applied, one.version) for one in results if isinstance(one, ChangeOutcome)] == [
        (True, 1),
        (True, 2),
        (False, 2),
        (False, 2),
    ]


# -- counting ----------------------------------------------------------------------------------------------------------


def test_a_reply_to_an_earlier_ballot_does_not_count():
    """Neither a promise nor an acceptance of the attempt before (row 15)."""

    def finishes_too_early() -> bool:
        story = proposing(Replicas(), setting(b"1"))
        old = story.sent[0].message.ballot
        for name in ("b", "c"):
            story.hear(name, Rejected(old, (9, "z", 0)))
        story.sent.clear()
        story.wait_until(0.2)
        story.hear("b", Promised(old, ZERO, b""))
        story.hear("c", Promised(old, ZERO, b""))
        early = any(isinstance(one.message, Accept) for one in story.sent)
        story.deliver("b", "c")
        story.hear("b", Accepted(old))
        story.hear("c", Accepted(old))
        return early or bool(story.finished)

    assert not finishes_too_early()
    with broken.older_reply_counts():
        assert finishes_too_early()


def test_a_repeated_reply_counts_once():
    """One replica that says it twice is no majority (row 15)."""

    def fooled() -> bool:
        story = proposing(Replicas(), setting(b"1"))
        ballot = story.sent[0].message.ballot
        for _ in range(3):
            story.hear("b", Promised(ballot, ZERO, b""))
        early = any(isinstance(one.message, Accept) for one in story.sent)
        story.deliver("c", "b")
        for _ in range(3):
            story.hear("b", Accepted(ballot))
        return early or bool(story.finished)

    assert not fooled()
    with broken.duplicate_reply_counts_twice():
        assert fooled()


def test_a_majority_is_of_all_replicas_not_of_those_alive():
    """Each side of a partition of five knows who is away. Only the larger one may write (row 16)."""

    def written() -> int:
        five = ("a", "b", "c", "d", "e")
        replicas = Replicas(dict.fromkeys(five))
        acknowledged = 0
        for node, side in (("a", ("a", "b")), ("c", ("c", "d", "e"))):
            story = proposing(replicas, setting(node.encode(), node.encode() * 16), node=node, primaries=five)
            for away in five:
                if away not in side:
                    story.fail(away)
            for _ in range(2):
                story.deliver(*side)
            acknowledged += any(isinstance(one, ChangeOutcome) for r in story.finished for one in r.results)
        return acknowledged

    assert written() == 1
    with broken.quorum_of_one():
        assert written() == 2


def test_answers_that_know_different_stores_do_not_count_together():
    """`c` answered before it lost its disk, `b` afterwards (row 11). Asked again, all of them know."""
    replicas = Replicas(stores={"a": 1, "b": 2, "c": 1})
    story = proposing(replicas, setting(b"1"))
    story.deliver("b", "c")
    assert {kind for _, kind in story.kinds()} == {"Prepare"}
    replicas.stores = dict.fromkeys("abc", 2)
    story.sent.clear()
    story.wait_until(RESEND_S)
    story.deliver("b", "c")
    assert {kind for _, kind in story.kinds()} == {"Prepare", "Accept"}
    with broken.stores_ignored():
        replicas = Replicas(stores={"a": 1, "b": 2, "c": 1})
        story = proposing(replicas, setting(b"1"))
        story.deliver("b", "c")
        assert "Accept" in {kind for _, kind in story.kinds()}


def test_a_damaged_reply_does_not_count_and_does_not_stand_for_nothing():
    """`c` shows a register that fails its checksum: not absent (row 20). The other two are a majority without it."""

    def told(deliver_to: tuple[str, ...]) -> Story:
        replicas = Replicas()
        ballots = Counting("a")
        whole(replicas, setting(b"1", R), ballots=ballots)
        state = replicas.states["c"]
        assert state is not None
        replicas.states["c"] = AcceptorState((30, "z", 0), (30, "z", 0), (state.value or b"")[:-1] + b"?")
        story = proposing(replicas, setting(b"2", S), ballots=Counting("a", 40))
        story.deliver(*deliver_to)
        return story

    story = told(("b", "c"))
    assert {kind for _, kind in story.kinds()} == {"Prepare"}
    story.deliver("a")
    story.deliver("a", "b")
    assert story.result.version == 2
    with broken.damage_is_absence():
        story = told(("b", "c"))
        story.deliver("b", "c")
        assert story.result.version == 1


# -- ballots -----------------------------------------------------------------------------------------------------------


def test_two_runs_of_a_node_never_share_a_ballot():
    """A node that came back mints in another run. With the old run's name it would use the ballot of its lost Accept
    again, for another value, and two replicas would disagree about what is chosen (rows 5 and 6).
    """

    def values(second_run: str) -> set[bytes | None]:
        replicas = Replicas()
        first = proposing(replicas, setting(b"1", R), ballots=Counting("a~1"))
        first.deliver("b", "c")
        first.deliver("c")
        # It crashes; its own replica and `b` promise the same ballot again, if it is the same.
        second = proposing(replicas, setting(b"2", S), ballots=Counting(second_run))
        second.deliver("a", "b")
        second.deliver("a")
        late = [one for one in first.sent if one.to == "b"]
        replicas.handle("b", late[0].message)
        states = [state for state in replicas.states.values() if state is not None]
        top = max(state.accepted for state in states)
        return {decode(state.value).value for state in states if state.accepted == top and state.value}

    assert values("a~2") == {b"2"}
    assert values("a~1") == {b"1", b"2"}


def test_each_attempt_goes_above_what_refused_it():
    story = proposing(Replicas(), setting(b"1"))
    ballot = story.sent[0].message.ballot
    story.hear("b", Rejected(ballot, (40, "z", 0)))
    assert not story.finished, "two others are a majority"
    story.hear("c", Rejected(ballot, (30, "z", 0)))
    story.sent.clear()
    story.wait_until(0.2)
    assert story.sent[0].message.ballot > (40, "z", 0)
    assert story.round.rounds == 2 if story.finished else True


def test_the_wait_between_ballots_ends_at_the_deadline():
    story = proposing(Replicas(), setting(b"1"))
    story.now = DEADLINE - 0.001
    ballot = story.sent[0].message.ballot
    effects = [
        effect
        for name in ("b", "c")
        for effect in story.machine.on_reply(name, Rejected(ballot, (9, "z", 0)), story.now)
    ]
    assert [effect.when for effect in effects if isinstance(effect, WakeAt)] in ([], [DEADLINE])
    story.wait_until(DEADLINE)
    assert "other coordinators" in story.result.detail


def test_a_contended_round_asks_for_no_lead():
    """It would only refuse the others' ballots."""
    story = proposing(Replicas(), setting(b"1"))
    ballot = story.sent[0].message.ballot
    story.hear("c", Rejected(ballot, (9, "z", 0)))
    story.deliver("a", "b")
    accept = next(one.message for one in story.sent if isinstance(one.message, Accept))
    assert accept.next == ZERO
    story.deliver("a", "b")
    assert story.round.lead is None


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
