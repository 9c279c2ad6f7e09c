"""A counterexample becomes small, stays one, and is never made out of a legal history."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker.linearizability import check_key
from dynamo.checker.operation import Op
from dynamo.checker.shrink import NO_VALUE, ddmin, restricted, shrink, turns
from tests.unit.checker import oracle
from tests.unit.checker.story import op


def is_illegal(ops: list[Op]) -> bool:
    return not oracle.is_legal(ops)


def indexes(ops: list[Op]) -> list[int]:
    return [each.index for each in ops]


def test_ddmin_finds_what_is_needed_together():
    """Of a hundred numbers three, which fail only all together; of none, none."""
    looks = []

    def fails(some: list[int]) -> bool:
        looks.append(some)
        return {3, 50, 99} <= set(some)

    assert ddmin(list(range(100)), fails) == [3, 50, 99]
    assert len(looks) < 200
    assert ddmin([], fails) == []
    assert ddmin([1, 2], lambda some: len(some) < 9) == []


def stale_read_among(others: int) -> list[Op]:
    """A read of x after a read of y had ended, and around it writes and reads of other values, one after the other."""
    ops = [op(1, "put", 0, 1, written="x"), op(2, "put", 2, 3, written="y"), op(3, "get", 4, 5, seen="y")]
    ops.append(op(4, "get", 6, 7, seen="x"))
    for number in range(others):
        at = 8 + 4 * number
        ops.append(op(10 + 2 * number, "put", at, at + 1, written=f"z{number}"))
        ops.append(op(11 + 2 * number, "get", at + 2, at + 3, seen=f"z{number}"))
    return ops


@pytest.mark.parametrize("named", [(), (3, 4)])
def test_other_values_go(named):
    """What is left are both writes and the stale read: the other read says nothing that they do not."""
    found = shrink(stale_read_among(20), is_illegal, named)
    assert indexes(found.ops) == [1, 2, 4]
    assert found.loosened == ()


def test_the_named_operations_are_tried_first():
    """Then few histories need to be looked at, however long the whole is."""
    assert shrink(stale_read_among(200), is_stale, (3, 4)).checks < 20
    assert shrink(stale_read_among(200), is_stale).checks > 20


def is_stale(ops: list[Op]) -> bool:
    """A cheap stand-in for a method: x is read after y was written."""
    return {1, 2, 4} <= set(indexes(ops))


def test_a_condition_whose_value_is_gone_counts_as_a_write():
    """A chain of a thousand replacements need not be shown for a stale read at its end."""
    ops = [op(0, "put", 0, 1, written="v0")]
    for number in range(1, 30):
        at = 2 * number
        ops.append(op(number, "cas", at, at + 1, condition="value", expected=f"v{number - 1}", written=f"v{number}"))
    ops.append(op(99, "get", 70, 71, seen="v27"))
    found = shrink(ops, is_illegal)
    assert indexes(found.ops)[-1] == 99
    assert len(found.ops) == 3
    assert all(each.kind in ("put", "get") or each.index - 1 in indexes(found.ops) for each in found.ops)
    assert found.loosened
    assert is_illegal(found.ops)


def test_a_condition_that_nobody_could_meet_is_enough():
    """It needs no other value to be wrong, and stays a condition."""
    ops = [op(1, "put", 0, 1, written="x"), op(2, "cas", 2, 3, condition="value", expected="never", written="y")]
    found = shrink(ops, is_illegal)
    assert (indexes(found.ops), found.loosened) == ([2], ())


def test_values_that_are_written_again_later_do_not_stay():
    """They are about the same value as what is wrong, and yet have nothing to do with it."""
    ops = [op(1, "put", 0, 1, written="x"), op(2, "put", 2, 3, written="y"), op(3, "get", 4, 5, seen="x")]
    ops += [op(number, "put", 2 * number, 2 * number + 1, written="x") for number in range(4, 9)]
    assert indexes(shrink(ops, is_illegal).ops) == [1, 2, 3]


def test_additions_stay_and_reads_go():
    """A sum cannot do without any of what was added."""
    ops = [op(n, "add", 2 * n, 2 * n + 1, amount=1, written=None) for n in range(3)]
    ops += [op(10, "get", 10, 11, seen="3"), op(11, "get", 12, 13, seen="2"), op(12, "get", 14, 15, seen="3")]
    assert indexes(shrink(ops, is_illegal).ops) == [0, 1, 2, 11]


def test_what_came_after_it_became_illegal_goes():
    """An addition that was under way may have happened; a sum that is read later says nothing of the wrong one."""
    ops = [op(0, "add", 0, 1, amount=1), op(1, "get", 2, 3, seen="7"), op(2, "add", 2, 9, amount=1)]
    ops += [op(3, "add", 4, 5, amount=1), op(4, "get", 10, 11, seen="3")]
    found = shrink(ops, is_illegal).ops
    assert [(each.index, each.outcome) for each in found] == [(0, "ok"), (1, "ok"), (2, "unknown")]


def lock_is_broken(ops: list[Op]) -> bool:
    """Two hold it at once: each took it before the other, who never gave it back, could have."""
    held: list[Op] = []
    for each in sorted(ops, key=lambda op: op.called):
        if each.kind == "acquire" and each.applied:
            held.append(each)
        elif each.kind == "release":
            held = [other for other in held if other.process != each.process]
        if len(held) > 1:
            return True
    return False


def test_turns_of_a_lock_go_whole():
    """Left are the two that held it at once."""
    ops = []
    for number in range(10):
        ops.append(op(2 * number, "acquire", 4 * number, 4 * number + 1))
        ops.append(op(2 * number + 1, "release", 4 * number + 2, 4 * number + 3))
        ops[-1].process = ops[-2].process
    refused = op(50, "acquire", 6, 7, applied=False)
    ops += [refused, op(60, "acquire", 100, 101), op(61, "acquire", 102, 103)]
    assert indexes(shrink(ops, lock_is_broken).ops) == [60, 61]


def taken_in_turn(dice: Random, count: int) -> list[Op]:
    """A lock that three clients ask for, one thing at a time each, as it should be; some never hear what came of it."""
    ops, moments, free = [], [], [0.0, 0.0, 0.0]
    for index in range(count):
        client = dice.randrange(3)
        called = free[client] + dice.random()
        free[client] = called + dice.expovariate(1)
        ops.append(op(index, dice.choice(("acquire", "release")), called, free[client]))
        ops[-1].process = f"c{client}"
        moments.append((dice.uniform(called, free[client]), ops[-1]))
    holder = None
    for _, each in sorted(moments, key=lambda moment: moment[0]):
        each.applied = holder is None if each.kind == "acquire" else holder == each.process
        if each.applied:
            holder = each.process if each.kind == "acquire" else None
            if dice.random() < 0.2:
                each.outcome, each.returned = "unknown", float("inf")
    return ops


@given(st.integers(0, 1 << 30), st.data())
def test_a_legal_lock_stays_legal(seed: int, data):
    """Whichever turns are left out."""
    ops = taken_in_turn(Random(seed), 9)
    assert check_key("k", ops, "lock").result == "legal"
    kept = [each for turn in turns(ops) if data.draw(st.booleans()) for each in turn]
    assert check_key("k", sorted(kept, key=lambda op: op.called), "lock").result == "legal"


def test_it_ends_with_its_budget():
    """And gives what it has come to, which is still illegal."""
    ops = stale_read_among(20)
    found = shrink(ops, is_illegal, checks_max=6)
    assert found.checks == 6
    assert len(found.ops) <= len(ops)
    assert is_illegal(found.ops)


TASTES = st.builds(
    oracle.Taste,
    kinds=st.sampled_from([("get", "put"), ("get", "put", "cas"), ("get", "put", "delete", "cas")]),
    values=st.sampled_from([0, 2]),
    numbers=st.booleans(),
    conditions=st.sampled_from([("value",), ("absent", "value"), ("version", "value")]),
    told=st.sampled_from([1.0, 0.5]),
    spoil=st.sampled_from([0.0, 1.0]),
)


SUMS = st.just(oracle.Taste(kinds=("get", "put", "add"), values=2, spoil=1.0))


@given(st.integers(0, 1 << 30), TASTES | SUMS)
def test_a_counterexample_stays_one_and_cannot_lose_a_read_or_value(seed: int, taste: oracle.Taste):
    """Drawn histories of seven operations that are illegal, judged by trying all orders."""
    ops = oracle.draw(Random(seed), 7, taste)
    if oracle.is_legal(ops):
        return
    core = shrink(ops, is_illegal).ops
    assert set(indexes(core)) <= set(indexes(ops))
    assert is_illegal(core)
    for each in core:
        if not each.changes:
            assert oracle.is_legal([other for other in core if other is not each])


@given(st.integers(0, 1 << 30), TASTES, st.data())
def test_a_legal_history_stays_legal(seed: int, taste: oracle.Taste, data):
    """Whichever values are left out: so what is found in a part is wrong in the whole."""
    ops = oracle.draw(Random(seed), 7, taste)
    if not oracle.is_legal(ops):
        return
    values = list(dict.fromkeys([NO_VALUE, *(each.written for each in ops), *(each.seen for each in ops)]))
    kept = data.draw(st.lists(st.sampled_from(values), unique_by=str))
    assert oracle.is_legal(restricted(ops, kept))
