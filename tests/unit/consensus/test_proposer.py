from dynamo.consensus.change import Change
from dynamo.consensus.proposer import RESEND_S
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import decode
from dynamo.protocol.commands import Action, ChangeOutcome, Condition
from dynamo.protocol.effects import SendAll, WakeAt
from dynamo.protocol.paxos import Accept, Accepted, Promised, Rejected
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


# -- the usual course --------------------------------------------------------------------------------------------------


def test_a_change_takes_two_trips():
    """Everybody is asked, this node last; a majority is enough; then it is known in which ballot it was chosen."""
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
    (accept,) = [one.message for one in story.sent if isinstance(one.message, Accept)]
    assert story.round.chosen == accept.ballot
    assert story.learned == [], "that is told by whoever runs it"
    assert story.machine.drained


def test_one_wake_up_is_asked_for_and_it_is_not_after_the_deadline():
    """No timer for each phase."""
    story = proposing(Replicas(), setting(b"1"))
    effects = story.machine.on_wakeup(0.0)
    assert [effect for effect in effects if not isinstance(effect, WakeAt)] == []
    story.deliver("b")
    (prepare,) = [one for one in story.sent if one.to == "c"]
    effects = story.machine.on_reply("c", story.replicas.handle("c", prepare.message), 0.1)
    assert {type(effect) for effect in effects} == {SendAll}


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
