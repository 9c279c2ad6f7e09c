"""The stream of operations: one for the whole run, drawn from one seed; each worker takes those of its own keys.

Every worker goes through the whole stream, which costs about a microsecond an operation, and skips what belongs to the
others. That buys two things. A run is the same run whatever the number of processes. And all that happens to a key
happens in one process, which therefore knows what was acknowledged before a read began, without asking anybody: the
truth that `book.py` judges by.

An operation takes two numbers: one for the key, and 64 bits for kind, level, session and size. All are drawn also for
operations that are skipped, so that the stream never depends on who reads it.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, repeat
from typing import NamedTuple

from dynamo.load.levels import Weighted
from dynamo.load.plan import Plan
from dynamo.workload.choosers import Chooser, chooser
from dynamo.workload.mixes import OPERATIONS
from dynamo.workload.stages import starts
from dynamo.workload.value_sizes import SizeOf, listed, sizes

_BITS = 20
_WHOLE = 2**_BITS
WRITES = frozenset({"put", "insert", "cas", "add"})
"""Kinds whose level is that of a write; `rmw` has one of each."""


class Asked(NamedTuple):
    """One operation of the stream."""

    due_s: float
    """Seconds since the begin of the run; 0 in a closed loop."""
    kind: str
    key: int
    level: int
    """Place among the read levels, or of a write among the write levels."""
    write_level: int
    """Of an `rmw`, as it has both; else 0."""
    session: int
    size: int
    """Bytes of the value, where one is written; of a scan, the number of keys."""


class Stream:
    """The operations of one worker. `records` grows as the stream passes inserts, whosever they are."""

    def __init__(self, plan: Plan, part: int, parts: int) -> None:
        self.records = plan.records
        self._plan = plan
        self._part, self._parts = part, parts
        self._chance = random.Random(plan.seed)
        # Arrivals have dice of their own: a rate that changes leaves the operations as they are.
        self._arrivals = random.Random(plan.seed ^ 0x5DEECE66D)
        weights = [plan.mix.operations.get(kind, 0.0) for kind in OPERATIONS]
        self._kinds = _thresholds(weights)
        self._reads = _thresholds(_weights(plan.reads))
        self._writes = _thresholds(_weights(plan.writes))
        self._choose = _chooser(plan)
        self._size = size_of(plan)

    def __iter__(self) -> Iterator[Asked]:
        plan, part, parts = self._plan, self._part, self._parts
        uniform, bits, choose = self._chance.random, self._chance.getrandbits, self._choose
        kinds, reads, writes = self._kinds, self._reads, self._writes
        dues = repeat(0.0) if plan.closed else starts(plan.stages, plan.spacing, self._arrivals.random)
        for due_s in dues:
            drawn, word = uniform(), bits(64)
            kind = OPERATIONS[bisect_right(kinds, word & (_WHOLE - 1))]
            if kind == "insert":
                key = self.records
                self.records += 1
            else:
                key = choose(drawn, self.records)
            if key % parts != part:
                continue
            pick = (word >> _BITS) & (_WHOLE - 1)
            is_write = kind in WRITES
            level = bisect_right(writes if is_write else reads, pick)
            # An rmw needs a second level; other bits than those of the first one.
            second = bisect_right(writes, (word >> 30) & (_WHOLE - 1)) if kind == "rmw" else 0
            session = (word >> 40) % plan.sessions
            yield Asked(due_s, kind, key, level, second, session, self._many(kind, word))

    def _many(self, kind: str, word: int) -> int:
        if kind in ("get", "add"):
            return 0
        drawn = ((word * 0x9E3779B97F4A7C15) >> 32 & 0xFFFFFFFF) / 2**32
        return 1 + int(drawn * self._plan.scan_length) if kind == "scan" else self._size(drawn)


def size_of(plan: Plan) -> SizeOf:
    """The run's distribution of value sizes."""
    return listed(plan.sizes) if plan.sizes else sizes(plan.mix.values.sizes, _nothing)


def preload_size(plan: Plan, key: int) -> int:
    """How large the preloaded value of a key is: of the same distribution, and known to whoever asks."""
    return size_of(plan)(((key + 1) * 0x9E3779B97F4A7C15 >> 32 & 0xFFFFFFFF) / 2**32)


def _nothing(name: str) -> str:
    raise AssertionError(f"{name} was read when the plan was made")


def _chooser(plan: Plan) -> Chooser:
    keys = plan.mix.keys
    return chooser(keys.chooser, plan.records, theta=keys.theta, hot=(keys.hot_data, keys.hot_operations))


def _weights(levels: Sequence[Weighted]) -> list[float]:
    return [each.weight for each in levels]


def _thresholds(weights: Sequence[float]) -> list[int]:
    """Upper ends of shares of 2^20, but for the last one that is anything: what `bisect_right` looks a draw up in."""
    last = max(place for place, weight in enumerate(weights) if weight)
    whole = sum(weights)
    return [round(each / whole * _WHOLE) for each in accumulate(weights[:last])]
