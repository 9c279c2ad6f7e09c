"""The truth about the keys of one worker: what was written when, and so which reads were stale.

A read is *stale* if it misses a write that was acknowledged before the read began. With one writer to a key that is a
comparison of sequence numbers. Here several writes of a key may be under way at once, and then nobody can say which of
them the store must hold for the newer; so only real time decides: write b follows write a if b began after a was
acknowledged. A read that returned a is stale if some b that follows a was acknowledged before the read began. For one
writer this is the same as comparing numbers; for concurrent writes it blames nobody wrongly.

With the time each write began and was acknowledged (infinity while unknown: a time-out may still take effect), a read
that returned `a` is stale exactly if acknowledged(a) < floor, where the floor is the latest begin among the writes
that were acknowledged when the read was sent. One number for each key and level of writes is enough, so a read is
judged against the writes of each level on its own: how stale R is towards W.

A returned write that was not acknowledged when the read began is *concurrent*: newer than it had to be. *Unknown* is
what cannot be placed: a value of another run, or nothing found where nothing was preloaded by this one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

VERDICTS = ("fresh", "stale", "concurrent", "unknown")
FRESH, STALE, CONCURRENT, UNKNOWN = range(4)
NOTHING = -1
"""In place of a write's number: the read found nothing. Older than everything."""
PRELOADED = 0
REMEMBERED = 64
"""Acknowledged writes of a key that are kept for counting how many a read missed; k-staleness is at most this."""

Floors = tuple[float, ...]
"""For each level of writes the latest begin of those that were acknowledged; -infinity where none was."""


class Missed(NamedTuple):
    """How stale a stale read was."""

    writes: int
    """Acknowledged writes that it missed (k)."""
    seconds: float
    """Begin of the read minus the acknowledgement of the oldest of them (t)."""


class Book:
    """Writes by number, from 1; floors by key."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self.began = array("d", [0.0])
        self.acknowledged = array("d", [0.0])
        """Infinity while unknown. Number 0 is the preloaded value of whatever key."""
        self.level = array("B", [0])
        self._floors: dict[int, Floors] = {}
        self._latest: dict[int, list[int]] = {}
        self._none: Floors = (-inf,) * levels
        self._loaded: Floors = (0.0,) * levels
        self._preloaded = range(0)
        self.refused: set[int] = set()
        """Writes that were answered with "not applied, and never will be": no read may show one of them."""
        self.unsettled = 0
        """Writes whose outcome nobody knows."""

    def preloaded(self, keys: range) -> None:
        """These keys have the value of number 0, acknowledged at every level before anything else."""
        self._preloaded = keys

    @property
    def issued(self) -> int:
        """The number of the last write."""
        return len(self.began) - 1

    def begin(self, now: float, level: int) -> int:
        """A write is about to be sent; its number."""
        self.began.append(now)
        self.acknowledged.append(inf)
        self.level.append(level)
        return len(self.began) - 1

    def acknowledge(self, key: int, number: int, now: float) -> None:
        """The write has been acknowledged. Repeats change nothing."""
        if self.acknowledged[number] != inf:
            return
        self.acknowledged[number] = now
        began, level = self.began[number], self.level[number]
        floors = self.floors(key)
        if began > floors[level]:
            self._floors[key] = (*floors[:level], began, *floors[level + 1 :])
        latest = self._latest.setdefault(key, [])
        latest.append(number)
        if len(latest) > 2 * REMEMBERED:
            del latest[:REMEMBERED]

    def floors(self, key: int) -> Floors:
        """What a read of the key that is sent now has to reach, for each level of writes."""
        found = self._floors.get(key)
        if found is None:
            return self._loaded if key in self._preloaded else self._none
        return found

    def acknowledged_at(self, numbers: Sequence[int]) -> float:
        """The latest acknowledgement among the writes that a read returned; -infinity if it found nothing."""
        return max((self.acknowledged[number] if number >= 0 else -inf for number in numbers), default=-inf)

    def verdict(self, latest: float, floor: float, read_began: float) -> int:
        """Place in VERDICTS. `latest` is what `acknowledged_at` says of the values that were returned."""
        if latest < floor:
            return STALE
        return CONCURRENT if latest > read_began else FRESH

    def missed(self, key: int, latest: float, read_began: float, level: int | None = None) -> Missed:
        """How stale a read was that returned nothing newer than `latest`; `level`: towards writes of one level."""
        oldest, count = read_began, 0
        for number in self._latest.get(key, ()):
            at = self.acknowledged[number]
            if at <= read_began and self.began[number] > latest and level in (None, self.level[number]):
                oldest = min(oldest, at)
                count += 1
        return Missed(max(count, 1), read_began - oldest)
