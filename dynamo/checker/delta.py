"""Delta-atomicity: how far back reads may have looked, so that the history is linearizable but for that.

The smallest D such that the history is legal once every read is taken as called D seconds earlier (Golab, Li and Shah,
Analyzing Consistency Properties for Fun and Profit, 2011). A longer interval is easier to place, so legality grows with
D and bisection finds it: about thirty runs of the method `zones`. A condition that did not hold is moved as a read is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite

import msgspec

from dynamo.checker.operation import Op

RUNS_MAX = 60


def smallest_s(ops: Sequence[Op], is_legal: Callable[[list[Op]], bool], resolution_s: float = 1e-6) -> float:
    """D in seconds, at most `resolution_s` too large; 0.0 for a linearizable key, infinite where no D helps.

    `is_legal` judges operations by the seconds of their calls and returns. Whatever `is_legal` raises is raised.
    """
    if is_legal(list(ops)):
        return 0.0
    seconds = [_in_seconds(op) for op in ops]
    times = [op.called for op in seconds] + [op.returned for op in seconds if isfinite(op.returned)]
    low, high = 0.0, max(times, default=0.0) - min(times, default=0.0) + resolution_s
    if not is_legal(moved(seconds, high)):
        return inf
    for _ in range(RUNS_MAX):
        if high - low <= resolution_s:
            break
        middle = (low + high) / 2
        if is_legal(moved(seconds, middle)):
            high = middle
        else:
            low = middle
    return high


def _in_seconds(op: Op) -> Op:
    return msgspec.structs.replace(op, called=op.called_s, returned=op.returned_s)


def moved(ops: Sequence[Op], by_s: float) -> list[Op]:
    """The operations with reads called earlier, in the order of their calls."""
    shifted = [op if op.changes else msgspec.structs.replace(op, called=op.called - by_s) for op in ops]
    return sorted(shifted, key=lambda op: op.called)
