"""Version numbers that contradict each other are found, and said with the operations that show it."""

import pytest

from dynamo.checker import versions
from tests.unit.checker.story import op


def judged(*ops, initial=None):
    """The operations that an illegal verdict names and its reason; an empty tuple and no reason for a legal one."""
    verdict = versions.check("k", list(ops), initial)
    assert verdict.method == "versions"
    assert (verdict.result == "legal") == (verdict.reason == "")
    return verdict.operations, verdict.reason


def is_legal(*ops, initial=None) -> bool:
    return judged(*ops, initial=initial)[1] == ""


PUT = op(1, "put", 1, 2, written="x", number=1)
SECOND = op(2, "put", 3, 4, written="y", number=2)


def test_it_applies_where_any_answer_has_a_number():
    """One is enough."""
    assert versions.applies([op(1, "get", 1, 2), PUT])
    assert not versions.applies([op(1, "get", 1, 2)])


def test_numbers_that_grow_are_legal():
    """With reads between them, and a change whose number nobody knows."""
    doubtful = op(4, "put", 5, written="z", outcome="unknown")
    assert is_legal(
        PUT, SECOND, op(3, "get", 3, 6, seen="y", number=2), doubtful, op(5, "get", 7, 8, seen="z", number=3)
    )


def test_one_number_is_one_change():
    """Two that made the same are named."""
    assert judged(PUT, op(2, "put", 1, 4, written="y", number=1))[0] == (1, 2)


def test_one_number_is_one_value():
    """To the writer and to all readers."""
    named, reason = judged(PUT, op(2, "get", 3, 4, seen="y", number=1))
    assert named == (1, 2)
    assert reason.startswith("version 1 was x to put x (v1) (operation 1 of c1) and y to get -> y (v1)")


def test_one_value_is_one_number():
    """Where it was written once, or is that of the beginning."""
    assert judged(PUT, op(2, "get", 3, 4, seen="x", number=2))[0] == (1, 2)
    again = op(2, "put", 1, 4, written="x", number=2)
    assert is_legal(PUT, again, op(3, "get", 5, 6, seen="x", number=2))


def test_nobody_goes_back():
    """A read that was called after a later version had been seen; a change that makes what there was already."""
    named, reason = judged(PUT, SECOND, op(3, "get", 5, 6, seen="x", number=1))
    assert named == (2, 3)
    assert reason == (
        "put y (v2) (operation 2 of c2) returned before get -> x (v1) (operation 3 of c3) was called, "
        "which saw version 1"
    )
    early = op(3, "get", 1, 2, seen="y", number=2)
    assert judged(early, PUT, SECOND)[0] == (3, 2)
    assert is_legal(PUT, SECOND, op(3, "get", 3, 6, seen="x", number=1))


def test_an_unknown_write_has_the_number_under_which_it_was_seen():
    """So it was not called after a later one had been seen."""
    ops = [PUT, op(2, "put", 3, 4, written="y", number=3), op(4, "get", 1, 9, seen="z", number=2)]
    assert is_legal(*ops, op(3, "put", 3, written="z", outcome="unknown"))
    assert judged(*ops, op(3, "put", 5, written="z", outcome="unknown"))[0] == (2, 3)


def test_version_0_is_nothing():
    """Before all changes; and nothing is no other version unless somebody deleted."""
    assert is_legal(op(1, "get", 1, 2, number=0))
    assert not is_legal(op(1, "get", 1, 2, seen="x", number=0))
    assert not is_legal(op(1, "put", 1, 2, written="x", number=0))
    gone = op(2, "get", 3, 4, number=2)
    assert not is_legal(PUT, gone)
    assert is_legal(PUT, gone, op(3, "delete", 1, outcome="unknown"))
    assert is_legal(op(1, "get", 1, 2, seen="x", number=5), initial="x")


def cas(called: float, number: int | None, **more: object):
    more = {"condition": "version", "expected_number": 1, "written": "z"} | more
    return op(9, "cas", called, called + 1, number=number, **more)


@pytest.mark.parametrize(
    ("swap", "named"),
    [
        (cas(5, 3), (9, 2)),
        (cas(5, 3, expected_number=3), (9, 2)),
        (cas(5, 3, expected_number=2), ()),
        (cas(5, 3, condition="value", expected="x"), (9, 2)),
        (cas(5, 5, condition="value", expected="x"), (9, 2)),
        (cas(5, 3, condition="value", expected="y"), ()),
        (cas(5, 3, condition="absent"), (9, 2)),
        (cas(5, 3, condition="value", expected="q"), (9, 2)),
        (cas(5, 2, applied=False), ()),
        (cas(5, 2, applied=False, expected_number=2), (9,)),
        (cas(5, 2, applied=False, condition="value", expected="y", seen="y"), (9,)),
        (cas(5, None, applied=False, condition="value", expected="y", seen="y"), (9,)),
        (cas(5, 2, applied=False, condition="absent", seen="y"), ()),
    ],
)
def test_a_condition_is_about_what_was_there_just_before(swap, named):
    """Applied to the last version before it; refused only where it did not hold of what was seen."""
    assert judged(PUT, SECOND, swap)[0] == named


def test_a_chain_of_unknown_changes_needs_room():
    """A replacement of a replacement of a write is version 3 at least."""
    first = op(1, "put", 1, written="a", outcome="unknown")
    second = op(2, "cas", 1, condition="value", expected="a", written="b", outcome="unknown")
    third = op(3, "cas", 3, 4, condition="value", expected="b", written="c", number=2)
    assert judged(first, second, third) == (
        (3,),
        "cas b -> c (v2) (operation 3 of c3) made version 2, and there are 2 changes before it",
    )
    third.number = 3
    assert is_legal(first, second, third)


def test_a_sum_is_what_was_there_and_what_was_added():
    """Where both are known."""
    first = op(1, "add", 1, 2, amount=2, seen="2", number=1)
    assert is_legal(first, op(2, "add", 3, 4, amount=3, seen="5", number=2))
    assert judged(first, op(2, "add", 3, 4, amount=3, seen="3", number=2))[0] == (2, 1)
    assert is_legal(first, op(2, "add", 3, 4, amount=3, seen="9", number=3))
    assert not is_legal(PUT, op(2, "add", 3, 4, amount=3, seen="3", number=2))
