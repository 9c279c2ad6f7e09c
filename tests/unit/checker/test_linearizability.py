"""The method that can tell is chosen, and all methods say what the plain truth is."""

from math import inf
from random import Random

import pytest

from dynamo.checker import search, zones
from dynamo.checker.linearizability import check, check_key
from dynamo.checker.models import model_for
from dynamo.checker.operation import Op, considered, describe
from tests.unit.checker.oracle import Taste, draw, is_legal
from tests.unit.checker.story import op

SMALL = 1500
TASTES = {
    "unique values": Taste(),
    "unique values and numbers": Taste(numbers=True, conditions=("value", "absent", "version")),
    "few values, secret refusals": Taste(values=3, conditions=("value", "absent"), told=0.5),
    "deletes": Taste(
        kinds=("get", "get", "put", "cas", "delete"), conditions=("value", "absent"), then=("set", "delete"), told=0.9
    ),
    "deletes and numbers": Taste(
        kinds=("get", "get", "put", "cas", "delete"),
        values=3,
        numbers=True,
        conditions=("value", "absent", "version"),
        then=("set", "delete"),
        told=0.7,
    ),
    "conditions on versions that no answer tells": Taste(conditions=("version", "value")),
    "sums": Taste(kinds=("get", "add", "cas"), conditions=("absent", "value"), then=("add", "delete")),
    "sums and numbers": Taste(kinds=("get", "add", "add", "delete"), numbers=True, unknown=0.3),
}


@pytest.mark.parametrize("taste", TASTES)
def test_all_methods_say_what_trying_every_order_says(taste: str):
    """On small random histories, half of them spoilt."""
    verdicts = {True: 0, False: 0}
    for seed in range(SMALL):
        dice = Random(f"{taste}/{seed}")
        ops = draw(dice, dice.randint(2, 7), TASTES[taste])
        truth = is_legal(ops)
        verdicts[truth] += 1
        story = [f"{op.called:.2f}-{op.returned:.2f} {op.index} {describe(op)}" for op in ops]
        for name, result in _results(ops).items():
            assert (result == "legal") == truth, (name, seed, story)
    assert min(verdicts.values()) > SMALL / 20, "both kinds were drawn"


def _results(ops) -> dict[str, str]:
    results = {
        "auto": check_key("k", ops, "kv").result,
        "search": search.check("k", ops, model_for("kv", ops)).result,
    }
    if all(op.number is None for op in ops):
        try:
            results["zones"] = zones.check("k", ops).result
        except zones.Unsuited:
            pass
    return results


def _drawn(dice: Random, model: str, count: int) -> list[Op]:
    """Operations of a counter, a set or a lock, whose answers are drawn as they come."""
    ops = []
    for index in range(count):
        called = dice.uniform(0, 4)
        kind = dice.choice(("acquire", "release") if model == "lock" else ("get", "add", "add"))
        unknown = dice.random() < 0.2
        made = op(
            index,
            kind,
            called,
            inf if unknown else called + dice.expovariate(1),
            outcome="unknown" if unknown else "ok",
        )
        made.process = f"c{dice.randrange(2)}"
        if kind == "add":
            made.amount, made.written = 1, dice.choice("ab")
        elif kind == "get" and not unknown:
            made.told, made.seen = (
                True,
                dice.choice((1, 2)) if model == "counter" else dice.choice((None, "a", ("b", "a"))),
            )
        elif model == "lock" and not unknown:
            made.applied = dice.random() < 0.7
        ops.append(made)
    return ops


def _some_order(model, state, left: list[Op]) -> bool:
    return all(each.outcome == "unknown" for each in left) or any(
        _some_order(model, after, [other for other in left if other is not each])
        for each in left
        if not any(other.returned < each.called for other in left) and (after := model.step(state, each)) is not None
    )


@pytest.mark.parametrize("name", ["counter", "set", "lock"])
def test_the_search_finds_an_order_of_any_model_if_there_is_one(name: str):
    """As trying every order does, with the same steps."""
    legal = 0
    for seed in range(SMALL):
        dice = Random(f"{name}/{seed}")
        ops = _drawn(dice, name, dice.randint(1, 6))
        model = model_for(name, ops)
        truth = _some_order(model, model.initial(None), considered(ops))
        legal += truth
        assert (check_key("k", ops, name).result == "legal") == truth, seed
    assert SMALL / 20 < legal < SMALL * 19 / 20


@pytest.mark.parametrize("seed", range(20))
def test_zones_and_search_agree_on_longer_histories(seed: int):
    """Of hundreds of operations; where one answer was changed, most are illegal."""
    dice = Random(seed)
    ops = draw(dice, dice.randint(100, 400), Taste(clients=5, unknown=0.03))
    assert zones.check("k", ops).result == search.check("k", ops, model_for("kv", ops)).result


PUT, GET = op(1, "put", 1, 2, written="x", number=1), op(2, "get", 3, 4, seen="x", number=1)


def test_zones_decide_where_values_are_unique():
    """Else the search does."""
    assert check_key("k", [PUT, GET], "kv").method == "zones"
    assert check_key("k", [PUT, GET, op(3, "put", 5, 6, written="x", number=2)], "kv").method == "search"
    assert check_key("k", [op(1, "add", 1, 2, amount=1)], "counter").method == "search"


def test_version_numbers_are_looked_at_beside_the_values():
    """What they alone contradict is found, and they explain what the values contradict."""
    alone = check_key("k", [PUT, op(2, "get", 3, 4, seen="x", number=2)], "register")
    assert (alone.result, alone.method) == ("illegal", "versions")
    both = check_key(
        "k", [PUT, op(3, "put", 3, 4, written="y", number=2), op(4, "get", 5, 6, seen="x", number=1)], "kv"
    )
    assert (both.result, both.method) == ("illegal", "zones")
    assert "; by the version numbers: put y (v2)" in both.reason


def test_tokens_of_a_lock_are_no_versions():
    """A release may carry the token that it gives back."""
    ops = [op(1, "acquire", 1, 2, number=1), op(1, "release", 3, 4, number=1), op(2, "acquire", 5, 6, number=2)]
    assert check_key("k", ops, "lock").result == "legal"


def test_a_method_can_be_demanded():
    """One that does not apply is refused."""
    ops = [PUT, op(2, "get", 3, 4, seen="x", number=2)]
    assert check_key("k", ops, "kv", method="zones").result == "legal"
    assert check_key("k", ops, "kv", method="versions").result == "illegal"
    assert check_key("k", ops, "kv", method="search").method == "search"
    with pytest.raises(ValueError, match="the method zones does not apply to k: operation 1"):
        check_key("k", [op(1, "delete", 1, 2)], "kv", method="zones")


def test_keys_are_judged_one_by_one():
    """A map is linearizable if each key is."""
    keys = {"a": [PUT, GET], "b": [op(1, "get", 1, 2, seen="x")]}
    assert [(verdict.key, verdict.result) for verdict in check(keys, "register")] == [("a", "legal"), ("b", "illegal")]


def test_the_budget_is_for_the_search():
    """What is beyond it stays undecided."""
    ops = [op(number, "add", 1, 30, amount=2**number) for number in range(12)]
    assert check_key("k", ops, "counter", budget=50).result == "undecided"
