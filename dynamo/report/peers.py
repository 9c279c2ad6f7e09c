"""What stores did beside each other, as one HTML file: requests a second, processor time, and latency at a fixed rate.

A bar is the median of the rounds, the line through its end goes from the least to the greatest of them. Every store has
its own colour, the same in all charts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from dynamo.report.axes import log_around
from dynamo.report.chart import Chart, Table
from dynamo.report.page import document, figure, html_table
from dynamo.report.svg import document as picture
from dynamo.report.svg import legend, line, rect, text
from dynamo.workload.report import Ratio, Report, Row, Section

WIDTH = 860
_LEFT, _RIGHT, _BAR, _GAP, _TOP = 270, 90, 15, 16, 30
COLOURS = {
    "dynamo": "var(--quorum)",
    "etcd": "var(--one)",
    "cassandra": "var(--linearizable)",
    "zookeeper": "var(--all)",
    "bare aiohttp": "var(--other4)",
}
HOW = (
    "A bar ends at the median of the rounds; the thin line goes from the least round to the greatest. The axis is "
    "logarithmic. Rows of one group do the same task."
)


class Measure(NamedTuple):
    """One chart: a field of the samples, for the sections that it makes sense for."""

    name: str
    title: str
    says: str
    field: str
    unit: str
    paced: bool


MEASURES = (
    Measure("rate", "Requests a second", "At full load, a closed loop. Longer is better.", "rate", "/s", paced=False),
    Measure(
        "work",
        "Processor time for each request",
        "Of all processes of the store, at full load. Shorter is better.",
        "server_cpu_us",
        " us",
        paced=False,
    ),
    Measure("p50", "Latency, median", "At the fixed rate. Shorter is better.", "p50_ms", " ms", paced=True),
    Measure("p99", "Latency, 99th percentile", "At the fixed rate. Shorter is better.", "p99_ms", " ms", paced=True),
)


def page(report: Report) -> str:
    """The whole document."""
    parts = [f"<h1>Beside other stores</h1><p class=soft>{escape(report.taken)}</p>"]
    parts += [f"<p class=bad><b>Not to be believed:</b> {escape(fault)}</p>" for fault in report.faults]
    skipped = [line_ for section in report.sections for line_ in section.skipped.splitlines()]
    parts += [f"<p class=warn>{escape(each.strip())}</p>" for each in skipped]
    parts.append(html_table(Table(["", ""], [list(each) for each in report.machine.items()])))
    parts += [figure(chart) for chart in charts(report)]
    parts += [_goals(section) for section in report.sections if any(each.goal is not None for each in section.ratios)]
    tables = [each for section in report.sections for each in section.tables]
    parts += [f"<h2>Before it counted</h2>{html_table(Table(each.headings, each.lines))}" for each in tables]
    notes = [note for section in report.sections for note in section.notes]
    parts.append("<h2>How it was measured</h2>" + "".join(f"<p>{escape(note)}</p>" for note in notes))
    return document(f"Beside other stores {report.taken}", parts)


def charts(report: Report) -> list[Chart]:
    """Those that there is anything to draw for."""
    made = []
    for measure in MEASURES:
        groups = [
            (section.title, rows)
            for section in report.sections
            if section.paced == measure.paced and (rows := [row for row in section.rows if row.samples])
        ]
        if groups:
            made.append(_chart(measure, groups))
    return made


def _chart(measure: Measure, groups: Sequence[tuple[str, Sequence[Row]]]) -> Chart:
    bars = [(title, row, _values(row, measure.field)) for title, rows in groups for row in rows]
    rows_shown = [
        [title, row.system, row.operation, *(_said(each) for each in (statistics.median(v), min(v), max(v)))]
        for title, row, v in bars
    ]
    shown = Table(["", "store", "call", f"median,{measure.unit}", "least", "greatest"], rows_shown)
    return Chart(measure.name, measure.title, measure.says, _picture(measure, groups), shown, HOW)


def _said(value: float) -> str:
    """Three figures that mean something, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _values(row: Row, field: str) -> list[float]:
    return [float(getattr(sample, field)) for sample in row.samples]


def _picture(measure: Measure, groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    count = sum(len(rows) for _, rows in groups)
    height = _TOP + count * (_BAR + 3) + len(groups) * (_GAP + 14) + 50
    everything = [value for _, rows in groups for row in rows for value in _values(row, measure.field)]
    least = min((value for value in everything if value > 0), default=1.0)
    # Room before the shortest bar, so that it is one.
    scale = log_around([least / 2, max(everything)], measure.unit, least=0.001)
    width = WIDTH - _LEFT - _RIGHT
    parts, y = [], float(_TOP)
    for tick in scale.ticks():
        x = _LEFT + tick.place * width
        parts += [line(x, _TOP - 8, x, height - 44), text(x, height - 30, tick.text, "middle", "tick")]
    for title, rows in groups:
        y += _GAP
        parts.append(text(8, y - 4, title, kind="strong"))
        y += 6
        for row in rows:
            parts.append(_bar(measure, row, y, scale.place, width))
            y += _BAR + 3
        y += 8
    systems = list(dict.fromkeys(row.system for _, rows in groups for row in rows))
    parts.append(legend(_LEFT, height - 8, [(COLOURS.get(system, "var(--other1)"), system) for system in systems]))
    return picture(WIDTH, height, measure.title, parts)


def _bar(measure: Measure, row: Row, y: float, place: Callable[[float], float], width: float) -> str:
    values = _values(row, measure.field)
    median = statistics.median(values)
    end, middle = _LEFT + place(median) * width, y + _BAR / 2
    tone = COLOURS.get(row.system, "var(--other1)")
    low, high = (_LEFT + place(value) * width for value in (min(values), max(values)))
    return "".join(
        [
            text(_LEFT - 8, y + _BAR - 3, f"{row.system}: {row.operation}", "end", "tick"),
            rect(_LEFT, y, max(1.0, end - _LEFT), _BAR, tone),
            line(low, middle, high, middle, "var(--ink)"),
            text(max(end, high) + 6, y + _BAR - 3, _said(median), kind="tick"),
        ]
    )


def _goals(section: Section) -> str:
    rows = [
        [each.name, f"{each.median:.2f}", f"{min(each.values):.2f} .. {max(each.values):.2f}", *_judged(each)]
        for each in section.ratios
        if each.goal is not None
    ]
    heads = ["", "median", "least .. greatest", "goal", ""]
    return f"<h2>{escape(section.title)}</h2>" + html_table(Table(heads, rows))


def _judged(each: Ratio) -> tuple[str, str]:
    return f"{'at most ' if each.at_most else ''}{each.goal:g}", "met" if each.met else "missed"
