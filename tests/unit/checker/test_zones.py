"""Zones find what two blocks of operations owe to each other, and name the operations that show it."""

import pytest

from dynamo.checker import zones
from tests.unit.checker import figures
from tests.unit.checker.story import op


def judged(*ops, initial=None):
    """The verdict, the operations that it names, its reason."""
    verdict = zones.check("k", list(ops), initial)
    assert verdict.method == "zones"
    return verdict.result, verdict.operations, verdict.reason


def is_legal(*ops, initial=None) -> bool:
    return judged(*ops, initial=initial)[0] == "legal"


def test_a_stale_read_is_named_with_what_it_missed():
    """The sentence says who was there before whom."""
    result, named, reason = judged(
        op(1, "put", 1, 2, written="x"), op(2, "put", 3, 4, written="y"), op(3, "get", 5, 6, seen="x")
    )
    assert (result, named) == ("illegal", (1, 2, 2, 3))
    assert reason == (
        "put x (operation 1 of c1) returned before put y (operation 2 of c2) was called, "
        "yet put y (operation 2 of c2) returned before get -> x (operation 3 of c3) was called"
    )


def test_the_first_value_is_gone_once_another_was_seen():
    """Whoever reads nothing afterwards is too late."""
    result, named, reason = judged(op(1, "put", 1, 9, written="x"), op(2, "get", 2, 3, seen="x"), op(3, "get", 4, 5))
    assert (result, named) == ("illegal", (2, 3))
    assert reason.startswith(
        "one value was there first, yet get -> x (operation 2 of c2) returned before get -> nothing"
    )


def test_two_forward_zones_that_overlap():
    """Seen as x after y, and as y after x."""
    ops = [
        op(1, "put", 1, 9, written="x"),
        op(2, "put", 1, 9, written="y"),
        op(3, "get", 2, 3, seen="x"),
        op(4, "get", 4, 5, seen="y"),
        op(5, "get", 6, 7, seen="x"),
        op(6, "get", 8, 9, seen="y"),
    ]
    assert judged(*ops)[:2] == ("illegal", (3, 6, 4, 5))
    assert is_legal(*ops[:4])


def test_siblings_are_no_register():
    """What shows several values at once is not linearizable, whatever they are."""
    both = op(3, "get", 5, 6, seen=("x", "y"))
    assert judged(op(1, "put", 1, 2, written="x"), op(2, "put", 1, 2, written="y"), both)[1:] == (
        (3,),
        "get -> x beside y (operation 3 of c3) saw several values at once, and there can be only one",
    )


def test_a_value_from_nowhere():
    """Nobody wrote it, or only somebody who failed."""
    assert judged(op(1, "get", 1, 2, seen="x"))[1:] == (
        (1,),
        "get -> x (operation 1 of c1) saw a value that nobody wrote",
    )
    failed = op(2, "put", 1, 2, written="x", outcome="fail")
    assert judged(op(1, "get", 1, 3, seen="x"), failed)[2].endswith("; put x: failed (operation 2 of c2) wanted to")


def test_a_value_seen_before_it_was_written():
    """The read returned before the write was called."""
    assert judged(op(1, "get", 1, 2, seen="x"), op(2, "put", 3, 4, written="x"))[:2] == ("illegal", (1, 2))


def test_an_unknown_write_may_happen_late_or_never():
    """It is legal that nobody sees it, that somebody does, and not that it is seen, then not, then seen."""
    doubtful = op(1, "put", 1, written="x", outcome="unknown")
    other = op(2, "put", 2, 3, written="y")
    assert is_legal(doubtful, other, op(3, "get", 4, 5, seen="y"))
    seen = [op(4, "get", 6, 7, seen="x"), op(5, "get", 8, 9, seen="x")]
    assert is_legal(doubtful, other, op(3, "get", 4, 5, seen="y"), *seen)
    assert not is_legal(doubtful, other, *seen, op(3, "get", 10, 11, seen="y"))


CAS = {"condition": "value"}


def test_compare_and_sets_follow_each_other():
    """What was replaced is not seen any more."""
    chain = [
        op(1, "put", 1, 2, written="x"),
        op(2, "cas", 3, 4, expected="x", written="y", **CAS),
        op(3, "cas", 5, 6, expected="y", written="z", **CAS),
    ]
    assert is_legal(*chain, op(4, "get", 7, 8, seen="z"))
    result, named, _ = judged(*chain, op(4, "get", 5, 8, seen="x"))
    assert (result, named) == ("illegal", (2, 4))


def test_what_is_glued_leaves_no_room_between():
    """A write that must fall between the value and its replacement cannot."""
    chain = [op(1, "put", 1, 2, written="x"), op(2, "cas", 7, 8, expected="x", written="y", **CAS)]
    assert is_legal(*chain)
    assert not is_legal(*chain, op(3, "put", 3, 4, written="w"))


def test_one_value_is_replaced_once():
    """Two that replaced the same are a lost update."""
    ops = [
        op(1, "put", 1, 2, written="x"),
        op(2, "cas", 3, 4, expected="x", written="y", **CAS),
        op(3, "cas", 3, 4, expected="x", written="z", **CAS),
    ]
    result, named, reason = judged(*ops)
    assert (result, sorted(named)) == ("illegal", [2, 3])
    assert "both replaced the value x" in reason


def test_an_unknown_replacement_that_was_seen_happened():
    """So what it replaced was there, and is replaced by nobody else."""
    ops = [
        op(1, "put", 1, written="x", outcome="unknown"),
        op(2, "cas", 3, expected="x", written="y", outcome="unknown", **CAS),
        op(3, "cas", 3, 9, expected="x", written="z", **CAS),
    ]
    assert is_legal(*ops)
    assert not is_legal(*ops, op(4, "get", 10, 11, seen="y"))


def test_replacements_in_a_circle_have_no_beginning():
    """Each is there before the other."""
    ops = [
        op(1, "cas", 1, 2, expected="y", written="x", **CAS),
        op(2, "cas", 1, 2, expected="x", written="y", **CAS),
        op(3, "put", 1, 2, written="z"),
    ]
    assert judged(*ops)[1] == (1, 2)


def test_a_refusal_is_a_read():
    """It saw what did not match; and if it did match, it should not have been refused."""
    first = op(1, "put", 1, 2, written="x")
    assert is_legal(first, op(2, "cas", 3, 4, expected="a", written="b", applied=False, seen="x", **CAS))
    for wrong in ({"expected": "a", "seen": None}, {"expected": "x", "seen": "x"}):
        assert not is_legal(first, op(2, "cas", 3, 4, written="b", applied=False, **wrong, **CAS))


def test_a_version_in_a_condition_stands_for_its_value():
    """Where answers say which one it was; else the method does not apply."""
    ops = [
        op(1, "put", 1, 2, written="x", number=4),
        op(2, "put", 5, 6, written="y"),
        op(3, "cas", 7, 8, condition="version", expected_number=4, written="z"),
    ]
    assert not is_legal(*ops)
    assert is_legal(ops[0], ops[2])
    ops[0].number = None
    with pytest.raises(zones.Unsuited, match="nobody says which value version 4 was, which operation 3 names"):
        judged(*ops)


@pytest.mark.parametrize(
    "strange",
    [
        op(1, "put", 5, 6, written="x"),
        op(1, "put", 5, 6, written="first"),
        op(1, "delete", 5, 6),
        op(1, "add", 5, 6, amount=1),
        op(1, "cas", 5, 6, then="delete", condition="absent"),
        op(1, "cas", 5, 6, condition="absent", written="y", applied=False),
    ],
)
def test_it_says_where_it_does_not_apply(strange):
    """Values that are written twice, that come out of an operation, or that a refusal keeps to itself."""
    with pytest.raises(zones.Unsuited):
        zones.check("k", [op(2, "put", 1, 2, written="x"), strange], "first")


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_figure_9_2_either_value_may_be_read_during_a_write(first: int, second: int):
    """The two reads that overlap each other and the write."""
    assert is_legal(*figures.overlapping_reads(first, second), initial=0)


def test_figure_9_3_a_new_value_stays():
    """Once it was read, the old one is not read any more."""
    assert is_legal(*figures.new_value_once_read(1), initial=0)
    assert judged(*figures.new_value_once_read(0), initial=0)[:2] == ("illegal", (3, 4))


def test_figure_9_6_a_strict_quorum_is_not_linearizable():
    """Reader B sees the old value after reader A has seen the new one."""
    assert judged(*figures.strict_quorum(0), initial=0)[:2] == ("illegal", (2, 3))
    assert is_legal(*figures.strict_quorum(1), initial=0)
