"""When operations arrive while the rate changes: steps and ramps, evenly spaced or as a Poisson process.

Written as `500` (until the end), or in stages: `200:10s,400:10s` steps, `100-1000:30s` climbs evenly. Every arrival
has its intended start, known from the seed alone. One rule makes all of them: with L(t) the number of arrivals due by
time t, the n-th comes at the inverse of L at u_n, where u_n is n for even spacing and the n-th point of a Poisson
process of rate 1 for `poisson` (the time change of Cinlar, "Introduction to Stochastic Processes", 1975, section 4.7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import log, sqrt

import msgspec

SPACINGS = ("constant", "poisson")
_STAGE = re.compile(r"(?P<begin>[\d.]+)(?:-(?P<end>[\d.]+))?:(?P<seconds>[\d.]+)s?")


class Stage(msgspec.Struct, frozen=True):
    """A stretch of time; rates are arrivals a second at its begin and at its end, with a straight line between."""

    seconds: float
    begin: float
    end: float

    @property
    def arrivals(self) -> float:
        """How many are due in it; not a whole number."""
        return self.seconds * (self.begin + self.end) / 2

    def rate(self, at_s: float) -> float:
        """Arrivals a second at a time since its begin."""
        return self.begin + (self.end - self.begin) * at_s / self.seconds

    def when(self, arrivals: float) -> float:
        """Seconds since its begin at which so many were due."""
        slope = (self.end - self.begin) / self.seconds
        # The solution of begin * t + slope * t^2 / 2 = arrivals, in the form that does not cancel for small slopes.
        return 2 * arrivals / (self.begin + sqrt(max(self.begin**2 + 2 * slope * arrivals, 0.0))) if arrivals else 0.0


def stages(text: str, seconds: float) -> list[Stage]:
    """What a text describes; `seconds` is how long a single rate lasts. Raises ValueError."""
    if re.fullmatch(r"[\d.]+", text):
        return [_checked(Stage(seconds, float(text), float(text)), text)]
    found = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no stage; write 500, 200:10s or 100-1000:30s")
        begin = float(match["begin"])
        found.append(_checked(Stage(float(match["seconds"]), begin, float(match["end"] or begin)), part))
    return found


def _checked(stage: Stage, text: str) -> Stage:
    if not (stage.seconds > 0 and stage.begin + stage.end > 0):
        raise ValueError(f"{text.strip()!r}: a stage has a duration, and somebody arrives in it")
    return stage


def starts(all_stages: Sequence[Stage], spacing: str, draw: Callable[[], float]) -> Iterator[float]:
    """Intended starts, in seconds since the first stage began. `draw` gives numbers in [0, 1)."""
    spaced = 0.0
    begins_s, before = 0.0, 0.0
    ahead = list(all_stages)
    while ahead:
        due = spaced - before
        # An even stage has as many arrivals as its rate says, whatever the last bit of a product is.
        if due >= ahead[0].arrivals - 1e-9:
            before += ahead[0].arrivals
            begins_s += ahead[0].seconds
            ahead.pop(0)
            continue
        yield begins_s + ahead[0].when(due)
        spaced += 1.0 if spacing == "constant" else -log(1.0 - draw())


def duration_s(all_stages: Sequence[Stage]) -> float:
    """How long all of them take."""
    return sum(stage.seconds for stage in all_stages)


def rate_at(all_stages: Sequence[Stage], at_s: float) -> float:
    """Arrivals a second that are asked for at a time; 0 after the end."""
    for stage in all_stages:
        if at_s < stage.seconds:
            return stage.rate(at_s)
        at_s -= stage.seconds
    return 0.0
