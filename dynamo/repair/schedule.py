"""Which partition is compared with which peer, and when.

A sweep takes every pair of a partition and another replica of it once, in `period_s`, evenly spread. The order is
turned by chance, so that nodes which started together do not meet in the same partition each time. A pair whose turn
has come waits for nothing but its time; one that takes longer than its share makes the next ones follow at once.
"""

from __future__ import annotations

import msgspec


class Pair(msgspec.Struct, frozen=True):
    """One exchange to make."""

    partition: int
    peer: str


class Sweep:
    """The pairs of one sweep, each with its time."""

    def __init__(self, pairs: list[Pair], period_s: float, now: float, dice: float) -> None:
        """`dice` in [0, 1) turns the order and shifts the times."""
        turn = int(dice * len(pairs))
        self._pairs = pairs[turn:] + pairs[:turn]
        self._step_s = period_s / max(1, len(pairs))
        self._began = now + dice * self._step_s
        self._period_s = period_s
        self._taken = 0

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def is_over(self) -> bool:
        """Every pair was handed out."""
        return self._taken == len(self._pairs)

    def ends_at(self) -> float:
        """When the next sweep may begin, though this one be over before."""
        return self._began + self._period_s

    def due(self, now: float) -> Pair | None:
        """The next pair, if its time has come."""
        if self.is_over or now < self._began + self._taken * self._step_s:
            return None
        self._taken += 1
        return self._pairs[self._taken - 1]

    def wait_s(self, now: float) -> float:
        """Until the next pair is due, or until the sweep may be followed by another; 0 if that is now."""
        when = self.ends_at() if self.is_over else self._began + self._taken * self._step_s
        return max(0.0, when - now)


def pairs_of(primaries: dict[int, tuple[str, ...]], node: str) -> list[Pair]:
    """Every partition that `node` is a primary of, with every other primary of it."""
    return [
        Pair(partition, peer)
        for partition, homes in primaries.items()
        if node in homes
        for peer in homes
        if peer != node
    ]
