"""Chart 4: latency by percentile, response time and service time, one colour for each level."""

from __future__ import annotations

from dynamo.report.axes import Nines, log_around
from dynamo.report.chart import Chart, Table
from dynamo.report.counts import Requests
from dynamo.report.quantiles import largest_ns, percentiles_ns
from dynamo.report.result import Result
from dynamo.report.svg import Frame, colour, document, legend, path
from dynamo.report.words import milliseconds, operation

WIDTH, PANEL, GAP = 860, 190, 66
CURVE = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999)
TABLE = (50.0, 90.0, 99.0, 99.9)
HOW = (
    "To the right every step is ten times fewer requests. Solid: response time, from the intended start, which is "
    "what a user feels. Dashed: service time, from the moment the request was sent. The gap between them is waiting "
    "that a generator without a schedule does not see."
)


def latency(result: Result) -> Chart:
    """The chart: one panel for each kind of operation."""
    kinds = list(dict.fromkeys(words.split(" ")[0] for words in result.totals.requests))
    rows = []
    for words, each in result.totals.requests.items():
        for name, counts in (("response", each.response), ("service", each.service)):
            cells = [milliseconds(value) for value in percentiles_ns(counts, TABLE)]
            rows.append([operation(words), name, f"{each.count:,}", *cells, milliseconds(largest_ns(counts))])
    table = Table(["operation", "time", "count", *(f"p{percent:g}" for percent in TABLE), "greatest"], rows)
    picture = _picture(result, kinds) if kinds else ""
    return Chart("latency", "How long it takes", _sentence(result), picture, table, HOW)


def _sentence(result: Result) -> str:
    parts = [
        f"{operation(words)}: p50 {milliseconds(half)}, p99 {milliseconds(most)}"
        for words, each in result.totals.requests.items()
        for half, most in [percentiles_ns(each.response, (50, 99))]
    ]
    return ("; ".join(parts) or "Nothing was asked") + "."


def _picture(result: Result, kinds: list[str]) -> str:
    parts = []
    for number, kind in enumerate(kinds):
        mine = {
            words.split(" ")[1]: each for words, each in result.totals.requests.items() if words.startswith(f"{kind} ")
        }
        parts.append(_panel(kind, mine, 34 + number * (PANEL + GAP)))
    height = 34 + len(kinds) * (PANEL + GAP)
    levels = list(dict.fromkeys((*result.reads, *result.writes)))
    parts.append(legend(70, height - 4, [(colour(level), level) for level in levels]))
    return document(WIDTH, height, "Latency by percentile, response and service time", parts)


def _panel(kind: str, levels: dict[str, Requests], top: float) -> str:
    ends = [value for each in levels.values() for value in percentiles_ns(each.service, (0, 100)) if value]
    ends += [value for each in levels.values() for value in percentiles_ns(each.response, (100,))]
    frame = Frame(70, top, WIDTH - 100, PANEL, Nines(), log_around([value / 1e6 for value in ends], " ms"))
    parts = [frame.grid("share of requests that were faster", kind)]
    for level, each in levels.items():
        for counts, dashes in ((each.service, ' stroke-dasharray="5 4" opacity="0.8"'), (each.response, "")):
            # Beyond one request in all there is nothing to draw.
            shown = [percent for percent in CURVE if (100 - percent) / 100 * sum(counts.values()) >= 1] or [0]
            values = percentiles_ns(counts, shown)
            points = [frame.at(percent / 100, value / 1e6) for percent, value in zip(shown, values, strict=True)]
            parts.append(path(points, colour(level), dashes))
    return "".join(parts)
