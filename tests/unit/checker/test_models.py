"""Each model says what may follow what, and no to everything else."""

import pytest

from dynamo.checker.models import MODELS, Lock, Register, Versioned, model_for, step_versioned
from tests.unit.checker.story import op


def after(model: str, *ops, initial=None):
    """The state after some operations; None where one cannot have said what it said."""
    state = MODELS[model].initial(initial)
    for each in ops:
        state = MODELS[model].step(state, each)
        if state is None:
            return None
    return state


PUT = op(1, "put", 1, 2, written="x")
GET = op(2, "get", 3, 4, seen="x")


def test_a_register_holds_the_last_value():
    """A read of anything else does not fit, nor one of something where there is nothing."""
    assert after("register", PUT, GET) == Register("x")
    assert after("register", GET) is None
    assert after("register", PUT, op(3, "delete", 5, 6), op(4, "get", 7, 8)) == Register(None)
    assert after("register", PUT, op(3, "delete", 5, 6, applied=False, seen=None)) is None
    assert after("register", op(2, "get", 3, 4, seen="x"), initial="x") == Register("x")


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"condition": "value", "expected": "x"}, True),
        ({"condition": "value", "expected": "y"}, False),
        ({"condition": "absent"}, False),
    ],
)
def test_a_condition_is_held_to_what_there_is(condition, fits: bool):
    """Applied exactly where it holds, refused exactly where it does not."""
    assert after("cas-register", PUT, op(3, "cas", 5, 6, written="z", **condition)) == (Register("z") if fits else None)
    refused = op(3, "cas", 5, 6, written="z", applied=False, **condition)
    assert after("cas-register", PUT, refused) == (None if fits else Register("x"))
    told = op(3, "cas", 5, 6, written="z", applied=False, seen="other", **condition)
    assert after("cas-register", PUT, told) is None


def test_a_condition_on_a_value_does_not_hold_of_nothing():
    """Not even if it names none."""
    assert after("kv", op(1, "cas", 1, 2, condition="value", written="z")) is None


def test_numbers_add_up():
    """In a counter from 0, in a kv from nothing; a sum that is told is held to it, and words cannot be added to."""
    add = op(1, "add", 1, 2, amount=2, seen="2")
    assert after("counter", add, add) is None
    assert after("counter", add, op(2, "add", 3, 4, amount=-3, seen=-1), op(3, "get", 5, 6, seen="-1")) == Register(-1)
    assert after("counter", op(3, "get", 5, 6)) == Register(0)
    assert after("kv", add, op(2, "get", 3, 4, seen="2")) == Register("2")
    assert after("kv", PUT, op(2, "add", 3, 4, amount=1)) is None
    grown = op(2, "cas", 3, 4, condition="value", expected="2", then="add", amount=5, seen="7")
    assert after("kv", add, grown) == Register("7")


def test_text_grows_by_appends():
    """From nothing, as from an empty text."""
    ops = [op(1, "append", 1, 2, written="a"), op(2, "append", 3, 4, written="b"), op(3, "get", 5, 6, seen="ab")]
    assert after("kv", *ops) == Register("ab")


def test_a_set_is_read_as_a_whole():
    """In any order; an element may be added again."""
    adds = [op(1, "add", 1, 2, written="a"), op(2, "add", 3, 4, written="b"), op(3, "add", 3, 4, written="a")]
    assert after("set", *adds, op(4, "get", 5, 6, seen=("b", "a"))) == Register(frozenset("ab"))
    assert after("set", *adds, op(4, "get", 5, 6, seen="a")) is None
    assert after("set", op(4, "get", 5, 6)) == Register(frozenset())


def test_a_lock_is_held_by_one():
    """Who holds it may release it; a second one is refused, and tokens grow."""
    mine, yours = op(1, "acquire", 1, 2, number=3), op(2, "acquire", 3, 4, number=4)
    release = op(1, "release", 5, 6)
    assert after("lock", mine) == Lock("c1", 3)
    assert after("lock", mine, yours) is None
    assert after("lock", mine, op(2, "acquire", 3, 4, applied=False)) == Lock("c1", 3)
    assert after("lock", op(2, "acquire", 3, 4, applied=False)) is None
    assert after("lock", mine, release, yours) == Lock("c2", 4)
    assert after("lock", mine, release, op(2, "acquire", 3, 4, number=3)) is None
    assert after("lock", mine, op(2, "release", 3, 4)) is None
    assert after("lock", mine, op(2, "release", 3, 4, applied=False)) == Lock("c1", 3)
    assert after("lock", mine, op(1, "release", 3, 4, applied=False)) is None


def test_version_numbers_grow_with_each_change():
    """A change whose number nobody was told has some later one; who reads then tells which."""
    state = Versioned("x", 3)
    assert step_versioned(state, op(1, "put", 1, 2, written="y", number=3)) is None
    assert step_versioned(state, op(1, "get", 1, 2, seen="x", number=4)) is None
    later = step_versioned(state, op(1, "put", 1, written="y", outcome="unknown"))
    assert later == Versioned("y", 4, exact=False)
    assert step_versioned(later, op(1, "get", 1, 2, seen="y", number=6)) == Versioned("y", 6)
    assert step_versioned(later, op(1, "get", 1, 2, seen="y", number=3)) is None


def test_a_condition_on_a_version_is_held_to_it():
    """Applied to that one, refused where it was another one; a refusal tells that it was another one."""
    state, unsure = Versioned("x", 3), Versioned("x", 3, exact=False)
    on_3 = {"condition": "version", "expected_number": 3, "written": "y"}
    applied, refused = op(1, "cas", 1, 2, number=4, **on_3), op(1, "cas", 1, 2, applied=False, **on_3)
    assert step_versioned(state, applied) == step_versioned(unsure, applied) == Versioned("y", 4)
    assert step_versioned(state, refused) is None
    not_3 = step_versioned(unsure, refused)
    assert step_versioned(not_3, applied) is None
    assert step_versioned(not_3, op(1, "get", 1, 2, seen="x", number=3)) is None
    assert step_versioned(not_3, op(2, "put", 1, written="z", outcome="unknown")) == Versioned("z", 5, exact=False)
    assert step_versioned(state, op(1, "cas", 1, 2, applied=False, number=3, **on_3)) is None


def test_nothing_passes_over_a_version_that_somebody_made():
    """A change of unknown outcome fits into gaps only, and what is known comes in its turn."""
    first, second = op(1, "put", 1, 2, written="a", number=1), op(2, "put", 1, 2, written="b", number=3)
    model = model_for("kv", [first, second])
    state = model.initial(None)
    assert model.step(state, second) is None
    state = model.step(state, first)
    doubtful = op(3, "put", 1, written="c", outcome="unknown")
    once = model.step(state, doubtful)
    assert model.step(once, doubtful) is None
    assert model.step(once, second) == Versioned("b", 3)


def test_states_can_be_said():
    """For a report."""
    assert model_for("kv", [PUT]).said(Register(None)) == "nothing"
    assert model_for("kv", [op(1, "put", 1, 2, number=1)]).said(Versioned("x", 2, exact=False)) == "x (v2 or later)"
    assert [MODELS["lock"].said(state) for state in (Lock(None), Lock("c1", 2))] == ["free", "held by c1 (token 2)"]


def test_an_operation_that_a_model_does_not_know_is_refused():
    """It would be judged by nothing."""
    with pytest.raises(ValueError, match="operation 1 is of the kind cas, which the model register does not know"):
        model_for("register", [op(1, "cas", 1, 2, condition="absent")])
