"""What a run over the axes found: tables for a terminal or a document, and data that becomes JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from dynamo.growth.curve import Curves, Standing, Verdict
from dynamo.growth.growth import Growth, Plan
from dynamo.workload.report import table

_HEADINGS = ("", "us per request", "req/s", "p50 ms", "p99 ms", "refused/s", "others")
_STANDING = ("", "idle ms/s", "own MiB", "data MiB", "used MiB", "disk MiB")
_LEGEND = (
    "us per request: processor time of all nodes, for each request that was carried out. others: cores that were busy "
    "with neither nodes nor client. idle: processor time of all nodes while nobody asks. own: their anonymous memory. "
    "data: LMDB's file; used: what of it holds something; disk: all files."
)
_MIB = 2**20


class Report(msgspec.Struct, kw_only=True):
    """A whole run."""

    taken: str
    """UTC, to the second."""
    machine: dict[str, str]
    plan: Plan
    found: Growth

    @property
    def faults(self) -> list[str]:
        """What makes the run not worth believing."""
        points = [(curves, point) for curves in self.found.curves for point in curves.points]
        return [
            f"{curves.axis.name} {point.size:,} {point.operation}: {point.sample.faults} faults, first: "
            f"{point.sample.first_fault}"
            for curves, point in points
            if point.sample.faults
        ]

    @property
    def superlinear(self) -> list[str]:
        """The curves that deserve attention."""
        return [
            f"{curves.axis.name}, {each.operation}"
            for curves in self.found.curves
            for each in curves.verdicts
            if each.word == "superlinear"
        ]


def lines(report: Report) -> list[str]:
    """The report for a terminal."""
    shown = [" ".join(f"{name} {value}." for name, value in report.machine.items()), _LEGEND]
    for curves in report.found.curves:
        axis = curves.axis
        shown += ["", f"By {axis.name}", f"  {axis.shape}", ""]
        shown += table([_HEADINGS, *(_cells(curves, place) for place in range(len(curves.points)))])
        shown += ["", *table([_STANDING, *(_standing(axis.unit, each) for each in curves.standings)]), ""]
        shown += [f"  {_said(each)}" for each in curves.verdicts]
    shown += ["", *(f"  {line}" for line in memory(report.found)), ""]
    shown += [f"FAULTS  {fault}" for fault in report.faults]
    shown.append(f"Superlinear: {'; '.join(report.superlinear) or 'nothing'}")
    return shown


def memory(found: Growth) -> list[str]:
    """What one connection, one key and one partition take, from the differences of two sizes."""
    said = []
    if found.idle is not None:
        idle = found.idle
        said.append(
            f"An idle connection: {idle.bytes_each:,.0f} bytes of memory ({idle.count:,} of them; "
            f"{idle.before_bytes / _MIB:.1f} to {idle.after_bytes / _MIB:.1f} MiB)"
        )
    standings = {curves.axis.name: curves.standings for curves in found.curves}
    for before, after in _pairs(standings.get("keys", ())):
        own, data, used = (_each(before, after, field) for field in ("own_bytes", "data_bytes", "used_bytes"))
        said.append(
            f"A key, from {before.size:,} to {after.size:,}: {own:.1f} bytes of memory after a start, "
            f"{data:.0f} in LMDB's file, {used:.0f} of them in use"
        )
    ends = standings.get("partitions", [])
    if len(ends) > 1:
        own = _each(ends[0], ends[-1], "own_bytes")
        said.append(
            f"A partition, from {ends[0].size:,} to {ends[-1].size:,}: {own:,.0f} bytes of memory in all three nodes"
        )
    return said


def write(report: Report, path: Path) -> None:
    """As JSON, with every sample and the verdicts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = msgspec.to_builtins(report)
    for each, curves in zip(content["found"]["curves"], report.found.curves, strict=True):
        each["verdicts"] = msgspec.to_builtins(curves.verdicts)
    content["memory"] = memory(report.found)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _cells(curves: Curves, place: int) -> tuple[str, ...]:
    point = curves.points[place]
    sample = point.sample
    return (
        f"{point.size:,} {curves.axis.unit}, {point.operation}",
        f"{point.cost_us:.1f}",
        f"{sample.rate:,.0f}",
        f"{sample.p50_ms:.2f}",
        f"{sample.p99_ms:.2f}",
        f"{sample.refused / sample.seconds:,.0f}" if sample.seconds else "",
        f"{sample.others_cores:.2f}",
    )


def _standing(unit: str, each: Standing) -> tuple[str, ...]:
    found = each.footprint
    sizes = (found.own_bytes, found.data_bytes, found.used_bytes, found.disk_bytes)
    return (
        f"{each.size:,} {unit}",
        f"{each.idle_ms_per_s:.0f}",
        *(f"{size / _MIB:,.1f}" for size in sizes),
    )


def _said(each: Verdict) -> str:
    mark = " (ATTENTION)" if each.word == "superlinear" else ""
    return (
        f"{each.operation}: {each.word}{mark}. Exponent {each.exponent:.2f}, between the two largest sizes "
        f"{each.at_the_end:.2f}; allowed {each.allowed:g}"
    )


def _pairs(standings: Sequence[Standing]) -> list[tuple[Standing, Standing]]:
    return list(pairwise(standings))


def _each(before: Standing, after: Standing, field: str) -> float:
    return float(getattr(after.footprint, field) - getattr(before.footprint, field)) / (after.size - before.size)
