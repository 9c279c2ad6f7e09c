"""The histories of the figures in chapter 9 of Kleppmann, Designing Data-Intensive Applications. x is 0 at first."""

from __future__ import annotations

from dynamo.checker.operation import Op
from tests.unit.checker.story import op


def overlapping_reads(first: int, second: int) -> list[Op]:
    """Figure 9-2: reads during a write may see either value, those before and after it may not."""
    return [
        op(1, "get", 0, 2, seen=0),
        op(2, "put", 3, 9, written=1),
        op(3, "get", 4, 6, seen=first),
        op(4, "get", 5, 8, seen=second),
        op(5, "get", 10, 12, seen=1),
    ]


def new_value_once_read(after: int) -> list[Op]:
    """Figure 9-3: once a read has returned the new value, every later read does. The write is still under way."""
    return [
        op(1, "put", 1, 12, written=1),
        op(2, "get", 0, 2, seen=0),
        op(3, "get", 3, 5, seen=1),
        op(4, "get", 6, 8, seen=after),
    ]


def four_clients(last: int) -> list[Op]:
    """Figure 9-4: the last read, by B, begins after A has read 4."""
    return [
        op(1, "get", 0, 7, seen=1),
        op(2, "put", 1, 4, written=0),
        op(3, "put", 2, 8, written=1),
        op(4, "get", 9, 11, seen=1),
        op(5, "cas", 10, 13, condition="value", expected=1, written=2),
        op(6, "get", 14, 16, seen=2),
        op(7, "cas", 14, 18, condition="value", expected=0, written=3, applied=False),
        op(8, "cas", 17, 26, condition="value", expected=2, written=4),
        op(9, "get", 19, 21, seen=4),
        op(10, "get", 22, 24, seen=last),
    ]


def strict_quorum(second: int) -> list[Op]:
    """Figure 9-6: a write that has reached one of three replicas; two reads, each of two of them."""
    return [
        op(1, "put", 1, 20, written=1),
        op(2, "get", 3, 6, seen=1),
        op(3, "get", 8, 11, seen=second),
    ]
