"""What a replica that lost its disk must be told, and what it makes of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus.recovery import Gathering, answers_needed, joined, suffices, taken_over
from dynamo.consensus.tally import majority_of
from dynamo.layout import floor as floors
from dynamo.layout.ballot import AcceptorState, decode, encode
from dynamo.layout.floor import GROUND, Floor
from dynamo.protocol.paxos import Ballots
from dynamo.versioning.ballot import ZERO, hearsay, is_hearsay, plain

STORE = "new"
ballots = st.integers(0, 6).map(
    lambda counter: (counter, "node1~a" if counter % 2 else "node2~b", 1) if counter else ZERO
)


def register_of(ballot: tuple[int, str, int]) -> bytes | None:
    return None if ballot == ZERO else b"register of %d" % ballot[0]


@st.composite
def acceptor_states(draw: st.DrawFn) -> AcceptorState:
    accepted, promised = sorted([draw(ballots), draw(ballots)])
    if accepted != ZERO and draw(st.booleans()):
        heard = hearsay(accepted, draw(st.sampled_from(["s1", "s2"])))
        return AcceptorState(max(promised, heard), heard, register_of(accepted))
    return AcceptorState(promised, accepted, register_of(accepted))


@pytest.mark.parametrize("n", range(2, 8))
def test_so_many_answers_meet_every_majority_and_fewer_do_not(n: int):
    """Of the majorities with this replica in it, the rest must have somebody among those who answered."""
    others = [f"node{i}" for i in range(n - 1)]
    rests = list(itertools.combinations(others, majority_of(n) - 1))
    needed = answers_needed(n, len(others))
    assert all(set(rest) & set(asked) for rest in rests for asked in itertools.combinations(others, needed))
    assert any(not set(rest) & set(others[: needed - 1]) for rest in rests)


def test_who_may_vote():
    """With enough answers, or if nobody ever knew another store of it; an only replica has nobody to ask."""
    others = ("b", "c")
    assert suffices(3, others, ("b", "c"), ())
    assert not suffices(3, others, ("b", "z"), ())
    assert suffices(3, others, (), ("b", "c", "z"))
    assert not suffices(3, others, ("b",), ("c",)), "what one forgot is not made up for by another's short memory"
    assert suffices(5, ("b", "c", "d", "e"), ("b", "d", "e"), ())
    assert not suffices(5, ("b", "c", "d", "e"), ("b", "d"), ("b", "c", "d"))
    assert suffices(2, ("b",), ("b",), ())
    assert suffices(1, (), (), ())


@given(st.lists(acceptor_states(), min_size=1, max_size=4), st.none() | acceptor_states(), st.sampled_from([2, 3, 5]))
def test_nothing_that_was_told_is_forgotten(told: list[AcceptorState], own: AcceptorState | None, n: int):
    """The highest promise, the latest register, and the same state whoever answers first."""
    state = joined(told, own, n, STORE)
    every = [*told, *([] if own is None else [own])]
    assert state.promised >= max(each.promised for each in every)
    assert plain(state.accepted) == max(plain(each.accepted) for each in every)
    assert state.value == register_of(plain(state.accepted))
    assert state.accepted <= state.promised
    assert joined(told[::-1], own, n, STORE) == state
    assert decode(encode(state)) == state


@given(st.lists(acceptor_states(), min_size=1, max_size=4), st.sampled_from([3, 5]))
def test_a_register_counts_as_accepted_only_if_the_old_self_may_have_accepted_it(told: list[AcceptorState], n: int):
    """Nothing above was promised, or a majority has accepted it itself."""
    state = joined(told, None, n, STORE)
    latest = plain(state.accepted)
    votes = [each for each in told if each.accepted == latest != ZERO]
    is_free = all(each.promised <= latest for each in told)
    assert is_hearsay(state.accepted) == (latest != ZERO and not is_free and len(votes) < majority_of(n))
    if is_hearsay(state.accepted):
        assert state.accepted == hearsay(latest, STORE)


@given(st.lists(acceptor_states(), min_size=1, max_size=3), acceptor_states())
def test_to_be_told_again_changes_no_vote(told: list[AcceptorState], own: AcceptorState):
    """Whatever it accepted itself since stays a vote."""
    again = joined([*told, joined(told, own, 3, STORE)], joined(told, own, 3, STORE), 3, STORE)
    assert again == joined(told, own, 3, STORE)


def test_what_cannot_be_read_is_taken_over_as_it_is():
    """A damaged state says that something was promised, and not what: the replica must not vote on that key."""
    sound = encode(AcceptorState((2, "n", 1), (2, "n", 1), b"r"))
    damaged = sound[:-1] + b"?"
    assert taken_over([sound, damaged], None, 3, STORE) == damaged
    assert taken_over([sound], damaged, 3, STORE) == damaged
    assert taken_over([sound], None, 3, STORE) == sound


def paged(states: dict[bytes, bytes], start: bytes, size: int) -> Ballots:
    keys = sorted(key for key in states if key >= start)
    page, rest = keys[:size], keys[size:]
    return Ballots([(key, states[key]) for key in page], bool(rest), b"", rest[0] if rest else b"")


@given(
    st.lists(st.dictionaries(st.binary(min_size=1, max_size=2), st.just(b"s"), max_size=9), min_size=1, max_size=3),
    st.lists(st.integers(0, 4), min_size=60, max_size=60),
)
def test_pages_of_any_size_come_together_key_by_key(holdings: list[dict[bytes, bytes]], sizes: list[int]):
    """Each key once, in order, with the states of all who have one; an empty page in between ends nothing."""
    names = [f"node{i}" for i in range(len(holdings))]
    gathering, found, left = Gathering(names), [], iter(sizes)
    while not gathering.is_over:
        for name, start in gathering.wanted().items():
            page = paged(holdings[names.index(name)], start, next(left, 1) or 0)
            if page.more and not page.states:
                page.beyond = start or b"\0"
                page = page if start == b"" else paged(holdings[names.index(name)], start, 1)
            gathering.add(name, page)
        found += gathering.ready()
    keys = sorted({key for states in holdings for key in states})
    assert found == [(key, [states[key] for states in holdings if key in states]) for key in keys]


def test_the_floor_is_the_highest_that_was_told():
    """Of all pages of all sources, in ballot and in version."""
    gathering = Gathering(["a", "b"])
    assert gathering.floor == GROUND
    gathering.add("a", Ballots([], False, floors.encode(Floor((5, "n", 1), 2))))
    gathering.add("b", Ballots([], False, floors.encode(Floor((3, "n", 1), 7))))
    assert gathering.floor == Floor((5, "n", 1), 7)
    assert gathering.is_over
