"""The book's figure 9-4, last read: A has seen the new value, and after that B reads the old one."""

from __future__ import annotations

from math import inf

import msgspec

from dynamo.checker.operation import Op
from dynamo.checker.picture import Judged
from dynamo.checker.recorded import Aside
from dynamo.checker.verdict import Order, Search, Verdict

REASON = "get -> new (operation 3) returned before get -> old (operation 4) was called"
ASIDES = (
    Aside(0, 100.5, "begins: n3 is cut off"),
    Aside(1, 101.0, "all <is> well"),
    Aside(2, 102.5, "ends: n3 is cut off"),
)


def did(index: int, process: str, kind: str, called: float, returned: float, **more) -> Op:
    """Times are seconds after a hundred."""
    made = Op(index, process, kind, "b/k", called, returned, **more)
    made.told = kind == "get"
    made.called_s, made.returned_s = 100 + called, 100 + returned
    return made


def stale_read() -> Judged:
    """The key `b/k`: two writes, the second without an end, and two reads."""
    ops = [
        did(1, "C", "put", 0, 1, written="old", number=1),
        did(2, "C", "put", 2, inf, written="new", outcome="unknown"),
        did(3, "A", "get", 3, 4, seen="new", number=2),
        did(4, "B", "get", 5, 6, seen="old", number=1),
    ]
    orders = [Order((1, 2, 3), ("old", "new", "new"), {4: "get -> old, but there was new"}), Order((1,), ("old",))]
    search = Search(orders, stuck=4, before=3)
    verdict = Verdict("illegal", "zones", "b/k", REASON, (3, 4), 4)
    return Judged(ops, verdict, search, ops, msgspec.structs.replace(verdict, search=search))


def fine(count: int, key: str = "b/fine") -> Judged:
    """A legal key: one client writes and reads, `count` operations."""
    ops = [did(n, "A", "put", 2 * n, 2 * n + 1, written=f"v{n}", number=n) for n in range(1, count + 1)]
    order = Order(tuple(op.index for op in ops), tuple(str(op.written) for op in ops))
    return Judged(ops, Verdict("legal", "zones", key, checked=count), Search([order]))
