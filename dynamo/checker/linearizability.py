"""Is a history linearizable? Key by key, with the method that can tell.

A history is linearizable if there is one order of all operations that respects time (what returned before another was
called comes before it) and in which each says what the model says. That holds of all keys together if it holds of each
(Herlihy and Wing, 1990), so keys are judged one by one. Where every value was written once, `zones` decides,
however long the history is; else `search`, within its budget. Beside either, `versions` holds the answers to
their version numbers, where they have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dynamo.checker import search, versions, zones
from dynamo.checker.models import REGISTERS, model_for
from dynamo.checker.operation import Op, Value
from dynamo.checker.verdict import Verdict

METHODS = ("auto", "zones", "versions", "search")


def check(
    keys: Mapping[str, list[Op]], model: str, *, initial: Value = None, budget: int = search.BUDGET
) -> Iterator[Verdict]:
    """A verdict on each key, in the order of the keys."""
    for key, ops in keys.items():
        yield check_key(key, ops, model, initial=initial, budget=budget)


def check_key(
    key: str, ops: list[Op], model: str, *, initial: Value = None, budget: int = search.BUDGET, method: str = "auto"
) -> Verdict:
    """The verdict on one key. Raises ValueError for an operation that the model does not know, or a method unsuited."""
    exact = model_for(model, ops)
    if method == "versions":
        return versions.check(key, ops, initial)
    if method == "search":
        return search.check(key, ops, exact, initial, budget)
    try:
        if model not in REGISTERS:
            raise zones.Unsuited(f"the model {model} is not one of values that are written")
        verdict = zones.check(key, ops, initial)
    except zones.Unsuited as why:
        if method == "zones":
            raise ValueError(f"the method zones does not apply to {key or 'the key'}: {why}") from why
        verdict = None
    if method == "zones" and verdict is not None:
        return verdict
    by_numbers = None if model == "lock" else _by_numbers(key, ops, initial, verdict)
    return by_numbers or verdict or search.check(key, ops, exact, initial, budget)


def _by_numbers(key: str, ops: list[Op], initial: Value, verdict: Verdict | None) -> Verdict | None:
    """What version numbers say, if that is more than was known; they explain best what the other method found."""
    if not versions.applies(ops):
        return None
    by_numbers = versions.check(key, ops, initial)
    if by_numbers.result == "legal":
        return None
    if verdict is not None and verdict.result == "illegal":
        verdict.reason += f"; by the version numbers: {by_numbers.reason}"
        return verdict
    return by_numbers
