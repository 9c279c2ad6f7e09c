"""Version numbers count changes: one that nobody made belongs to a change of unknown outcome."""

from dynamo.checker import gaps
from tests.unit.checker.story import PLACE, op


def test_each_change_makes_the_next_version():
    """Reads see what is there, refusals too; in whatever order they are given."""
    ops = [
        op(3, "add", 5, 6, amount=1, number=3),
        op(1, "put", 1, 2, written="x", number=1),
        op(2, "delete", 3, 4, number=2),
        op(4, "get", 7, 8, number=3),
        op(5, "cas", 9, 10, condition="absent", applied=False, number=3),
        op(6, "get", 11, 12),
    ]
    assert gaps.check(PLACE, ops) == []


def test_a_gap_is_a_change_of_unknown_outcome():
    """There may be more such changes than gaps."""
    ops = [
        op(1, "put", 1, 2, written="x", number=2),
        op(2, "put", 1, outcome="unknown", written="y"),
        op(3, "put", 1, outcome="unknown", written="z"),
    ]
    assert gaps.check(PLACE, ops) == []


def test_a_gap_that_nobody_can_have_made():
    """Neither a change that failed, nor a read of unknown outcome, nor one unknown change twice."""
    ops = [
        op(1, "put", 1, 2, written="x", number=1),
        op(2, "put", 3, 4, outcome="fail", written="y"),
        op(3, "get", 3, outcome="unknown"),
        op(4, "get", 5, 6, seen="y", number=2),
    ]
    (found,) = gaps.check(PLACE, ops)
    assert (found.rule, found.place) == ("version-gap", PLACE)
    assert found.text == "nobody made the versions [2], and 0 changes are of unknown outcome"
    doubtful = op(5, "put", 1, outcome="unknown", written="z")
    assert gaps.check(PLACE, [*ops, doubtful]) == []
    assert gaps.check(PLACE, [*ops, doubtful, op(6, "get", 7, 8, number=3)]) != []


def test_nothing_to_count():
    """A history without numbers has no gaps."""
    assert gaps.check(PLACE, [op(1, "put", 1, 2, written="x"), op(2, "get", 3, 4, seen="x")]) == []
