"""Faults on a time table: `node2@30s` with `--kill`, `--pause`, `--resume` or `--start`.

Times are from the begin of the run. A node is a process that this run has started, or one that its user has named with
its number (`--pid node2=4711`): nobody else's is touched. What was paused is resumed at the end, whatever happened.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

KINDS = ("kill", "pause", "resume", "start")
_WHEN = re.compile(r"(?P<node>[^@=\s]+)@(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class Fault(msgspec.Struct, frozen=True):
    """What is to be done to whom, seconds after the begin."""

    at_s: float
    kind: str
    node: str


def fault(kind: str, text: str) -> Fault:
    """`node2@30s`. Raises ValueError."""
    assert kind in KINDS, "callers have an option for each kind"
    match = _WHEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} says not when what happens; write node2@30s")
    return Fault(float(match["number"]) * _UNITS[match["unit"]], kind, match["node"])


def time_table(faults: Sequence[Fault], nodes: Sequence[str], duration_s: float, *, can_start: bool) -> list[Fault]:
    """The faults in their order. Raises ValueError for what could never happen."""
    for each in faults:
        if each.node not in nodes:
            known = f"there are {', '.join(nodes)}" if nodes else "no node's process is known: --cluster or --pid"
            raise ValueError(f"--{each.kind} {each.node}: {known}")
        if each.at_s >= duration_s:
            raise ValueError(f"--{each.kind} {each.node}@{each.at_s:g}s: the run is over after {duration_s:g} s")
        if each.kind == "start" and not can_start:
            raise ValueError("--start is for clusters that this run has started: --cluster")
    return sorted(faults, key=lambda each: each.at_s)


def is_away(kinds: Sequence[str]) -> bool:
    """Whether a node is away after these faults, in their order."""
    away = False
    for kind in kinds:
        away = kind in ("kill", "pause")
    return away


class Victims(Protocol):
    """The nodes that something can be done to."""

    def apply(self, each: Fault) -> None:
        """Do it. Raises ProcessLookupError if the process is gone."""

    def restore(self) -> None:
        """Let everything go on that was paused."""


class Pids:
    """Processes that the user has named."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Raises ProcessLookupError for one that is not there."""
        for name, pid in pids.items():
            if not Path(f"/proc/{pid}").exists():
                raise ProcessLookupError(f"--pid {name}={pid}: there is no such process")
        self._pids = dict(pids)
        self._paused: set[int] = set()

    def apply(self, each: Fault) -> None:
        pid = self._pids[each.node]
        if each.kind == "kill":
            os.kill(pid, signal.SIGKILL)
        elif each.kind == "pause":
            os.kill(pid, signal.SIGSTOP)
            self._paused.add(pid)
        elif each.kind == "resume":
            os.kill(pid, signal.SIGCONT)
            self._paused.discard(pid)

    def restore(self) -> None:
        for pid in sorted(self._paused):
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)
        self._paused.clear()
