"""What a run found: as data that becomes JSON, and as lines to read.

A figure is the median of its rounds; least and greatest stand beside it, because on a machine that others use, too, one
number would claim more than was seen. A ratio is taken inside each round, where both sides had the same neighbours, and
then its median.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dynamo.workload.runner import Sample

_HEADINGS = ("", "req/s", "least .. greatest", "p50 ms", "p99 ms", "server us", "client us", "others")
_GAP = "  "
_LEGEND = (
    "server us, client us: processor time per request, of all the system's processes and of this one. "
    "others: cores that were busy with neither."
)


class Row(msgspec.Struct, kw_only=True):
    """One operation of one system, with a sample from each round."""

    system: str
    operation: str
    samples: list[Sample] = []

    @property
    def faults(self) -> int:
        return sum(sample.faults for sample in self.samples)

    def median(self, field: str) -> float:
        """The median of one field over the rounds."""
        return statistics.median(float(getattr(sample, field)) for sample in self.samples)


class Ratio(msgspec.Struct, kw_only=True):
    """How many times as good as another row one is, round by round."""

    name: str
    values: list[float]
    goal: float | None = None
    at_most: bool = False
    """The goal is the most that the ratio may be, not the least."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median reaches the goal, where there is one."""
        return self.goal is None or (self.median <= self.goal if self.at_most else self.median >= self.goal)


class Table(msgspec.Struct, kw_only=True):
    """Figures that are no row of a closed loop: one line of headings, then lines of as many cells."""

    headings: list[str]
    lines: list[list[str]]


class Section(msgspec.Struct, kw_only=True):
    """One comparison. `skipped` says why there is none."""

    title: str
    notes: list[str] = []
    rows: list[Row] = []
    ratios: list[Ratio] = []
    tables: list[Table] = []
    details: dict[str, object] = {}
    """What stands in the file only: every sample of the tables."""
    skipped: str = ""
    paced: bool = False
    """Requests came at a fixed rate, so that only latencies say something about the systems."""


class Report(msgspec.Struct, kw_only=True):
    """A whole run."""

    taken: str
    """UTC, to the second."""
    machine: dict[str, str]
    settings: dict[str, object]
    sections: list[Section]

    @property
    def faults(self) -> list[str]:
        """What makes the run not worth believing, one text a row; empty if it is sound."""
        rows = [row for section in self.sections for row in section.rows]
        return [
            f"{row.system} {row.operation}: {row.faults} faults, first: {_first_fault(row)}"
            for row in rows
            if row.faults
        ]


def ratio(name: str, ours: Row, theirs: Row, goal: float | None = None) -> Ratio:
    """How many times their rate ours is, in each round."""
    pairs = zip(ours.samples, theirs.samples, strict=True)
    return Ratio(name=name, values=[a.rate / b.rate if b.rate else 0.0 for a, b in pairs], goal=goal)


def work_ratio(name: str, ours: Row, theirs: Row) -> Ratio:
    """Their processor time per request over ours, in each round: what the rates' ratio is where neither has to wait."""
    pairs = zip(ours.samples, theirs.samples, strict=True)
    return Ratio(name=name, values=[b.server_cpu_us / a.server_cpu_us if a.server_cpu_us else 0.0 for a, b in pairs])


def lines(report: Report) -> list[str]:
    """The report for a terminal or a file."""
    shown = [" ".join(f"{name} {value}." for name, value in report.machine.items()), _LEGEND]
    for section in report.sections:
        shown += ["", section.title, *(f"  {note}" for note in section.notes)]
        if section.skipped:
            shown.append(f"  {section.skipped}")
        if section.rows:
            shown += ["", *table([_HEADINGS, *(_cells(row) for row in section.rows)])]
        for each in section.tables:
            shown += ["", *table([each.headings, *each.lines])]
        if section.ratios:
            shown += ["", *(_ratio_line(each) for each in section.ratios)]
    return [*shown, "", *(f"FAULTS  {fault}" for fault in report.faults)]


def write(report: Report, path: Path) -> None:
    """The report as JSON, every sample included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (
            "  " + _GAP.join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        ).rstrip()
        for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    rates = [sample.rate for sample in row.samples]
    return (
        f"{row.system}: {row.operation}",
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f} .. {max(rates):,.0f}",
        f"{row.median('p50_ms'):.2f}",
        f"{row.median('p99_ms'):.2f}",
        f"{row.median('server_cpu_us'):.1f}",
        f"{row.median('client_cpu_us'):.1f}",
        f"{row.median('others_cores'):.2f}",
    )


def _ratio_line(each: Ratio) -> str:
    goal = ""
    if each.goal is not None:
        goal = f", goal {'at most ' if each.at_most else ''}{each.goal:g}: {'met' if each.met else 'missed'}"
    return f"  {each.name}: {each.median:.2f} ({min(each.values):.2f} .. {max(each.values):.2f}){goal}"


def _first_fault(row: Row) -> str:
    return next(sample.first_fault for sample in row.samples if sample.faults)
