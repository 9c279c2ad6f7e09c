from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus import acceptor
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.layout.register import Register, decode
from dynamo.versioning.ballot import ZERO, Ballot, hearsay
from tests.unit.consensus import broken

BALLOTS = st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b"]), st.integers(0, 1))
FLOORS = st.builds(Floor, BALLOTS, st.integers(0, 5))
STEPS = st.lists(st.tuples(st.sampled_from(["promise", "accept"]), BALLOTS, BALLOTS), max_size=20)


def one(counter: int, node: str = "a") -> Ballot:
    return (counter, node, 0)


@given(STEPS, FLOORS)
def test_a_promise_never_falls_and_what_was_accepted_was_promised(steps, floor):
    """Whatever comes in whatever order: promised and accepted only grow, accepted <= promised, one value a ballot."""
    state: AcceptorState | None = None
    for kind, ballot, following in steps:
        before = state or AcceptorState(floor.ballot)
        if kind == "promise":
            after = acceptor.promise(state, floor, ballot)
        else:
            after = acceptor.accept(state, floor, ballot, b"%d" % ballot[0], following)
        if after is None:
            continue
        assert after.promised >= before.promised
        assert after.accepted >= before.accepted
        assert after.accepted <= after.promised
        if kind == "promise":
            assert after.promised == ballot
            assert (after.accepted, after.value) == (before.accepted, before.value)
        else:
            assert after.accepted == ballot
            assert after.promised >= following
            assert ballot >= before.promised or ballot == before.accepted
        state = after


@given(STEPS, FLOORS)
def test_a_refusal_names_what_has_to_be_exceeded(steps, floor):
    """A ballot above that is promised and accepted; of an absent key nothing is at or below the floor."""
    state: AcceptorState | None = None
    for kind, ballot, following in steps:
        if kind == "promise":
            after = acceptor.promise(state, floor, ballot)
        else:
            after = acceptor.accept(state, floor, ballot, b"v", following)
        if after is None:
            named = acceptor.highest(state, floor)
            assert ballot <= named
            above = (named[0] + 1, "", 0)
            assert acceptor.promise(state, floor, above) is not None
            assert acceptor.accept(state, floor, above, b"v") is not None
        elif state is None:
            assert ballot > floor.ballot
        state = after or state


def test_a_repeated_prepare_is_answered_as_the_first():
    """Until something was accepted in that ballot: the answer to the first may have been lost."""
    state = acceptor.promise(AcceptorState(one(1), one(1), b"v"), GROUND, one(3))
    assert state is not None
    assert acceptor.promise(state, GROUND, one(3)) is state
    assert acceptor.promise(state, GROUND, one(2)) is None
    accepted = acceptor.accept(state, GROUND, one(3), b"w")
    assert acceptor.promise(accepted, GROUND, one(3)) is None


def test_accept_minds_the_promise():
    """An accept below a promise is refused, also if it is above all that was accepted (row 1)."""
    state = AcceptorState(one(5), one(1), b"v")
    assert acceptor.accept(state, GROUND, one(3), b"w") is None
    assert acceptor.accept(state, GROUND, one(5), b"w") == AcceptorState(one(5), one(5), b"w")


def test_what_was_accepted_is_accepted_again():
    """A repeat says yes, whatever was promised since: it was accepted. It changes nothing by itself."""
    state = AcceptorState(one(9), one(3), b"v")
    assert acceptor.accept(state, GROUND, one(3), b"v") is state
    assert acceptor.accept(state, GROUND, one(3), b"v", one(4)) is state


def test_a_repeat_promises_the_next_ballot_too():
    """A yes to an accept with a next ballot means that it is promised, also if the value was there before (row 10)."""
    state = AcceptorState(one(3), one(3), b"v")
    assert acceptor.accept(state, GROUND, one(3), b"v", one(4)) == AcceptorState(one(4), one(3), b"v")


def test_an_absent_key_accepts_nothing_at_or_below_the_floor():
    """What was forgotten does not come back by a late message (row 13)."""
    floor = Floor(one(7), 4)
    for ballot in (one(6), one(7)):
        assert acceptor.promise(None, floor, ballot) is None
        assert acceptor.accept(None, floor, ballot, b"old") is None
    assert acceptor.accept(None, floor, one(8), b"new") == AcceptorState(one(8), one(8), b"new")
    assert acceptor.highest(None, floor) == one(7)
    with broken.no_floor():
        assert acceptor.accept(None, floor, one(6), b"old") is not None


def test_the_zero_ballot_is_nobodys():
    """No key can be in a state that is taken for "nothing was accepted"."""
    assert acceptor.promise(None, GROUND, ZERO) is None
    assert acceptor.accept(None, GROUND, ZERO, b"v") is None
    assert acceptor.accept(AcceptorState(), GROUND, ZERO, b"v") is None


def test_an_absent_key_shows_the_version_of_the_floor_and_no_ballot():
    """A floor is higher than other replicas' newer values may be: shown as a ballot it would hide them."""
    floor = Floor(one(7), 4)
    for state in (None, AcceptorState(one(9))):
        ballot, data = acceptor.shown(state, floor)
        assert ballot == ZERO
        assert decode(data) == Register(version=4, dropped=4)
    assert acceptor.shown(None, GROUND) == (ZERO, b"")
    assert acceptor.shown(AcceptorState(one(9), one(2), b"v"), floor) == (one(2), b"v")


def test_nothing_is_accepted_in_a_ballot_of_hearsay():
    """Nobody proposed in it. A reader that replays what such a replica shows is refused by all, that one included."""
    heard = hearsay(one(7), "store")
    for state in (None, AcceptorState(one(3), one(3), b"v"), AcceptorState(heard, heard, b"v")):
        assert acceptor.accept(state, GROUND, heard, b"v") is None
    assert acceptor.shown(AcceptorState(one(9), heard, b"v"), GROUND) == (heard, b"v")
