"""A result as rows for a spreadsheet: one for each interval and kind of operation, and one for all of the run."""

from __future__ import annotations

from collections.abc import Iterator

from dynamo.report.chart import Table
from dynamo.report.counts import ANY, OUTCOMES, Counts
from dynamo.report.quantiles import percentiles_ns
from dynamo.report.result import Result

HEADS = [
    "from_s", "seconds", "op", "consistency", *OUTCOMES,
    "response_p50_ms", "response_p90_ms", "response_p99_ms", "response_p999_ms", "response_max_ms",
    "service_p50_ms", "service_p99_ms", "reads_judged", "reads_stale",
]  # fmt: skip


def table(result: Result) -> Table:
    """All rows; those of the whole run come first and begin with `all`."""
    rows = list(_rows("all", result.seconds, result.totals))
    for each in result.slices:
        rows += _rows(f"{each.at_s:g}", each.seconds, each.counts)
    return Table(HEADS, rows)


def _rows(begin: str, seconds: float, counts: Counts) -> Iterator[list[str]]:
    for words, each in sorted(counts.requests.items()):
        kind, level = words.split(" ")
        response = percentiles_ns(each.response, (50, 90, 99, 99.9, 100))
        service = percentiles_ns(each.service, (50, 99))
        checks = counts.checks.get(f"{level} {ANY}") if kind == "get" else None
        judged = ["", ""] if checks is None else [str(checks.judged), str(checks.stale)]
        times = [f"{value / 1e6:.4f}" for value in (*response, *service)]
        yield [begin, f"{seconds:g}", kind, level, *map(str, each.outcomes), *times, *judged]
