"""Whom to probe next: round robin over a shuffled list, shuffled again after each pass (SWIM, section 4.3).

Unlike with targets drawn at random, each node is probed within two passes for certain, so detection time is bounded;
shuffled, so that the nodes of a cluster do not all probe the same one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Draw = Callable[[], float]
"""The next random number, uniform in [0, 1)."""


class RoundRobin:
    """One node's order of the others."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = list(nodes)
        self._left: list[str] = []

    def next(self, skipped: Callable[[str], bool], draw: Draw) -> str | None:
        """The next one that is not to be skipped; None if all are."""
        for _ in range(2 * len(self._nodes)):
            if not self._left:
                self._left = shuffled(self._nodes, draw)
            node = self._left.pop()
            if not skipped(node):
                return node
        return None


def shuffled(nodes: Sequence[str], draw: Draw) -> list[str]:
    """The same nodes in a random order, each order alike (Fisher and Yates)."""
    mixed = list(nodes)
    for last in range(len(mixed) - 1, 0, -1):
        other = int(draw() * (last + 1))
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed
