"""When requests arrive in an open loop: at times of their own, whatever became of the ones before.

That is what sets an open loop apart from a closed one, and what makes overload visible: a user who comes does not ask
whether the server is done with the others. Each request has its *intended start*; its response time and its timeout
count from there, also where the client itself was late in sending it (otherwise the waiting that an overloaded server
causes is left out: "coordinated omission").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time with one rate of arrivals."""

    name: str
    rate: float
    """Arrivals a second, evenly spaced."""
    seconds: float

    @property
    def arrivals(self) -> int:
        """How many requests are due in it."""
        return round(self.rate * self.seconds)


def intended_starts(phases: Sequence[Phase]) -> Iterator[tuple[int, float]]:
    """For each request: the phase it belongs to, and its intended start in seconds since the first phase began."""
    begins_s = 0.0
    for number, phase in enumerate(phases):
        for place in range(phase.arrivals):
            yield number, begins_s + place / phase.rate
        begins_s += phase.seconds


def duration_s(phases: Sequence[Phase]) -> float:
    """How long all phases take."""
    return sum(phase.seconds for phase in phases)


def shared(phases: Sequence[Phase], parts: int) -> list[Phase]:
    """What each of `parts` generators has to do, so that together they make all arrivals."""
    assert parts > 0, "somebody has to send"
    return [msgspec.structs.replace(phase, rate=phase.rate / parts) for phase in phases]
