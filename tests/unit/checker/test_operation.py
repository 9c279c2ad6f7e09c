"""An operation is an interval, and says in a few words what was asked and what came of it."""

import pytest

from dynamo.checker.operation import considered, describe, shown
from tests.unit.checker.story import op


def test_one_that_ends_as_another_begins_is_concurrent_with_it():
    """Only a return before a call puts two in order."""
    assert op(1, "put", 1, 2).precedes(op(2, "put", 3, 4))
    assert not op(1, "put", 1, 2).precedes(op(2, "put", 2, 4))


def test_what_failed_and_what_may_only_have_read_need_no_place():
    """An unknown write may have happened, an unknown read tells nothing."""
    ops = [
        op(1, "put", 9, outcome="unknown", written="x"),
        op(2, "get", 2, outcome="unknown"),
        op(3, "put", 3, 4, outcome="fail", written="y"),
        op(4, "get", 1, 5),
    ]
    assert [each.index for each in considered(ops)] == [4, 1]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (op(1, "put", 1, 2, written="x", number=3), "put x (v3)"),
        (op(1, "get", 1, 2), "get -> nothing"),
        (op(1, "get", 1, 2, seen="x", number=3), "get -> x (v3)"),
        (op(1, "delete", 1, outcome="unknown"), "delete: outcome unknown"),
        (op(1, "put", 1, 2, written="x", outcome="fail"), "put x: failed"),
        (op(1, "add", 1, 2, amount=-2, seen="5"), "add -2 -> 5"),
        (op(1, "add", 1, 2, written="e"), "add e"),
        (op(1, "cas", 1, 2, condition="absent", written="x"), "cas absent -> x"),
        (op(1, "cas", 1, 2, condition="version", expected_number=4, then="delete"), "cas v4 -> nothing"),
        (
            op(
                1, "cas", 1, 2, condition="value", expected="x", then="add", amount=1, applied=False, seen="y", number=7
            ),
            "cas x -> +1: refused, saw y (v7)",
        ),
        (op(1, "acquire", 1, 2, applied=False), "acquire: refused"),
    ],
)
def test_an_operation_reads_as_a_line(made, text: str):
    """What was asked, then what came of it."""
    assert describe(made) == text


def test_values_read_as_text():
    """A set in order, nothing by its name."""
    assert (shown(None), shown(frozenset({"b", "a"})), shown(3)) == ("nothing", "{a, b}", "3")
    assert shown(("x", None)) == "x beside nothing"
