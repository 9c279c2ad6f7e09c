"""What a soak found: a table for a terminal or a document, and data that becomes JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from dynamo.growth.footprint import together
from dynamo.growth.level import Verdict
from dynamo.growth.soak import WINDOW_S, Plan, Soak
from dynamo.growth.watch import Look
from dynamo.workload.report import table

ROWS_MAX = 30
"""Of the table; where there are more windows, some of them are shown. All are in the file."""
_MIB = 2**20
_HEADINGS = (
    "",
    "good/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "own MiB",
    "data MiB",
    "free MiB",
    "log MiB",
    "disk MiB",
    "hints",
)
_VERDICT = ("second half", "median", "rise", "allowed", "sure", "")
_LEGEND = (
    "Times: of good answers, from the intended start. own: anonymous memory of all nodes. data: LMDB's "
    "files; free: what of them no tree uses, to be used again. sure: standard deviations of the rise above chance."
)


class Report(msgspec.Struct, kw_only=True):
    """A whole run."""

    taken: str
    """UTC, to the second."""
    machine: dict[str, str]
    plan: Plan
    found: Soak


def lines(report: Report) -> list[str]:
    """The report for a terminal."""
    found = report.found
    share = f"{report.plan.load:.0%} of a peak of {found.peak:,.0f}/s" if found.peak else "as asked"
    shown = [
        " ".join(f"{name} {value}." for name, value in report.machine.items()),
        f"{found.rate:,.0f} requests a second ({share}) for {found.seconds / 60:g} minutes. {_LEGEND}",
        "",
        *table([_HEADINGS, *(_cells(found, number) for number in _rows(len(found.windows)))]),
        "",
        *table([_VERDICT, *map(_said, found.verdicts)]),
        "",
        f"  {free_list(found.looks)}",
        "",
    ]
    return [
        *shown,
        *(f"FAILED  {each}" for each in found.failures),
        *([] if found.failures else ["All of it is level."]),
    ]


def free_list(looks: Sequence[Look]) -> str:
    """What became of LMDB's free pages, all nodes together."""
    if len(looks) < 2:
        return "LMDB's free pages: too few looks."
    whole = [together(look.nodes.values()) for look in looks]
    half = whole[len(whole) // 2]
    ends = [f"{each.free_bytes / _MIB:.1f} of {each.data_bytes / _MIB:.1f} MiB" for each in (half, whole[-1])]
    checkpoints = whole[-1].checkpoints - half.checkpoints
    return (
        f"LMDB's free pages: {ends[0]} at half time, {ends[1]} at the end, {checkpoints:,} checkpoints later; "
        f"most at any look: {max(each.free_bytes for each in whole) / _MIB:.1f} MiB"
    )


def write(report: Report, path: Path) -> None:
    """As JSON, with every window, every look and the verdicts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = msgspec.to_builtins(report, str_keys=True)
    content["verdicts"] = msgspec.to_builtins(report.found.verdicts)
    content["failures"] = report.found.failures
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _rows(windows: int) -> range:
    step = -(-windows // ROWS_MAX)
    return range(step - 1, windows, step)


def _cells(found: Soak, number: int) -> tuple[str, ...]:
    window = found.windows[number]
    times = (f"{window.good_ms(percent):.1f}" for percent in (50, 99, 99.9))
    end_s = WINDOW_S * (number + 1)
    looks = [look for look in found.looks if look.at_s <= end_s + WINDOW_S / 2]
    sizes: tuple[str, ...] = ("",) * 6
    if looks:
        whole = together(looks[-1].nodes.values())
        taken = (whole.own_bytes, whole.data_bytes, whole.free_bytes, whole.log_bytes, whole.disk_bytes)
        sizes = (*(f"{size / _MIB:,.1f}" for size in taken), f"{whole.hints:,}")
    return (f"{end_s:,.0f} s", f"{window.goodput:,.0f}", *times, *sizes)


def _said(each: Verdict) -> tuple[str, ...]:
    whose = f" ({each.whose})" if each.whose else ""
    return (
        f"{each.name}, {each.unit}{whose}" if each.unit != each.name else f"{each.name}{whose}",
        f"{each.median:,.1f}",
        f"{each.growth:+,.2f}",
        f"{each.allowed:,.2f}",
        f"{each.sure:.1f}",
        "level" if each.level else "RISES",
    )
