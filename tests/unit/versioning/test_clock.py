import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.versioning.clock import advanced, canonical, covers, descends, merge, short_of

clocks = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 6), max_size=4)


@given(clocks, clocks, clocks)
def test_merge_is_the_smallest_clock_above_both(a, b, c):
    """Commutative, associative, idempotent; it descends from both, and everything that does descends from it."""
    both = merge(a, b)
    assert both == merge(b, a)
    assert merge(both, c) == merge(a, merge(b, c))
    assert merge(both, a) == merge(a, merge(a, b)) == both
    assert descends(both, a)
    assert descends(both, b)
    if descends(c, a) and descends(c, b):
        assert descends(c, both)


@given(clocks, clocks)
def test_descends_is_a_partial_order(a, b):
    """Two clocks that descend from each other are equal; everything descends from the empty clock."""
    assert descends(a, a)
    assert descends(a, {})
    assert (descends(a, b) and descends(b, a)) == (a == b)


@given(clocks, st.tuples(st.sampled_from(["a", "b", "z"]), st.integers(1, 9)))
def test_a_clock_that_advanced_covers_the_dot_and_what_it_covered(clock, dot):
    """`advanced` is the merge with the dot alone, and leaves its argument as it was."""
    before = dict(clock)
    after = advanced(clock, dot)
    assert covers(after, dot)
    assert after == merge(clock, {dot[0]: dot[1]})
    assert clock == before


@given(clocks, clocks)
def test_merge_leaves_its_arguments_alone(a, b):
    """Clocks are shared between records, so nothing may change them."""
    copies = dict(a), dict(b)
    merge(a, b)
    assert (a, b) == copies


@pytest.mark.parametrize(
    ("clock", "dot", "covered"),
    [
        ({}, ("a", 1), False),
        ({"a": 2}, ("a", 1), True),
        ({"a": 2}, ("a", 2), True),
        ({"a": 2}, ("a", 3), False),
        ({"a": 9}, ("b", 1), False),
    ],
)
def test_a_clock_covers_every_event_up_to_its_entry(clock, dot, covered):
    """An entry stands for all lower counters of its actor, and for no other actor."""
    assert covers(clock, dot) is covered


def test_concurrent_clocks_do_not_descend():
    """Each has seen something that the other has not."""
    assert not descends({"a": 1}, {"b": 1})
    assert not descends({"b": 1}, {"a": 1})
    assert not descends({"a": 2}, {"a": 1, "b": 1})


def test_the_canonical_form_is_in_actor_order():
    """Whatever the order of insertion."""
    assert canonical({"b": 2, "a": 1}) == canonical({"a": 1, "b": 2}) == [("a", 1), ("b", 2)]


def test_a_clock_short_of_a_dot_keeps_what_came_before_it():
    """It covers neither the dot nor what its actor did later; dots that it had not seen change nothing."""
    assert short_of({"a": 5, "b": 1, "c": 2}, [("a", 4), ("a", 3), ("b", 1), ("c", 9)]) == {"a": 2, "c": 2}
