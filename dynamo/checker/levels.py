"""Levels of consistency weaker than linearizability, asked of a whole history; each is one pass.

    sessions    the four guarantees that a session may expect of its own operations   `session_guarantees`
    causal      effects are not seen before their causes                              `causal`
    staleness   by how many versions, and for how long, reads were late               `staleness`
    delta       by how much time reads would have to be moved                         `delta`
The first two are kept or broken. The last two measure: they say how far from linearizable a history is, and condemn
nothing. A level that cannot judge a history says why, and is then neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from math import inf, isfinite
from typing import Literal

import msgspec

from dynamo.checker import causal, delta, session_guarantees, staleness, zones
from dynamo.checker.history import History, Violation
from dynamo.checker.operation import Keyed, Op, Value
from dynamo.checker.staleness import Report

LEVELS = ("sessions", "causal", "staleness", "delta")
SIBLINGS = "reads show several values at once, and this level knows one a key"


class Finding(msgspec.Struct):
    """What a level found, and that in one line."""

    level: str
    result: Literal["kept", "broken", "measured", "unsuited"]
    text: str
    violations: list[Violation] = []
    staleness: Report | None = None
    delta_s: dict[str, float | None] = {}
    """Of the keys that are not linearizable: D in seconds, None where no D helps."""


def judge(level: str, keys: Keyed, history: History | None = None, initial: Value = None) -> Finding:
    """One of `LEVELS`. `history` is where the operations came from, if it is one of ours: it knows clocks."""
    if level == "sessions":
        return _sessions(keys, history)
    if level == "causal":
        return _causal(keys)
    return _staleness(keys, history) if level == "staleness" else _delta(keys, initial)


def _sessions(keys: Keyed, history: History | None) -> Finding:
    has_clocks = history is not None and any(_has_clock(history))
    found = session_guarantees.of_versions(keys)
    if history is not None and has_clocks:
        found += session_guarantees.of_siblings(history)
    if not has_clocks and not any(op.number is not None for ops in keys.values() for op in ops):
        return Finding("sessions", "unsuited", "the answers carry neither version numbers nor clocks")
    return _condemned("sessions", found)


def _has_clock(history: History) -> Iterable[bool]:
    return (each.last is not None and each.last.version is not None for each in history.operations.values())


def _causal(keys: Keyed) -> Finding:
    if any(map(_has_siblings, keys.values())):
        return Finding("causal", "unsuited", SIBLINGS)
    try:
        return _condemned("causal", causal.check(keys))
    except ValueError as why:
        return Finding("causal", "unsuited", str(why))


def _has_siblings(ops: Iterable[Op]) -> bool:
    return any(isinstance(op.seen, tuple) for op in ops)


def _condemned(level: str, found: list[Violation]) -> Finding:
    if not found:
        return Finding(level, "kept", "kept")
    counts: dict[str, int] = {}
    for each in found:
        counts[each.rule] = counts.get(each.rule, 0) + 1
    text = "broken: " + ", ".join(f"{count:,} {rule}" for rule, count in sorted(counts.items()))
    return Finding(level, "broken", text, found)


def _staleness(keys: Keyed, history: History | None) -> Finding:
    found = staleness.of_versions(keys)
    if history is not None and any(_has_clock(history)):
        found += staleness.of_siblings(history)
    reads = sum(not op.changes and op.outcome == "ok" for ops in keys.values() for op in ops)
    report = staleness.report(found, reads)
    if not report.reads:
        return Finding("staleness", "unsuited", "no read says which version it saw")
    text = f"{report.stale:,} of {report.reads:,} reads were stale ({report.stale_share:.2%})"
    if report.worst is not None:
        text += f", by up to {_counted(report.versions_max)} and {report.seconds_max:.6g} s"
    if report.unjudged:
        text += f"; {report.unjudged:,} more name no version"
    return Finding("staleness", "measured", text, staleness=report)


def _counted(versions: int) -> str:
    return "1 version" if versions == 1 else f"{versions:,} versions"


def _delta(keys: Keyed, initial: Value) -> Finding:
    late: dict[str, float] = {}
    unsuited: dict[str, str] = {}
    for key, ops in keys.items():
        if _has_siblings(ops):
            unsuited[key] = SIBLINGS
            continue
        try:
            needed_s = delta.smallest_s(ops, partial(_is_legal, key, initial))
        except zones.Unsuited as why:
            unsuited[key] = str(why)
            continue
        if needed_s > 0:
            late[key] = needed_s
    if unsuited and len(unsuited) == len(keys):
        return Finding("delta", "unsuited", next(iter(unsuited.values())))
    shown = {key: needed_s if isfinite(needed_s) else None for key, needed_s in late.items()}
    return Finding("delta", "measured", _said_delta(late, unsuited, len(keys)), delta_s=shown)


def _is_legal(key: str, initial: Value, ops: list[Op]) -> bool:
    return zones.check(key, ops, initial).result == "legal"


def _said_delta(late: Mapping[str, float], unsuited: Mapping[str, str], count: int) -> str:
    text = f"{count - len(late) - len(unsuited):,} of {count:,} keys are linearizable as they are"
    finite = {key: needed_s for key, needed_s in late.items() if needed_s < inf}
    if finite:
        worst = max(finite, key=lambda key: finite[key])
        text += f", {len(finite):,} if reads looked back up to {finite[worst]:.6g} s ({worst})"
    if len(late) > len(finite):
        lost = next(key for key in late if key not in finite)
        text += f", {len(late) - len(finite):,} not at all ({lost})"
    if unsuited:
        text += f"; {len(unsuited):,} cannot be judged: {next(iter(unsuited.values()))}"
    return text
