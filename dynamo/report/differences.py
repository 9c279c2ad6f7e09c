"""Two results side by side: what differs, by how much, and whether that is more than chance.

Latencies are compared by batches (see `certainty.py`): a difference is called one only if its 95 % interval leaves out
zero. Out of twenty figures that do not differ one will seem to; a reader of a long table knows that. Runs that did not
ask for the same are compared all the same, and what they were asked for differently is said first.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

from dynamo.report.certainty import Interval, mean_difference, share_difference
from dynamo.report.counts import ANY, Buckets, add_buckets
from dynamo.report.quantiles import percentile_ns
from dynamo.report.result import Result, Slice

BATCHES = 10
BATCH_MIN = 20
"""Fewer operations in a batch have no 99th percentile to speak of."""
PERCENTILES = (50.0, 99.0)
_ASIDE = ("run", "records_history", "endpoints", "verifies", "preload")
"""Parts of a plan that make no difference to what was asked for."""


class Difference(msgspec.Struct, frozen=True):
    """One figure of both runs. `value_a` and `value_b` in `unit`; the interval is that of b minus a."""

    what: str
    unit: str
    value_a: float
    value_b: float
    low: float | None
    """None: too little was measured to say."""
    high: float | None
    more_is_better: bool
    verdict: str
    """better, worse, or no difference shown."""


class Comparison(msgspec.Struct, frozen=True):
    """All of it."""

    asked: list[str]
    """What the runs were asked for differently."""
    differences: list[Difference]

    @property
    def worse(self) -> list[Difference]:
        return [each for each in self.differences if each.verdict == "worse"]


def compare(a: Result, b: Result) -> Comparison:
    """How b is beside a."""
    return Comparison(list(_asked(a, b)), [*_times(a, b), *_rates(a, b), *_stale(a, b), *_broken(a, b)])


def _asked(a: Result, b: Result) -> Iterator[str]:
    for name in sorted({**a.plan, **b.plan}):
        mine, other = a.plan.get(name), b.plan.get(name)
        if mine != other and name not in _ASIDE:
            yield f"{name}: {_short(mine)} and {_short(other)}"
    if a.workers != b.workers:
        yield f"workers: {a.workers} and {b.workers}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _times(a: Result, b: Result) -> Iterator[Difference]:
    for name in a.totals.requests:
        if name not in b.totals.requests:
            continue
        for percent in PERCENTILES:
            mine, other = _batched(a, name, percent), _batched(b, name, percent)
            yield _difference(
                f"p{percent:g} response, {name}",
                "ms",
                percentile_ns(a.totals.requests[name].response, percent) / 1e6,
                percentile_ns(b.totals.requests[name].response, percent) / 1e6,
                mean_difference(mine, other),
                more_is_better=False,
            )


def _rates(a: Result, b: Result) -> Iterator[Difference]:
    for name, mine in a.totals.requests.items():
        other = b.totals.requests.get(name)
        if other is not None:
            yield _difference(
                f"success, {name}",
                "%",
                100 * mine.good / mine.count,
                100 * other.good / other.count,
                _percent(share_difference((mine.good, mine.count), (other.good, other.count))),
                more_is_better=True,
            )
    yield _difference(
        "operations a second",
        "/s",
        a.totals.done / a.seconds if a.seconds else 0.0,
        b.totals.done / b.seconds if b.seconds else 0.0,
        mean_difference(_throughput(a), _throughput(b)),
        more_is_better=True,
    )


def _stale(a: Result, b: Result) -> Iterator[Difference]:
    for name, mine in a.totals.checks.items():
        other = b.totals.checks.get(name)
        read, write = name.split(" ")
        if other is not None and mine.judged and other.judged and (write != ANY or len(a.writes) > 1):
            yield _difference(
                f"stale reads at {read}, writes at {write}",
                "%",
                100 * mine.stale / mine.judged,
                100 * other.stale / other.judged,
                _percent(share_difference((mine.stale, mine.judged), (other.stale, other.judged))),
                more_is_better=False,
            )


def _broken(a: Result, b: Result) -> Iterator[Difference]:
    for name, mine in a.totals.promises.items():
        other = b.totals.promises.get(name)
        if other is not None:
            read, guarantee = name.split(" ")
            yield _difference(
                f"{guarantee.replace('_', ' ')} broken at {read}",
                "%",
                100 * mine.broken / mine.checked,
                100 * other.broken / other.checked,
                _percent(share_difference((mine.broken, mine.checked), (other.broken, other.checked))),
                more_is_better=False,
            )


def _difference(what: str, unit: str, a: float, b: float, by: Interval, *, more_is_better: bool) -> Difference:
    known = isfinite(by.low) and isfinite(by.high)
    verdict = "no difference shown"
    if known and not by.holds_zero:
        verdict = "better" if (by.value > 0) == more_is_better else "worse"
    return Difference(what, unit, a, b, by.low if known else None, by.high if known else None, more_is_better, verdict)


def _percent(by: Interval) -> Interval:
    return Interval(100 * by.low, 100 * by.value, 100 * by.high)


def counted(result: Result) -> list[Slice]:
    """The slices behind the warm-up."""
    return [each for each in result.slices if each.at_s >= result.warm_up_s - 1e-9]


def _batched(result: Result, name: str, percent: float) -> list[float]:
    """The percentile in each batch of the run, milliseconds; batches with too few operations are left out."""
    slices = counted(result)
    size = max(1, -(-len(slices) // BATCHES))
    found = []
    for first in range(0, len(slices), size):
        counts: Buckets = {}
        for each in slices[first : first + size]:
            if name in each.counts.requests:
                add_buckets(counts, each.counts.requests[name].response)
        if sum(counts.values()) >= BATCH_MIN:
            found.append(percentile_ns(counts, percent) / 1e6)
    return found


def _throughput(result: Result) -> list[float]:
    return [each.counts.done / each.seconds for each in counted(result) if each.seconds]
