"""From values to places on paper: even, logarithmic, and by nines; with ticks that people read at a glance.

A scale takes a value to 0 (begin) to 1 (end); what lies beyond is put on the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple, Protocol

NINES_MAX = 5.0
"""99.999 %; what is nearer to 100 % is drawn there."""


class Tick(NamedTuple):
    """A place on an axis, 0 to 1, and what it says."""

    place: float
    text: str


class Scale(Protocol):
    """One axis."""

    def place(self, value: float) -> float:
        """0 to 1."""

    def ticks(self) -> list[Tick]:
        """In order."""


def _within(place: float) -> float:
    return min(max(place, 0.0), 1.0)


class Even(NamedTuple):
    """Equal steps. `unit` stands behind each number."""

    begin: float
    end: float
    unit: str = ""

    def place(self, value: float) -> float:
        return _within((value - self.begin) / (self.end - self.begin))

    def ticks(self) -> list[Tick]:
        step = _step((self.end - self.begin) / 6)
        first = ceil(self.begin / step - 1e-9)
        last = floor(self.end / step + 1e-9)
        return [Tick(self.place(n * step), f"{_number(n * step)}{self.unit}") for n in range(first, last + 1)]


class Log(NamedTuple):
    """Equal ratios. Both ends are above 0, and so is what is drawn; 0 is put at the begin."""

    begin: float
    end: float
    unit: str = ""

    def place(self, value: float) -> float:
        if value <= 0:
            return 0.0
        return _within((log10(value) - log10(self.begin)) / (log10(self.end) - log10(self.begin)))

    def ticks(self) -> list[Tick]:
        decades = range(floor(log10(self.begin) + 1e-9), ceil(log10(self.end) - 1e-9) + 1)
        steps = (1, 2, 5) if len(decades) <= 3 else (1,)
        values = [step * 10.0**decade for decade in decades for step in steps]
        shown = [value for value in values if self.begin * (1 - 1e-9) <= value <= self.end * (1 + 1e-9)]
        return [Tick(self.place(value), f"{_number(value)}{self.unit}") for value in shown]


class Nines(NamedTuple):
    """Shares near 1, so that 99.9 % and 99.99 % are as far apart as 90 % and 99 %. Values are shares, 0 to 1."""

    end: float = NINES_MAX

    def place(self, value: float) -> float:
        missing = 1.0 - value
        return 1.0 if missing <= 0 else _within(-log10(missing) / self.end)

    def ticks(self) -> list[Tick]:
        shares = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
        return [Tick(self.place(share), f"{_number(100 * share)} %") for share in shares if self.fits(share)]

    def fits(self, share: float) -> bool:
        return -log10(1 - share) <= self.end + 1e-9


def log_around(values: Sequence[float], unit: str, *, least: float = 0.01) -> Log:
    """A logarithmic scale from the decade or its half below the least value to that above the greatest."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = _half_decade_down(max(min(positive), least)), _half_decade_up(max(positive))
    return Log(low, high if high > low else low * 10, unit)


def _half_decade_down(value: float) -> float:
    decade = 10.0 ** floor(log10(value) + 1e-9)
    return max(step * decade for step in (1, 2, 5) if step * decade <= value * (1 + 1e-9))


def _half_decade_up(value: float) -> float:
    decade = 10.0 ** floor(log10(value) + 1e-9)
    return min(step * decade for step in (1, 2, 5, 10) if step * decade >= value * (1 - 1e-9))


def _step(least: float) -> float:
    if least <= 0:
        return 1.0
    decade = 10.0 ** floor(log10(least))
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= least * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"
