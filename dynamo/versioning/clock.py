"""Version vectors and dots.

A *dot* names one write event: (actor, counter). A *clock* maps each actor to the highest counter seen, and stands for
all the dots of this key up to it. Counters of one actor grow over the whole node, not per key, so a clock entry covers
every event of that actor on the key up to that number, and a number is never used twice, even after a key was reaped.

An actor is a node id with its incarnation. The incarnation changes whenever the node may have forgotten events that its
peers hold (empty store, restored copy, crash), because a forgotten dot that is minted again would silently hide a
write.

Paper: DeCandia et al. 2007, section 4.4; dotted version vectors: Preguica et al. 2010.
"""

from __future__ import annotations

from collections.abc import Iterable

Actor = str
Dot = tuple[Actor, int]
Clock = dict[Actor, int]


def covers(clock: Clock, dot: Dot) -> bool:
    """Whether the event `dot` is part of what `clock` has seen."""
    return clock.get(dot[0], 0) >= dot[1]


def descends(newer: Clock, older: Clock) -> bool:
    """Whether `newer` has seen everything that `older` has (equal clocks descend from each other)."""
    if newer == older:
        return True
    return all(newer.get(actor, 0) >= counter for actor, counter in older.items())


def merge(left: Clock, right: Clock) -> Clock:
    """The smallest clock that descends from both."""
    if left == right:
        return left
    merged = dict(left)
    for actor, counter in right.items():
        if merged.get(actor, 0) < counter:
            merged[actor] = counter
    return merged


def advanced(clock: Clock, dot: Dot) -> Clock:
    """A copy of `clock` that has also seen `dot`."""
    copy = dict(clock)
    if copy.get(dot[0], 0) < dot[1]:
        copy[dot[0]] = dot[1]
    return copy


def short_of(clock: Clock, dots: Iterable[Dot]) -> Clock:
    """The greatest clock within `clock` that covers none of `dots`."""
    copy = dict(clock)
    for actor, counter in dots:
        if copy.get(actor, 0) >= counter:
            copy[actor] = counter - 1
    return {actor: counter for actor, counter in copy.items() if counter}


def canonical(clock: Clock) -> list[tuple[Actor, int]]:
    """The clock as pairs in actor order: the only form that is ever hashed or written."""
    return sorted(clock.items()) if len(clock) > 1 else [*clock.items()]
