"""What a check of one key came to, and what a person needs in order to believe it."""

from __future__ import annotations

from typing import Literal

import msgspec

Result = Literal["legal", "illegal", "undecided"]
METHODS = {
    "zones": "intervals of unique values",
    "versions": "version numbers in the answers",
    "search": "search of all orders",
    "answers": "one request, one answer",
}


class Order(msgspec.Struct):
    """A legal order of operations (their indexes), and the state after each, in words."""

    operations: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    refused: dict[int, str] = {}
    """Operations that could have come next by time and did not fit, and why."""
    left_out: int = 0
    """How many at its beginning are not shown."""


class Search(msgspec.Struct):
    """How far a search came, for a picture of it."""

    orders: list[Order] = []
    """Of a legal history: one order of all operations. Of an illegal one: the longest that there are, longest first."""
    stuck: int | None = None
    """The operation that returned and could not be placed in any order."""
    before: int | None = None
    """The last operation that had returned before and was placed."""
    configurations: int = 0
    """How many were looked at."""


class Verdict(msgspec.Struct):
    """`undecided`: the budget ran out. Nothing is said then."""

    result: Result
    method: str
    """One of `METHODS`."""
    key: str
    reason: str = ""
    """Of an illegal or undecided one: one sentence."""
    operations: tuple[int, ...] = ()
    """The operations (their indexes) that cannot all be right, in the order in which the reason names them."""
    checked: int = 0
    """How many operations were placed."""
    search: Search | None = None
    """Of the method `search` only."""
