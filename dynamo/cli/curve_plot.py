"""Curves of a probability over time as text: time on a logarithmic scale, the moment 0 in a column of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

ROWS = 11
"""From 0% to 100%, ten points each."""
COLUMNS = 61
FIRST_S, LAST_S = 1e-4, 10.0
_MARGIN = 7

Curve = Sequence[tuple[float, float]]
"""Seconds and probability, in the order of time."""


def plot(curves: Mapping[str, Curve]) -> list[str]:
    """Lines of text. Each curve is drawn with its mark, one letter; where two meet, the later one is seen."""
    grid = [[" "] * (COLUMNS + 2) for _ in range(ROWS)]
    for mark, curve in curves.items():
        for column in range(COLUMNS):
            grid[_row(_at(curve, _time_s(column)))][column + 2] = mark
        grid[_row(_at(curve, 0.0))][0] = mark
    lines = [f"{100 - row * 10:4d}% |{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    return [*lines, " " * (_MARGIN - 1) + "+" + "-" * (COLUMNS + 2), _scale()]


def _row(probability: float) -> int:
    """The row of a probability. 100% is kept for what is: 99.9% is drawn just below."""
    if probability >= 1:
        return 0
    return max(1, round((1 - probability) * (ROWS - 1))) if probability > 0 else ROWS - 1


def _time_s(column: int) -> float:
    return float(FIRST_S * (LAST_S / FIRST_S) ** (column / (COLUMNS - 1)))


def _at(curve: Curve, seconds: float) -> float:
    """The last point that is no later, as a prediction never falls."""
    found = curve[0][1]
    for time_s, probability in curve:
        if time_s > seconds * 1.0001:
            break
        found = probability
    return found


def _scale() -> str:
    cells = [" "] * (_MARGIN + COLUMNS + 8)
    cells[_MARGIN] = "0"
    for time_s in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0):
        column = _MARGIN + 2 + round((COLUMNS - 1) * log10(time_s / FIRST_S) / log10(LAST_S / FIRST_S))
        text = time_text(time_s)
        cells[column : column + len(text)] = text
    return "".join(cells).rstrip()


def time_text(seconds: float) -> str:
    """A short time for a person: 0.1ms, 20ms, 1.5s."""
    if seconds >= 1:
        return f"{seconds:.3g}s"
    return f"{seconds * 1000:.3g}ms"
