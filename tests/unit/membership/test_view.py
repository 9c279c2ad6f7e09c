import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.membership.view import State, View
from dynamo.protocol.messages import MemberState

SAYINGS = st.builds(MemberState, st.sampled_from(["a", "b", "me"]), st.integers(0, 2), st.integers(0, 5))


def view() -> View:
    return View("me", ["a", "b"], 3)


@given(st.lists(SAYINGS, max_size=12), st.randoms())
def test_views_that_heard_the_same_are_equal(sayings, shuffler):
    """In whatever order and however often."""
    one, other = view(), view()
    for saying in sayings:
        one.hear(saying)
    again = sayings * 2
    shuffler.shuffle(again)
    for saying in again:
        other.hear(saying)
    assert [(held.state, held.incarnation) for held in one.all()] == [
        (held.state, held.incarnation) for held in other.all()
    ]


@pytest.mark.parametrize(
    ("held", "said", "holds"),
    [
        ((State.ALIVE, 1), (State.SUSPECT, 1), True),
        ((State.SUSPECT, 1), (State.DEAD, 1), True),
        ((State.ALIVE, 1), (State.DEAD, 1), True),
        ((State.DEAD, 1), (State.ALIVE, 2), True),
        ((State.SUSPECT, 1), (State.ALIVE, 2), True),
        ((State.SUSPECT, 1), (State.ALIVE, 1), False),
        ((State.DEAD, 1), (State.SUSPECT, 1), False),
        ((State.ALIVE, 2), (State.DEAD, 1), False),
        ((State.DEAD, 2), (State.DEAD, 2), False),
    ],
)
def test_which_of_two_sayings_holds(held, said, holds):
    """The greater incarnation, then the worse state; nothing changes without a greater one."""
    known = view()
    known.hear(MemberState("a", *held))
    assert known.hear(MemberState("a", *said)) is holds
    assert (known.state("a"), known.of("a").incarnation) == (said if holds else held)


@given(SAYINGS)
def test_a_node_contradicts_whatever_is_said_against_it(saying):
    """By an incarnation that is greater than the one that was accused; and only if it must."""
    known = view()
    changed = known.hear(MemberState("me", saying.state, saying.incarnation))
    needed = saying.incarnation > 3 or (saying.incarnation == 3 and saying.state != State.ALIVE)
    assert changed is needed
    assert known.incarnation == (saying.incarnation + 1 if needed else 3)
    assert known.own() == MemberState("me", State.ALIVE, known.incarnation, "me")


def test_strangers_and_unknown_states_are_ignored():
    """A newer version may have more states; whoever is no member is none by being talked about."""
    known = view()
    assert not known.hear(MemberState("z", State.DEAD, 9))
    assert not known.hear(MemberState("a", 3, 9))
    assert not known.hear(MemberState("a", -1, 9))
    assert [held.node for held in known.all()] == ["a", "b"]
    assert "a" in known
    assert "me" in known
    assert "z" not in known


def test_everybody_is_alive_at_first():
    """With the lowest incarnation, so that any word of theirs is newer."""
    assert view().all() == [MemberState("a", State.ALIVE, 0), MemberState("b", State.ALIVE, 0)]
