"""An order put together from blocks explains the history; of an illegal one, its longest legal beginning."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker import witness, zones
from dynamo.checker.models import MODELS, model_for
from dynamo.checker.operation import Op, considered
from tests.unit.checker import oracle
from tests.unit.checker.story import op

TASTES = st.builds(
    oracle.Taste,
    kinds=st.sampled_from([("get", "put"), ("get", "put", "cas")]),
    conditions=st.sampled_from([("value",), ("absent", "value")]),
    spoil=st.sampled_from([0.0, 1.0]),
)


def explains(ops: list[Op], order: list[Op]) -> bool:
    """Whether the order has all that returned, respects time, and each step says what the model says."""
    state = MODELS["kv"].initial(None)
    for place, each in enumerate(order):
        state = MODELS["kv"].step(state, each)
        if state is None or any(later.returned < each.called for later in order[place:]):
            return False
    return {each.index for each in ops if each.outcome == "ok"} <= {each.index for each in order}


@given(st.integers(0, 1 << 30), TASTES)
def test_the_order_of_a_legal_history_explains_it(seed: int, taste: oracle.Taste):
    """Drawn histories of twelve operations, judged by the method zones."""
    ops = considered(oracle.draw(Random(seed), 12, taste))
    if zones.check("k", ops).result == "legal":
        assert explains(ops, witness.order(ops))


@given(st.integers(0, 1 << 30), TASTES)
def test_of_an_illegal_history_the_longest_legal_beginning(seed: int, taste: oracle.Taste):
    """With the operation that is stuck it is illegal; its order explains what had returned before."""
    ops = considered(oracle.draw(Random(seed), 8, taste))
    found = witness.farthest(ops, model_for("kv", ops))
    by_index = {each.index: each for each in ops}
    (order,) = found.orders
    if found.stuck is None:
        assert oracle.is_legal(ops)
        assert len(order.states) == len(order.operations)
        return
    stuck = by_index[found.stuck]
    assert not oracle.is_legal(witness.beginning(ops, stuck.returned))
    until = by_index[found.before].returned if found.before is not None else -1.0
    known = witness.beginning(ops, until)
    assert oracle.is_legal(known)
    placed = {each.index: each for each in known}
    assert explains(known, [placed[index] for index in order.operations])
    assert found.stuck in order.refused


@given(st.integers(0, 1 << 30), TASTES, st.data())
def test_a_beginning_of_a_legal_history_is_legal(seed: int, taste: oracle.Taste, data):
    """Changes that were under way may have been seen already."""
    ops = considered(oracle.draw(Random(seed), 7, taste))
    if ops and oracle.is_legal(ops):
        until = data.draw(st.sampled_from(sorted(each.returned for each in ops)))
        assert oracle.is_legal(witness.beginning(ops, until))


def test_many_at_once_are_no_matter():
    """Sixty writers at the same time, and a read afterwards: a search has too many orders to try."""
    ops = [op(n, "put", n, 1000 - n, written=f"v{n}") for n in range(60)]
    ops.append(op(100, "get", 2000, 3000, seen="v0"))
    found = witness.farthest(ops, model_for("kv", ops))
    assert found.stuck is None
    assert len(found.orders[0].operations) == 61
    assert found.orders[0].states[-1] == "v0"


def test_states_end_where_numbers_contradict_values():
    """The order is one by values then."""
    ops = [op(1, "put", 0, 1, written="x", number=1), op(2, "put", 2, 3, written="y", number=1)]
    (order,) = witness.farthest(ops, model_for("kv", ops)).orders
    assert (order.operations, len(order.states)) == ((1, 2), 1)


def test_what_zones_cannot_judge_it_cannot_either():
    """A value that is written twice."""
    ops = [op(1, "put", 0, 1, written="x"), op(2, "put", 2, 3, written="x")]
    with pytest.raises(zones.Unsuited):
        witness.farthest(ops, model_for("kv", ops))
