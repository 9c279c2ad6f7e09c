"""How far back reads looked: the smallest shift of their calls that makes a history legal."""

from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker import delta, zones
from dynamo.checker.operation import Op
from tests.unit.checker import oracle
from tests.unit.checker.story import op


def is_legal(ops: list[Op]) -> bool:
    return zones.check("b/k", ops).result == "legal"


def timed(*ops: Op) -> list[Op]:
    """Their places in the order are their seconds."""
    for each in ops:
        each.called_s, each.returned_s = each.called, each.returned
    return list(ops)


WRITES = (op(1, "put", 0, 1, written="x"), op(2, "put", 2, 3, written="y"))


@pytest.mark.parametrize(
    ("reads", "needed"),
    [
        ((op(3, "get", 5, 6, seen="y"),), 0.0),
        ((op(3, "get", 5, 6, seen="x"),), 2.0),
        ((op(3, "get", 5, 6, seen="x"), op(4, "get", 9, 10, seen="x")), 6.0),
        ((op(3, "get", 5, 6, seen=None),), 4.0),
        ((op(3, "cas", 5, 6, condition="absent", applied=False, seen="x"),), 2.0),
        ((op(3, "get", 5, 6, seen="z"),), inf),
    ],
)
def test_the_least_shift(reads, needed: float):
    """Complete at 3 is the value y: a read of x that is called at 5 looked back two seconds, one of nothing four."""
    assert delta.smallest_s(timed(*WRITES, *reads), is_legal) == pytest.approx(needed, abs=2e-6)


@given(st.integers(0, 1 << 30))
def test_the_history_is_legal_at_that_shift_and_illegal_before(seed: int):
    """Drawn histories that were spoilt; where no shift is enough, not even a very large one is."""
    taste = oracle.Taste(kinds=("get", "put"), unknown=0.0, spoil=1.0)
    ops = timed(*oracle.draw(Random(seed), 8, taste))
    needed = delta.smallest_s(ops, is_legal)
    if needed == inf:
        assert not oracle.is_legal(delta.moved(ops, 1e6))
        return
    assert oracle.is_legal(delta.moved(ops, needed))
    assert needed == 0 or not oracle.is_legal(delta.moved(ops, needed - 2e-6))


def test_an_operation_moves_only_if_it_changes_nothing():
    """And the order of calls is kept."""
    moved = delta.moved([op(1, "put", 4, 5, written="x"), op(2, "get", 6, 7)], 3)
    assert [(each.index, each.called, each.returned) for each in moved] == [(2, 3, 7), (1, 4, 5)]


def test_a_history_that_is_legal_needs_one_look():
    """Nor is it turned into seconds: events of one instant keep their order."""
    looked = []

    def looks(ops: list[Op]) -> bool:
        looked.append(ops)
        return True

    assert delta.smallest_s(timed(*WRITES), looks) == 0.0
    assert len(looked) == 1
