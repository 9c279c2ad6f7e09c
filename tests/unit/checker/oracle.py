"""The plain truth for small histories: try every order. And histories to try it on, legal ones and spoilt ones.

Written without the checker's models and methods, so that it can contradict them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from random import Random

from dynamo.checker.operation import Op


def is_legal(ops: list[Op], initial: object = None) -> bool:
    """Whether some order of what is known to have happened, and of some of what may have, explains every answer."""
    placed = [op for op in ops if op.outcome == "ok" or (op.outcome == "unknown" and op.kind != "get")]
    most = max((max(op.number or 0, op.expected_number or 0) for op in placed), default=0)
    return _orders(placed, initial, 0, most, {})


def _orders(left: list[Op], value: object, number: int, most: int, known: dict[object, bool]) -> bool:
    if all(op.outcome == "unknown" for op in left):
        return True
    situation = (tuple(op.index for op in left), value, number)
    if situation not in known:
        known[situation] = any(
            _orders([other for other in left if other is not op], after, later, most, known)
            for op in left
            if not any(other.returned < op.called for other in left)
            for after, later in _outcomes(op, value, number, most)
        )
    return known[situation]


def _outcomes(op: Op, value: object, number: int, most: int) -> Iterator[tuple[object, int]]:
    """What there may be after the operation; nothing if it cannot have said what it said."""
    if op.kind == "get" or not op.applied:
        held = {"absent": value is None, "value": value == op.expected, "version": number == op.expected_number}
        is_refused = op.kind != "cas" or not held[op.condition]
        if is_refused and (not op.told or op.seen == value) and op.number in (None, number):
            yield value, number
        return
    if op.kind == "cas":
        held = {"absent": value is None, "value": value == op.expected, "version": number == op.expected_number}
        if not held[op.condition]:
            return
    change = op.then if op.kind == "cas" else op.kind
    after = {"put": op.written, "set": op.written, "delete": None}.get(change)
    if change == "add":
        if value is not None and not str(value).lstrip("-").isdigit():
            return
        after = str((0 if value is None else int(value)) + op.amount)
    if op.told and op.seen != after:
        return
    numbers = range(number + 1, max(most, number) + 2) if op.number is None else (op.number,)
    yield from ((after, later) for later in numbers if later > number)


@dataclass
class Taste:
    """What histories are drawn."""

    kinds: tuple[str, ...] = ("get", "put", "cas")
    values: int = 0
    """How many values there are; 0: each write has its own."""
    numbers: bool = False
    """Whether answers carry version numbers."""
    conditions: tuple[str, ...] = ("value",)
    told: float = 1.0
    """How often a refusal says what it saw."""
    unknown: float = 0.15
    spoil: float = 0.5
    clients: int = 4
    then: tuple[str, ...] = ("set",)


def draw(dice: Random, count: int, taste: Taste) -> list[Op]:
    """Operations that took effect at an instant within their interval; then, perhaps, one answer is changed."""
    ops: list[Op] = []
    free = [0.0] * taste.clients
    for index in range(count):
        client = dice.randrange(taste.clients)
        called = free[client] + dice.random()
        returned = called + dice.expovariate(0.7)
        free[client] = returned
        op = Op(index, f"c{client}", dice.choice(taste.kinds), "k", called, returned)
        ops.append(op)
    _play(dice, ops, taste)
    for op in ops:
        if op.outcome == "unknown":
            op.returned, op.number, op.told, op.seen, op.applied = inf, None, False, None, True
    if dice.random() < taste.spoil:
        _spoil(dice, ops)
    return ops


def _play(dice: Random, ops: list[Op], taste: Taste) -> None:
    """Let them take effect one after the other, each at an instant of its own."""
    value: str | None = None
    number = 0
    past: list[str | None] = [None]
    for _, op in sorted((dice.uniform(op.called, op.returned), op) for op in ops):
        op.outcome = "unknown" if dice.random() < taste.unknown else "ok"
        op.written = _fresh(dice, op, taste) if op.kind in ("put", "cas") else None
        if op.kind == "cas":
            op.condition, op.then = dice.choice(taste.conditions), dice.choice(taste.then)
            if op.then != "set":
                op.written = None
            if op.condition == "value":
                op.expected = value if dice.random() < 0.6 else dice.choice(past)
                op.expected = op.expected or "never"
            elif op.condition == "version":
                op.expected_number = number if dice.random() < 0.6 else dice.randint(0, number)
            held = {"absent": value is None, "value": value == op.expected, "version": number == op.expected_number}
            op.applied = held[op.condition]
        if "add" in (op.kind, op.then):
            op.amount = dice.randint(1, 3)
        happens = op.outcome == "ok" or dice.random() < 0.5
        if op.kind == "get" or not op.applied:
            op.told = op.kind == "get" or dice.random() < taste.told
            op.seen = value if op.told else None
        elif happens:
            change = op.then if op.kind == "cas" else op.kind
            value = {"put": op.written, "set": op.written}.get(change)
            number += 1
            past.append(value)
        op.number = number if taste.numbers else None


def _fresh(dice: Random, op: Op, taste: Taste) -> str:
    return f"x{dice.randrange(taste.values)}" if taste.values else f"w{op.index}"


def _spoil(dice: Random, ops: list[Op]) -> None:
    """Change one answer."""
    known = [op for op in ops if op.outcome == "ok"]
    if not known:
        return
    op = dice.choice(known)
    if dice.random() < 0.3 and op.number is not None:
        op.number = max(0, op.number + dice.choice((-1, 1)))
    elif op.told:
        op.seen = dice.choice([other.written for other in ops])
    elif op.returned > op.called:
        width = op.returned - op.called
        op.called, op.returned = op.called + 3 * width, op.returned + 3 * width
