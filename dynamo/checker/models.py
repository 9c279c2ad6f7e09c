"""What a key may do, one operation at a time: the sequential behaviour that a linearizable one must look like.

A model is a state to begin with and a step: the state after an operation, or None where the operation cannot have said
what it said in that state. A step takes an operation of unknown outcome as one that took effect. States can be keys of
a dict. Where answers carry version numbers the state of a `kv` has one too: exact, or, after a change whose
number nobody was told, only a least one. Numbers grow with each change; they need not be consecutive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dynamo.checker.operation import Op, Value, shown

State = Any
"""Never None: that is what a step says no with."""
Step = Callable[[State, Op], State | None]


class Model(NamedTuple):
    """`kinds` are the operations that it knows; `initial` makes the first state from what a key holds at first."""

    name: str
    kinds: tuple[str, ...]
    initial: Callable[[Value], State]
    step: Step
    said: Callable[[State], str]
    """A state in words."""


class Register(NamedTuple):
    """What a key holds; None is nothing."""

    value: Value


class Versioned(NamedTuple):
    """What a key holds and its version number: `least` is that number if `exact`, else the least that it can be."""

    value: Value
    least: int = 0
    exact: bool = True
    other_than: tuple[int, ...] = ()
    """Numbers that it is not, as a refused condition has shown."""


class Lock(NamedTuple):
    """Who holds a lock, and the greatest token that anybody was told."""

    holder: str | None
    token: int = 0


class Refusal(Exception):
    """A change that the value does not allow, such as an addition to a word."""


def step_register(state: Register, op: Op) -> Register | None:
    """A register, with compare-and-set, deletes, integer additions and appends; version numbers are not looked at."""
    value = state.value
    if op.kind == "get":
        return state if not op.told or op.seen == value else None
    if op.kind == "cas" and not op.applied:
        return None if (op.told and op.seen != value) or _holds(op, value) else state
    if not op.applied:
        return state if not op.told or op.seen == value else None
    if op.kind == "cas" and not _holds(op, value, unknown=True):
        return None
    try:
        after = _changed(op, value)
    except Refusal:
        return None
    if op.told and after != op.seen:
        return None
    return Register(after)


def step_versioned(state: Versioned, op: Op) -> Versioned | None:
    """The same, and version numbers fit."""
    if not op.changes:
        return _seen_at(state, op)
    if op.condition == "version" and not _may_be(state, op.expected_number):
        return None
    after = step_register(Register(state.value), op)
    if after is None:
        return None
    before = state.least if op.condition != "version" else op.expected_number
    while before in state.other_than:
        before += 1
    assert before is not None, "a condition on a version names one"
    if op.number is None:
        return Versioned(after.value, before + 1, exact=False)
    return Versioned(after.value, op.number) if op.number > before else None


def step_counter(state: Register, op: Op) -> Register | None:
    """A number that is added to and read; one that does not exist is 0."""
    total = state.value + (op.amount if op.kind == "add" else 0)
    if op.told and _number(op.seen) != total:
        return None
    return Register(total)


def step_set(state: Register, op: Op) -> Register | None:
    """A set that elements are added to, and that is read as a whole."""
    if op.kind == "get":
        return state if not op.told or _elements(op.seen) == state.value else None
    return state if op.written in state.value else Register(state.value | {op.written})


def step_lock(state: Lock, op: Op) -> Lock | None:
    """A lock that one process holds at a time. Where it gives tokens (version numbers), they grow."""
    if op.kind == "release":
        is_held = state.holder == op.process
        return (Lock(None, state.token) if is_held else None) if op.applied else (None if is_held else state)
    if not op.applied:
        return None if state.holder is None else state
    if state.holder is not None or (op.number is not None and op.number <= state.token):
        return None
    return Lock(op.process, state.token if op.number is None else op.number)


def _holds(op: Op, value: Value, *, unknown: bool = False) -> bool:
    """Whether the condition of a `cas` holds of a value; `unknown` where it is about a version number."""
    if op.condition == "absent":
        return value is None
    return value is not None and value == op.expected if op.condition == "value" else unknown


def _changed(op: Op, value: Value) -> Value:
    change = op.then if op.kind == "cas" else op.kind
    if change == "delete":
        return None
    if change == "append":
        return f"{'' if value is None else value}{op.written}"
    if change != "add":
        return op.written
    try:
        total = _number(value) + op.amount
    except (TypeError, ValueError) as problem:
        raise Refusal from problem
    return total if isinstance(value, int) else str(total)


def _seen_at(state: Versioned, op: Op) -> Versioned | None:
    if step_register(Register(state.value), op) is None:
        return None
    if op.number is not None:
        if not _may_be(state, op.number) or (op.condition == "version" and op.number == op.expected_number):
            return None
        return Versioned(state.value, op.number)
    refused = op.expected_number if op.condition == "version" and not op.applied else None
    if refused is None or not _may_be(state, refused):
        return state
    return None if state.exact else state._replace(other_than=(*state.other_than, refused))


def _may_be(state: Versioned, number: int | None) -> bool:
    if number is None or number in state.other_than:
        return False
    return number == state.least if state.exact else number >= state.least


def _number(value: Value) -> int:
    return 0 if value is None else int(value)


def _elements(value: Value) -> frozenset[Value]:
    if isinstance(value, frozenset):
        return value
    if isinstance(value, tuple):
        return frozenset(value)
    return frozenset() if value is None else frozenset((value,))


def _first_version(value: Value) -> Versioned:
    """Nothing is version 0; which version anything else is that was there at first, nobody knows."""
    return Versioned(value, 0, exact=value is None)


def _said_versioned(state: Versioned) -> str:
    return f"{shown(state.value)} (v{state.least}{'' if state.exact else ' or later'})"


def _said_lock(state: Lock) -> str:
    holder = "free" if state.holder is None else f"held by {state.holder}"
    return f"{holder} (token {state.token})" if state.token else holder


def _plain(state: Register) -> str:
    return shown(state.value)


MODELS = {
    model.name: model
    for model in (
        Model("register", ("get", "put", "delete"), Register, step_register, _plain),
        Model("cas-register", ("get", "put", "delete", "cas"), Register, step_register, _plain),
        Model("counter", ("get", "add"), lambda value: Register(_number(value)), step_counter, _plain),
        Model("set", ("get", "add"), lambda value: Register(_elements(value)), step_set, _plain),
        Model("lock", ("acquire", "release"), Lock, step_lock, _said_lock),
        Model("kv", ("get", "put", "delete", "cas", "add", "append"), Register, step_register, _plain),
    )
}
REGISTERS = ("register", "cas-register", "kv")
"""Models whose keys hold one value."""
NUMBERED = (*REGISTERS, "counter")
"""Models that look at version numbers, where there are any."""


def model_for(name: str, ops: Iterable[Op]) -> Model:
    """The model of that name for these operations; with version numbers if conditions or answers speak of them.

    Raises ValueError for an operation that the model does not know, KeyError for an unknown name.
    """
    model = MODELS[name]
    is_numbered, made = False, set()
    for op in ops:
        if op.kind not in model.kinds:
            raise ValueError(f"operation {op.index} is of the kind {op.kind}, which the model {name} does not know")
        if op.number is not None and op.outcome == "ok" and op.changes:
            made.add(op.number)
        is_numbered = is_numbered or op.number is not None or op.condition == "version"
    if not is_numbered or name not in NUMBERED:
        return model
    return Model(name, model.kinds, _first_version, _in_turn(sorted(made)), _said_versioned)


def _in_turn(made: list[int]) -> Step:
    """`step_versioned`, where it is known which numbers were made: each in its turn, and nothing passes over one.

    A change whose number is known must find its place some time, and then the numbers before it are the lesser ones.
    """

    def step(state: Versioned, op: Op) -> Versioned | None:
        after = step_versioned(state, op)
        if after is None or after.least == state.least:
            return after
        place = bisect_right(made, state.least)
        if place == len(made) or made[place] > after.least:
            return after
        return after if made[place] == after.least and op.changes and op.number == after.least else None

    return step
