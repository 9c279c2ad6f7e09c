"""How long a refused proposer waits before its next ballot, so that two of them do not refuse each other for ever.

Uniform between two thirds of the usual time of a round, in which the other may be through, and a bound that grows with
each refusal. Research note, section 1.7 (the shape of Cassandra's contention strategy).
"""

from __future__ import annotations

from typing import Protocol

WAIT_MIN_S = 0.01
WAIT_MAX_S = 0.1
SPREAD_MIN_S = 0.005
"""Narrower than this two proposers would wake together."""
GROWTH = 1.8
_GROWN_ENOUGH = 20


class Pace(Protocol):
    """How long rounds take at present (seconds)."""

    @property
    def p50_s(self) -> float: ...
    @property
    def p95_s(self) -> float: ...


def back_off_s(pace: Pace, attempt: int, draw: float) -> float:
    """The wait after refusal number `attempt` (from 0); `draw` lies between 0 and 1."""
    grown_s = pace.p95_s * GROWTH ** min(attempt, _GROWN_ENOUGH)
    upper_s = min(WAIT_MAX_S, max(WAIT_MIN_S, grown_s))
    lower_s = max(0.0, min(0.66 * pace.p50_s, upper_s - SPREAD_MIN_S))
    # Exact at both ends: `lower + draw * (upper - lower)` may be a rounding below the upper one.
    return (1.0 - draw) * lower_s + draw * upper_s
