"""The counts that were recorded, and how those of today differ from them.

A file for each version of CPython, with instructions and calls into C of each operation, and instructions by module:
what grew is to be seen in the difference of a change. Functions are not recorded, as they come and go; those of today
are told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.counts.counter import Count

FOLDER = Path(__file__).parent
MAY_DIFFER = 0.10
MAY_DIFFER_CALLS = 2.0
"""Of an operation so small that a tenth of it is less."""
SHOWN = 10

Functions = dict[str, dict[str, float]]
"""By module and function, for each operation."""


class Cost(NamedTuple):
    """What one operation takes."""

    instructions: float
    calls: float
    functions: Functions

    @property
    def modules(self) -> dict[str, float]:
        return {module: round(sum(inside.values()), 1) for module, inside in sorted(self.functions.items())}

    def recorded(self) -> dict[str, Any]:
        """As the file has it."""
        return {"instructions": self.instructions, "calls": self.calls, "modules": self.modules}


def cost(operations: int, count: Count) -> Cost:
    """What a count comes to for each of so many operations."""
    functions: Functions = {}
    for (module, name), steps in sorted(count.steps.items()):
        functions.setdefault(module, {})[name] = round(steps / operations, 2)
    steps, calls = sum(count.steps.values()), sum(count.calls.values())
    return Cost(round(steps / operations, 1), round(calls / operations, 1), functions)


def file() -> Path:
    """Where the counts of this version of CPython are recorded."""
    return FOLDER / f"baseline-{sys.version_info.major}.{sys.version_info.minor}.json"


def load() -> dict[str, Any] | None:
    """What was recorded; None if nothing was for this version."""
    return json.loads(file().read_text()) if file().is_file() else None


def save(costs: Mapping[str, Cost]) -> None:
    """Record these counts instead."""
    content = {operation: each.recorded() for operation, each in costs.items()}
    file().write_text(json.dumps(content, indent=1) + "\n")


def findings(before: Mapping[str, Any], now: Mapping[str, Cost]) -> list[str]:
    """A text for each operation that takes more, or less, than a tenth of what was recorded."""
    found = [f"{name}: is counted, but not recorded" for name in now if name not in before]
    found += [f"{name}: is recorded, but not counted" for name in before if name not in now]
    for name in now:
        if name in before:
            found += _differences(name, before[name], now[name])
    return found


def _differences(name: str, before: Mapping[str, Any], now: Cost) -> list[str]:
    limits = {"instructions": 0.0, "calls": MAY_DIFFER_CALLS}
    changed = [
        f"{what} {then:,.1f} -> {count:,.1f} ({count / then - 1:+.0%})"
        for what, least in limits.items()
        for then, count in [(before[what], getattr(now, what))]
        if abs(count - then) > max(MAY_DIFFER * then, least)
    ]
    return [f"{name}: {', '.join(changed)}\n{grown(before['modules'], now.functions)}"] if changed else []


def grown(before: Mapping[str, float], functions: Functions) -> str:
    """The modules that changed most, and the largest functions of each today, a line a module."""
    now = {module: sum(inside.values()) for module, inside in functions.items()}
    changes = {module: now.get(module, 0.0) - before.get(module, 0.0) for module in {*now, *before}}
    most = sorted(changes, key=lambda module: (-abs(changes[module]), module))[:SHOWN]
    return "\n".join(
        f"  {changes[module]:+9.1f}  {module}  ({_largest(functions.get(module, {}))})"
        for module in most
        if abs(changes[module]) >= 0.1
    )


def _largest(inside: Mapping[str, float]) -> str:
    most = sorted(inside, key=lambda name: (-inside[name], name))[:4]
    return ", ".join(f"{name} {inside[name]:,.0f}" for name in most) or "gone"
