"""The checker's own arithmetic of version vectors."""

import pytest

from dynamo.checker.clocks import covers, descends, join


@pytest.mark.parametrize(("dot", "seen"), [(("a", 2), True), (("a", 1), True), (("a", 3), False), (("b", 1), False)])
def test_covers(dot: tuple[str, int], seen: bool):
    """A clock stands for all dots of an actor up to its counter."""
    assert covers({"a": 2}, dot) is seen


def test_descends():
    """From itself, from less, and from nothing; not from what it lacks in any actor."""
    assert descends({"a": 2, "b": 1}, {"a": 2, "b": 1})
    assert descends({"a": 2, "b": 1}, {"a": 1})
    assert descends({}, {})
    assert not descends({"a": 2}, {"a": 1, "b": 1})
    assert not descends({}, {"a": 1})


def test_join():
    """The highest counter of each actor; the parts stay as they were."""
    parts = [{"a": 1, "b": 3}, {"a": 2}, {}]
    assert join(parts) == {"a": 2, "b": 3}
    assert parts == [{"a": 1, "b": 3}, {"a": 2}, {}]
    assert join([]) == {}
