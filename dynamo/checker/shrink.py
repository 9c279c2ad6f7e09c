"""From an illegal history of one key to a few operations that are illegal by themselves.

What is left out must not make the rest illegal where the whole was legal. These may go:
    a read, or a condition that did not hold: it changes nothing;
    a value with all who wrote it and all who saw it. A compare-and-set that replaced it may have met anything then, and
        counts as a plain write (it asks for less than it did). One that was refused and does not say what it saw may
        have been refused for that value: it goes as well;
    a lock that was taken and given back, both steps, with all who were refused;
    what was called after the return at which it became illegal; what was under way then may have happened or not.
Not so a single addition, or one write of several of the same value. The search is Zeller and Hildebrandt's ddmin
(Simplifying and Isolating Failure-Inducing Input, 2002), over values and over reads. What is left is minimal in that
none of its reads can go alone; it need not be the smallest there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from dynamo.checker.operation import Op, Value, considered
from dynamo.checker.witness import beginning

CHECKS_MAX = 3_000
"""Histories that are looked at before it is left at what it has come to."""
Unit = TypeVar("Unit")
NO_VALUE = ("no value",)
"""Of operations that are about none: they say nothing of what they saw."""
ANY_VALUE = ("any value",)
"""What a compare-and-set may have met of which nobody knows."""
ROUNDS = 3


class Shrunk(msgspec.Struct):
    """`ops` in the order of their calls; `loosened` are the indexes of updates that count as plain writes."""

    ops: list[Op]
    loosened: tuple[int, ...]
    checks: int


class _Budget:
    """Counts the checks; beyond the limit nothing counts as illegal any more, so that the search ends."""

    def __init__(self, is_illegal: Callable[[list[Op]], bool], checks_max: int) -> None:
        self._is_illegal = is_illegal
        self._left = checks_max
        self.spent = 0

    def is_illegal(self, ops: list[Op]) -> bool:
        if self.spent >= self._left:
            return False
        self.spent += 1
        return self._is_illegal(ops)


def shrink(
    ops: Sequence[Op],
    is_illegal: Callable[[list[Op]], bool],
    named: Iterable[int] = (),
    checks_max: int = CHECKS_MAX,
) -> Shrunk:
    """A counterexample within an illegal history. `is_illegal` is the method that found it.

    `named` are the operations (their indexes) that the verdict names: most often their values suffice.
    """
    budget = _Budget(is_illegal, checks_max)
    kept = considered(ops)
    by_values = all(_is_replaceable(op) for op in kept)
    if not by_values:
        kept = _by_turns(_ended(kept, budget), budget)
    # Where reads have gone, values may follow.
    for _ in range(ROUNDS):
        before = len(kept)
        kept = _by_values(kept, frozenset(named), budget) if by_values else kept
        kept = _ended(_by_reads(kept, budget), budget)
        if len(kept) == before:
            break
    originals = {op.index: op for op in ops}
    loosened = tuple(op.index for op in kept if op.condition != originals[op.index].condition)
    return Shrunk(kept, loosened, budget.spent)


def _is_replaceable(op: Op) -> bool:
    """Whether what it leaves behind does not depend on what it found."""
    return op.kind in ("get", "put", "delete") or (op.kind == "cas" and (op.then != "add" or not op.applied))


def _by_values(ops: list[Op], named: frozenset[int], budget: _Budget) -> list[Op]:
    values = list(dict.fromkeys(map(_value, ops)))
    # First those of the operations that are named, with what these replaced: then the rest need not be looked at again.
    by_number = _by_number(ops)
    likely = {_value(op) for op in ops if op.index in named}
    likely |= {_replaced(op, by_number) for op in ops if op.index in named and op.kind == "cas"}
    seeds = [value for value in values if value in likely]
    few = restricted(ops, seeds)
    if len(few) < len(ops) and budget.is_illegal(few):
        ops, values = few, seeds
    return restricted(ops, ddmin(values, lambda some: budget.is_illegal(restricted(ops, some))))


def _value(op: Op) -> Value:
    """The value that an operation is about: the one that it leaves or saw."""
    if op.changes:
        return None if op.kind == "delete" or (op.kind == "cas" and op.then == "delete") else op.written
    return op.seen if op.told else NO_VALUE


def _by_number(ops: Iterable[Op]) -> dict[int | None, Op]:
    return {op.number: op for op in ops if op.changes and op.number is not None}


def _replaced(op: Op, by_number: dict[int | None, Op]) -> Value:
    """The value that a compare-and-set must have found."""
    if op.condition == "version":
        before = by_number.get(op.expected_number)
        return ANY_VALUE if before is None else _value(before)
    return op.expected if op.condition == "value" else None


def restricted(ops: Iterable[Op], values: Iterable[Value]) -> list[Op]:
    """The operations about some values; updates that met another one are loosened."""
    every = list(ops)
    held = frozenset(values)
    gone = frozenset(_value(op) for op in every) - held
    by_number = _by_number(every)
    kept = []
    for op in every:
        value = _value(op)
        if value in held and not (gone and value == NO_VALUE):
            kept.append(_loosened(op) if _has_lost(op, gone, by_number) else op)
    return kept


def _has_lost(op: Op, gone: frozenset[Value], by_number: dict[int | None, Op]) -> bool:
    """Whether the value that a compare-and-set met is gone, or may be."""
    if op.kind != "cas" or not op.changes or not gone:
        return False
    met = _replaced(op, by_number)
    return met == ANY_VALUE or met in gone


def _loosened(op: Op) -> Op:
    loose = msgspec.structs.replace(op, condition="", expected=None, expected_number=None)
    loose.kind = "delete" if op.then == "delete" else "put"
    return loose


def _ended(ops: list[Op], budget: _Budget) -> list[Op]:
    """The shortest beginning that is illegal: legality of beginnings can only be lost."""
    ends = sorted(op.returned for op in ops if op.outcome == "ok")
    first, last = 0, len(ends) - 1
    while first < last:
        middle = (first + last) // 2
        if budget.is_illegal(beginning(ops, ends[middle])):
            last = middle
        else:
            first = middle + 1
    cut = beginning(ops, ends[first]) if ends else ops
    return cut if len(cut) < len(ops) and budget.is_illegal(cut) else ops


def _by_turns(ops: list[Op], budget: _Budget) -> list[Op]:
    every = turns(ops)
    if not any(op.kind == "acquire" for op in ops) or not budget.is_illegal(_in_order(every)):
        return ops
    return _in_order(ddmin(every, lambda some: budget.is_illegal(_in_order(some))))


def turns(ops: Iterable[Op]) -> list[list[Op]]:
    """What goes together: a process takes a lock, and gives it back. Who was refused is in no turn."""
    found: dict[tuple[str, int], list[Op]] = {}
    count: dict[str, int] = {}
    for op in ops:
        if op.changes:
            count[op.process] = count.get(op.process, 0) + (op.kind == "acquire")
            found.setdefault((op.process, count[op.process]), []).append(op)
    return list(found.values())


def _in_order(some: list[list[Op]]) -> list[Op]:
    return sorted((op for turn in some for op in turn), key=lambda op: op.called)


def _by_reads(ops: list[Op], budget: _Budget) -> list[Op]:
    reads = [op for op in ops if not op.changes]

    def beside(some: list[Op]) -> list[Op]:
        kept = {op.index for op in some}
        return [op for op in ops if op.changes or op.index in kept]

    return beside(ddmin(reads, lambda some: budget.is_illegal(beside(some))))


def ddmin(units: list[Unit], fails: Callable[[list[Unit]], bool]) -> list[Unit]:
    """Units of which none can go alone with `fails` staying true, given that it is true of all of them."""
    if not units or fails([]):
        return []
    parts = 2
    while len(units) > 1:
        size = -(-len(units) // parts)
        for start in range(0, len(units), size):
            rest = units[:start] + units[start + size :]
            if rest and fails(rest):
                units, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(units):
                return units
            parts = min(parts * 2, len(units))
    return units
