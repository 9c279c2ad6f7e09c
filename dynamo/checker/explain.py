"""From a verdict to what a person needs in order to believe it: a small counterexample, and orders to draw.

A method that judges values or numbers says which few operations contradict each other, and knows no order. So its
counterexample is made small first (`shrink`), and of what is left `search` says how far an order comes: it is small
enough for that. Of all operations together it is asked as well, within a budget that keeps a picture quick; where that
ends, and values are unique, `witness` finds an order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dynamo.checker import search, witness, zones
from dynamo.checker.linearizability import check_key
from dynamo.checker.models import REGISTERS, model_for
from dynamo.checker.operation import Op, Value
from dynamo.checker.picture import Judged
from dynamo.checker.shrink import CHECKS_MAX, shrink
from dynamo.checker.verdict import Search, Verdict

ORDER_BUDGET = 60_000
"""Configurations that the search for an order of all operations may look at: about a second."""
OPERATIONS_CHECKED_MAX = 3_000_000
"""Operations that the many checks of a shrinking may look at together: some ten seconds."""
WITNESSED_MAX = 50_000
"""Operations of a key above which no order is put together for a picture."""
CHECKS_MIN = 20
JUDGES = ("zones", "versions", "search")


def explain(verdict: Verdict, ops: Sequence[Op], model: str, initial: Value = None) -> Judged:
    """The key with its counterexample, if it is illegal. `ops` are all its operations, those that failed included."""
    everything = list(ops)
    whole = verdict.search or _orders(everything, model, initial)
    if verdict.result != "illegal":
        return Judged(everything, verdict, whole)
    core, of_core = _core(verdict, everything, model, initial)
    return Judged(everything, verdict, whole, core, of_core)


def _orders(ops: list[Op], model: str, initial: Value) -> Search | None:
    exact = model_for(model, ops)
    found = search.check("", ops, exact, initial, ORDER_BUDGET)
    if found.result != "undecided":
        return found.search
    try:
        return witness.farthest(ops, exact, initial) if model in REGISTERS and len(ops) <= WITNESSED_MAX else None
    except zones.Unsuited:
        return None


def _core(verdict: Verdict, ops: list[Op], model: str, initial: Value) -> tuple[list[Op], Verdict | None]:
    """A minimal counterexample, with what its method and a search say of it."""
    if verdict.method not in JUDGES:
        named = [op for op in ops if op.index in verdict.operations]
        return named, verdict

    def judged(some: list[Op]) -> Verdict | None:
        try:
            return check_key(verdict.key, some, model, initial=initial, budget=ORDER_BUDGET, method=verdict.method)
        except ValueError:
            # The method that found it does not apply to this part.
            return None

    def is_illegal(some: list[Op]) -> bool:
        found = judged(some)
        return found is not None and found.result == "illegal"

    checks_max = max(CHECKS_MIN, min(CHECKS_MAX, OPERATIONS_CHECKED_MAX // max(len(ops), 1)))
    core = shrink(ops, is_illegal, verdict.operations, checks_max)
    of_core = judged(core.ops)
    if of_core is None or of_core.result != "illegal":
        # Too hard to be judged again and again: the whole stands for itself.
        return [], None
    found = of_core.search or _orders(core.ops, model, initial)
    return core.ops, msgspec.structs.replace(of_core, reason=of_core.reason + _loosened(core.loosened), search=found)


def _loosened(indexes: Sequence[int]) -> str:
    """What to say of updates whose conditions ask for what is left out."""
    if not indexes:
        return ""
    which = f"operation {indexes[0]}" if len(indexes) == 1 else f"operations {', '.join(map(str, indexes))}"
    return f". What {which} replaced is left out here"
