"""One operation on one key, as every check of linearizability sees it: an interval of time, and what it did or saw.

An operation takes effect at one instant between its call and its return. One whose outcome is unknown may take effect
at any instant after its call, or never; so its interval has no end. One that failed never did: it is kept for the
reader of a report, and `considered` leaves it out, with the unknown ones that can have changed nothing. Two operations
of which none returned before the other was called are concurrent, also if one ended at the instant the other began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Literal

import msgspec

from dynamo.checker.history import Outcome

Value = Any
"""What a key holds: anything that can be a key of a dict. None is nothing."""

KINDS = ("get", "put", "delete", "cas", "add", "append", "acquire", "release")
READS = ("get",)
"""Kinds that never change anything."""


class Op(msgspec.Struct, gc=False):
    """`called` and `returned` order operations; `called_s` and `returned_s` are the same instants by some clock."""

    index: int
    """Its number in the history."""
    process: str
    kind: str
    """One of `KINDS`."""
    key: str
    called: float
    returned: float = inf
    """Infinite if nobody knows that it ended."""
    outcome: Outcome = "ok"
    applied: bool = True
    """False: it was answered, and changed nothing: its condition did not hold, or there was nothing to delete."""
    written: Value = None
    """What a put, an append or a `cas` that sets writes; the element that is added to a set."""
    amount: int = 0
    """What is added to a number."""
    then: Literal["set", "delete", "add"] = "set"
    """What a `cas` does if its condition holds."""
    condition: Literal["", "absent", "value", "version"] = ""
    expected: Value = None
    """The value that the condition names."""
    expected_number: int | None = None
    """The version number that the condition names."""
    told: bool = False
    """Whether `seen` is known."""
    seen: Value = None
    """What a read returned, what there was where the condition did not hold, what an addition came to."""
    number: int | None = None
    """The version number that it made or, where it changed nothing, saw. None if that is not known."""
    called_s: float = 0.0
    returned_s: float = inf

    @property
    def changes(self) -> bool:
        """Whether it has changed the key, or may have."""
        return self.kind not in READS and self.applied

    def precedes(self, other: Op) -> bool:
        """Whether it had returned before the other was called."""
        return self.returned < other.called


Keyed = Mapping[str, list[Op]]
"""Operations by key, those of one key in the order of their calls."""


def considered(ops: Iterable[Op]) -> list[Op]:
    """Those that a check has to place, in the order of their calls: not what failed, nor what may only have read."""
    kept = [op for op in ops if op.outcome == "ok" or (op.outcome == "unknown" and op.changes)]
    kept.sort(key=lambda op: op.called)
    return kept


def describe(op: Op) -> str:
    """`put x`, `get -> y`, `cas x -> y: refused, saw z`: what was asked and what came of it."""
    return f"{_asked(op)}{_answered(op)}"


def named(op: Op) -> str:
    """An operation within a sentence."""
    return f"{describe(op)} (operation {op.index} of {op.process})"


def _asked(op: Op) -> str:
    if op.kind == "cas":
        held = {"absent": "absent", "value": shown(op.expected), "version": f"v{op.expected_number}"}[op.condition]
        return f"cas {held} -> {_change(op)}"
    if op.kind == "add":
        return f"add {op.amount:+d}" if op.written is None else f"add {shown(op.written)}"
    return f"{op.kind} {shown(op.written)}" if op.kind in ("put", "append") else op.kind


def _change(op: Op) -> str:
    return {"set": shown(op.written), "delete": "nothing", "add": f"{op.amount:+d}"}[op.then]


def _answered(op: Op) -> str:
    if op.outcome == "unknown":
        return ": outcome unknown"
    if op.outcome == "fail":
        return ": failed"
    number = "" if op.number is None else f" (v{op.number})"
    if not op.applied:
        return f": refused{f', saw {shown(op.seen)}' if op.told else ''}{number}"
    return f" -> {shown(op.seen)}{number}" if op.told else number


def shown(value: Value) -> str:
    """A value in a report."""
    if value is None:
        return "nothing"
    if value == "":
        return "an empty text"
    if isinstance(value, tuple):
        return " beside ".join(map(shown, value))
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(str, value))) + "}"
    return str(value)
