"""Consistency levels of a run: how they are written, how a request names them, what two of them promise together.

A level is `one`, `quorum`, `all`, `linearizable`, or a number: so many replicas (R of a read, W of a write). Several
with weights are written `one=3,quorum=1`; each operation draws one, so that levels are compared on the same keys at
the same time and not one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

NAMES = ("one", "quorum", "all", "linearizable")


class Weighted(msgspec.Struct, frozen=True):
    """A level, and how often it is drawn beside the others."""

    level: str
    weight: float = 1.0


def weighted(text: str) -> tuple[Weighted, ...]:
    """The levels that a text names, weakest first. Raises ValueError for what is no level, or is named twice."""
    found = []
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in NAMES and not (name.isdecimal() and int(name) > 0):
            raise ValueError(f"{name!r} is no consistency level; there are {', '.join(NAMES)} and numbers of replicas")
        found.append(Weighted(name, _weight(weight)))
    names = [each.level for each in found]
    if len(dict.fromkeys(names)) < len(names):
        raise ValueError(f"{text!r} names a level twice")
    return tuple(sorted(found, key=lambda each: rank(each.level)))


def _weight(text: str) -> float:
    try:
        weight = float(text) if text else 1.0
    except ValueError:
        weight = 0.0
    if not weight > 0:
        raise ValueError(f"{text!r} is no weight of a level; it is a number above 0")
    return weight


def rank(level: str) -> tuple[int, str]:
    """Order from the weakest to the strongest, as far as that can be told without knowing N; equal ones by name."""
    return {"one": 10, "quorum": 25, "all": 100_000, "linearizable": 100_001}.get(level) or 10 * int(level), level


def query(level: str, *, of_write: bool, linearizable_bucket: bool) -> str:
    """How a request names the level. A linearizable bucket's writes have none: all of them are agreed upon."""
    if linearizable_bucket and of_write:
        return ""
    if level.isdecimal():
        return f"{'w' if of_write else 'r'}={level}"
    return f"consistency={level}"


def names(levels: Sequence[Weighted]) -> list[str]:
    return [each.level for each in levels]
