"""Arithmetic of version vectors, the checker's own: what it judges must not be judged by its own code."""

from __future__ import annotations

from dynamo.checker.history import Clock, Dot


def covers(clock: Clock, dot: Dot) -> bool:
    """Whether the event `dot` is part of what `clock` has seen."""
    return dot[1] <= clock.get(dot[0], 0)


def descends(newer: Clock, older: Clock) -> bool:
    """Whether `newer` has seen all that `older` has."""
    return all(counter <= newer.get(actor, 0) for actor, counter in older.items())


def join(clocks: list[Clock]) -> Clock:
    """What somebody has seen who has seen all of these."""
    joined: Clock = {}
    for clock in clocks:
        for actor, counter in clock.items():
            joined[actor] = max(counter, joined.get(actor, 0))
    return joined
