"""Counting the replies of one ballot: a majority of all N replicas, distinct, that see the same stores.

Majorities are of the configured N, never of those alive: two sides of a partition must not both have one. A replica
that answers twice counts once.

A replica that lost its disk comes back under its old name with another store. What its old self has promised is gone
with the disk, so an answer of its old self must not be counted together with answers of nodes that already know the new
one (decision 0016). Every reply says which stores its sender knows; those that say the same are counted together. A
replica that learns of a new store while it is asked again has then answered in two groups, and both answers are true.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Reply = TypeVar("Reply")


def majority_of(n: int) -> int:
    """How many of n replicas are a majority."""
    return n // 2 + 1


class Tally(Generic[Reply]):
    """Replies to one question, by replica, in one group for each `stores`."""

    __slots__ = ("_groups", "needed")

    def __init__(self, needed: int) -> None:
        self.needed = needed
        """How many replicas must agree on the stores."""
        self._groups: dict[int, dict[str, Reply]] = {}

    def add(self, replica: str, stores: int, reply: Reply) -> dict[str, Reply] | None:
        """Take a reply in; the latest of a replica counts. Its group by replica, if that is large enough now."""
        group = self._groups.setdefault(stores, {})
        group[replica] = reply
        return group if len(group) >= self.needed else None

    def discard(self, replica: str) -> None:
        """What this replica said cannot be used."""
        for group in self._groups.values():
            group.pop(replica, None)

    def __contains__(self, replica: str) -> bool:
        """Whether the replica has answered."""
        return any(replica in group for group in self._groups.values())
