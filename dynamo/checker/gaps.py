"""The version numbers of a linearizable key count its changes: each change makes the next one.

A number below the greatest that nobody made was made by a change whose outcome is unknown, and there are no more of
them than of those. So a change that was applied twice, or one that counted and changed nothing, leaves a gap.
"""

from __future__ import annotations

from collections.abc import Iterable

from dynamo.checker.history import Place, Violation
from dynamo.checker.operation import Op


def check(place: Place, ops: Iterable[Op]) -> list[Violation]:
    """Judge the numbers of all operations on one key, failed ones included."""
    made: dict[int, Op] = {}
    unknown = 0
    greatest = 0
    for op in ops:
        if op.outcome == "unknown" and op.changes:
            unknown += 1
        elif op.outcome == "ok" and op.number is not None:
            greatest = max(greatest, op.number)
            if op.changes:
                made[op.number] = op
    missing = [number for number in range(1, greatest + 1) if number not in made]
    if len(missing) <= unknown:
        return []
    text = f"nobody made the versions {missing}, and {unknown} changes are of unknown outcome"
    return [Violation("version-gap", place, text)]
