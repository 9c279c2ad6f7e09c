"""What this node counted lately, for the console: counters become windows of a few seconds, the last 180 are kept.

A counter says how much there was since the start. A picture of the last minutes needs differences, so totals are
looked at again and again, and what came between two looks is one row of doubles. Rows are bounded in number and in
width: labels are closed, so the whole takes a fifth of a megabyte, and nothing grows with the load. A percentile of a
window comes from the bounds of a histogram, as Prometheus works it out: it is as exact as the bounds are close.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import nan

from dynamo.telemetry.exposition import Histogram
from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.series import RequestSeries
from dynamo.telemetry.staleness_series import LEVELS

KEPT = 180
"""Windows: a quarter of an hour at five seconds each."""
FAILURES = ("timeout", "unavailable", "error")
"""Outcomes that are not the client's doing."""
WRITES = ("put", "delete", "cas")
LEVEL_COLUMNS = (
    *("reads", "reads_failed", "read_p50_s", "read_p99_s"),
    *("writes", "writes_failed", "write_p99_s", "judged", "stale"),
)
NODE_COLUMNS = ("at_ms", "lasted_s", "hints_pending", "read_repairs", "keys_repaired", "shed")


def quantile(bounds: Sequence[float], buckets: Sequence[float], share: float) -> float:
    """The value below which that share of what a histogram counted lies; NaN if it counted nothing.

    Values are taken to be spread evenly over their bucket; those above every bound count as the last bound.
    """
    total = sum(buckets)
    if not total:
        return nan
    rank, below, low = share * total, 0.0, 0.0
    for high, count in zip(bounds, buckets, strict=False):
        if count and below + count >= rank:
            return low + (high - low) * (rank - below) / count
        below, low = below + count, high
    return bounds[-1]


class _Counted:
    """Totals that are read again and again: `since` is what came since the last time."""

    __slots__ = ("_read", "_seen")

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._seen = read()

    def since(self) -> float:
        seen, self._seen = self._seen, self._read()
        return self._seen - seen


class _Timed:
    """The same for histograms of equal bounds, taken together."""

    __slots__ = ("_histograms", "_seen")

    def __init__(self, histograms: Sequence[Histogram]) -> None:
        self._histograms = histograms
        self._seen = self._totals()

    def since(self) -> tuple[Sequence[float], list[int]]:
        """Bounds and counts."""
        seen, self._seen = self._seen, self._totals()
        return self._histograms[0].bounds, [now - then for now, then in zip(self._seen, seen, strict=True)]

    def _totals(self) -> list[int]:
        return [sum(each) for each in zip(*(h.buckets for h in self._histograms), strict=True)]


class _Level:
    """One consistency level."""

    __slots__ = ("_counted", "_reads", "_writes")

    def __init__(self, metrics: Metrics, level: str) -> None:
        reads = [metrics.requests["get", level]]
        writes = [metrics.requests[op, level] for op in WRITES]
        verdicts = metrics.staleness.levels[level].verdicts
        self._reads = _Timed([each.duration for each in reads])
        self._writes = _Timed([each.duration for each in writes])
        self._counted = (
            _Counted(lambda: _failures(reads)),
            _Counted(lambda: _failures(writes)),
            _Counted(lambda: sum(cell.value for verdict, cell in verdicts.items() if verdict != "unresolved")),
            _Counted(lambda: verdicts["stale"].value),
        )

    def since(self) -> tuple[float, ...]:
        """In the order of LEVEL_COLUMNS."""
        bounds, reads = self._reads.since()
        _, writes = self._writes.since()
        reads_failed, writes_failed, judged, stale = (each.since() for each in self._counted)
        return (
            *(sum(reads), reads_failed, quantile(bounds, reads, 0.5), quantile(bounds, reads, 0.99)),
            *(sum(writes), writes_failed, quantile(bounds, writes, 0.99), judged, stale),
        )


class History:
    """Of one node."""

    def __init__(self, metrics: Metrics) -> None:
        self._rows: deque[array[float]] = deque(maxlen=KEPT)
        self._levels = [_Level(metrics, level) for level in LEVELS]
        self._counted = (
            _Counted(lambda: metrics.repairs_before_answer.value + metrics.repairs_after_answer.value),
            _Counted(lambda: metrics.repair_keys_repaired.value),
            _Counted(lambda: sum(cell.value for cell in metrics.shed_requests.values())),
        )
        self._looked_s: float | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def look(self, at_ms: int, now_s: float, hints_pending: int) -> None:
        """End a window and begin the next. `at_ms` is the wall clock's, `now_s` the monotonic one's."""
        began_s, self._looked_s = self._looked_s, now_s
        if began_s is None or now_s <= began_s:
            return
        row = [at_ms, now_s - began_s, hints_pending, *(each.since() for each in self._counted)]
        for level in self._levels:
            row += level.since()
        self._rows.append(array("d", row))

    def columns(self) -> dict[str, list[float]]:
        """By name of NODE_COLUMNS, oldest first. Counts are those of the window."""
        return dict(zip(NODE_COLUMNS, self._cut(0, len(NODE_COLUMNS)), strict=True))

    def levels(self) -> dict[str, dict[str, list[float]]]:
        """By level, then by name of LEVEL_COLUMNS. NaN where a window has nothing to take a percentile of."""
        width, first = len(LEVEL_COLUMNS), len(NODE_COLUMNS)
        return {
            level: dict(zip(LEVEL_COLUMNS, self._cut(first + width * number, width), strict=True))
            for number, level in enumerate(LEVELS)
        }

    def _cut(self, first: int, width: int) -> Iterable[list[float]]:
        return ([row[column] for row in self._rows] for column in range(first, first + width))


def _failures(series: Sequence[RequestSeries]) -> float:
    return sum(each.outcomes[outcome].value for each in series for outcome in FAILURES)
