"""What a picture of a checked history shows, as plain data: bars, orders, and where an operation did not fit.

In the manner of the book's figure 9-4: a bar an operation, from its call to its return, and a line through the moments
at which each would have taken effect. Any increasing choice of moments inside the bars will do; they are spread out, so
that neighbours can be told apart. What the page does with it is in `page/`, what a terminal gets in `plain_picture.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import msgspec

from dynamo.checker import lanes
from dynamo.checker.history import Outcome
from dynamo.checker.lanes import Happening
from dynamo.checker.operation import Op, describe
from dynamo.checker.verdict import METHODS, Order, Result, Search, Verdict

BARS_MAX = 50_000
"""Operations of one key that are drawn: those called around what the verdict names."""
OTHER_ORDERS_MAX = 3
"""Orders that are drawn beside the longest one."""
SPREAD_MAX = 32
COLOURS = {"get": "read", "put": "write", "delete": "write", "append": "write"}
"""Everything else is an update that looks first."""


class Bar(msgspec.Struct, array_like=True, gc=False):
    """One operation. Times are seconds since the first call of the picture; `returned` None has no end."""

    lane: int
    process: str
    called: float
    returned: float | None
    outcome: Outcome
    colour: str
    what: str
    version: int | None
    number: int
    """Its number in the history."""


class Step(msgspec.Struct, array_like=True, gc=False):
    """The next operation of an order: which bar, when it takes effect, and the state after it."""

    bar: int
    at: float
    state: str


class Trial(msgspec.Struct, gc=False):
    """An operation that was tried as the next one of an order and did not fit."""

    bar: int
    at: float
    order: int
    why: str
    stuck: bool
    """Whether it is the one that had to come next: it returned, and fits nowhere."""


class View(msgspec.Struct):
    """Some operations of a key, `bars` None for all, with orders of them, the longest first."""

    name: str
    reason: str
    bars: list[int] | None
    orders: list[list[Step]]
    left_out: list[int]
    """How many operations of each order come before those that are shown."""
    trials: list[Trial]
    culprits: list[int]


class KeyPicture(msgspec.Struct):
    """All of one key."""

    name: str
    verdict: Result
    method: str
    initial: str
    lanes: list[str]
    bars: list[Bar]
    views: list[View]


class Picture(msgspec.Struct):
    """Everything: keys that are illegal first."""

    title: str
    verdict: Result
    reason: str
    facts: list[str]
    keys: list[KeyPicture]
    events: list[Happening]


class Judged(msgspec.Struct):
    """A key with what was found. `core` is a minimal counterexample, `core_verdict` what was found in that alone."""

    ops: list[Op]
    verdict: Verdict
    search: Search | None = None
    """Orders of all operations, where somebody found them."""
    core: list[Op] = []
    core_verdict: Verdict | None = None


def draw_key(judged: Judged, since_s: float, initial: str = "nothing") -> KeyPicture:
    """The picture of one key, times from `since_s` on."""
    verdict = judged.verdict
    drawn = _around(judged)
    drawing = _Drawing(drawn, since_s)
    views = []
    if judged.core and judged.core_verdict is not None:
        views.append(drawing.view("counterexample", judged.core_verdict, judged.core, judged.core_verdict.search))
    everything = "all operations" if len(drawn) == len(judged.ops) else f"of {len(judged.ops):,} operations"
    views.append(drawing.view(everything, verdict, None, judged.search or verdict.search))
    method = METHODS.get(verdict.method, verdict.method)
    return KeyPicture(
        verdict.key or "the key", verdict.result, method, initial, drawing.lanes.names, drawing.bars, views
    )


def _around(judged: Judged) -> list[Op]:
    """The operations that are drawn: all, if they are not too many."""
    if len(judged.ops) <= BARS_MAX:
        return judged.ops
    needed = {op.index for op in judged.core} | set(judged.verdict.operations)
    ops = sorted(judged.ops, key=lambda op: op.called)
    middle = next((n for n, op in reversed([*enumerate(ops)]) if op.index in needed), 0)
    first = max(0, min(middle - BARS_MAX // 2, len(ops) - BARS_MAX))
    return [op for n, op in enumerate(ops) if first <= n < first + BARS_MAX or op.index in needed]


def starts_s(keys: Sequence[Judged]) -> float:
    """When the first operation of all was called, in seconds of the history's clock."""
    return min((_span(op)[0] for judged in keys for op in judged.ops), default=0.0)


def _span(op: Op) -> tuple[float, float]:
    """Call and return in seconds; histories without a clock have their order in place of it."""
    if op.called_s == 0 and not isfinite(op.returned_s) and isfinite(op.returned):
        return op.called, op.returned
    return op.called_s, op.returned_s


class _Drawing:
    """Bars of one key; its views refer to them by their places."""

    def __init__(self, ops: Sequence[Op], since_s: float) -> None:
        self.ops = ops
        self.lanes = lanes.of_operations(ops)
        self.since_s = since_s
        self.places = {op.index: place for place, op in enumerate(ops)}
        self.bars = [self._bar(op) for op in ops]
        ends = [bar.called if bar.returned is None else bar.returned for bar in self.bars]
        self.end = max(ends, default=0.0)

    def _bar(self, op: Op) -> Bar:
        called, returned = _span(op)
        return Bar(
            self.lanes.rows[op.index],
            op.process,
            self._time(called),
            self._time(returned) if isfinite(returned) else None,
            op.outcome,
            COLOURS.get(op.kind, "cas"),
            describe(op),
            op.number,
            op.index,
        )

    def _time(self, seconds: float) -> float:
        return round(seconds - self.since_s, 9)

    def view(self, name: str, verdict: Verdict, ops: Sequence[Op] | None, search: Search | None) -> View:
        chosen = None if ops is None else [self.places[op.index] for op in ops]
        orders = [] if search is None else search.orders[: 1 + OTHER_ORDERS_MAX]
        lines = [self._steps(order) for order in orders]
        trials = [] if search is None else [t for n in range(len(orders)) for t in self._trials(search, lines, n)]
        culprits = [self.places[index] for index in verdict.operations if index in self.places]
        left_out = [order.left_out + self._not_drawn(order) for order in orders]
        return View(name, verdict.reason, chosen, lines, left_out, trials, culprits)

    def _not_drawn(self, order: Order) -> int:
        """How many operations of an order come before the first one that is drawn."""
        return next((n for n, index in enumerate(order.operations) if index in self.places), len(order.operations))

    def _steps(self, order: Order) -> list[Step]:
        states = [*order.states, *[""] * (len(order.operations) - len(order.states))]
        shown = [
            (self.places[index], state)
            for index, state in zip(order.operations, states, strict=True)
            if index in self.places
        ]
        times = moments([self.bars[place] for place, _ in shown], self.end)
        return [Step(place, at, state) for (place, state), at in zip(shown, times, strict=True)]

    def _trials(self, search: Search, lines: list[list[Step]], number: int) -> list[Trial]:
        """What was tried after the last point of an order: first the operation that got no place in any."""
        refused = dict(search.orders[number].refused)
        if search.stuck is not None:
            refused = {search.stuck: refused.get(search.stuck, "it fits into no order"), **refused}
        after = lines[number][-1].at if lines[number] else 0.0
        return [
            Trial(self.places[index], self._tried(self.places[index], after), number, why, index == search.stuck)
            for index, why in refused.items()
            if index in self.places
        ]

    def _tried(self, place: int, after: float) -> float:
        """A moment within its bar, if possible after that one."""
        bar = self.bars[place]
        end = self.end if bar.returned is None else bar.returned
        begin = max(bar.called, after)
        return round(min(begin + (end - begin) / 2, end), 9)


def moments(bars: Sequence[Bar], end: float) -> list[float]:
    """When each operation of a legal order takes effect: inside its bar, none before the one that it follows."""
    latest, ends = end, [0.0] * len(bars)
    for place in range(len(bars) - 1, -1, -1):
        returned = bars[place].returned
        latest = ends[place] = min(latest, inf if returned is None else returned)
    found: list[float] = []
    now = -inf
    for place, bar in enumerate(bars):
        now = max(now, bar.called)
        now += max(ends[place] - now, 0.0) / (_sharing(ends, place, now, bars) + 1)
        found.append(round(now, 9))
    return found


def _sharing(ends: list[float], place: int, now: float, bars: Sequence[Bar]) -> int:
    """How many operations from here on have to do with the same stretch of time."""
    count = 1
    for later in range(place + 1, min(place + SPREAD_MAX, len(ends))):
        if ends[later] != ends[place] or bars[later].called > now:
            break
        count += 1
    return count
