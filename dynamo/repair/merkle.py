"""Merkle trees as two replicas compare them: leaves, 32 branches above them, one root.

A node of the tree is the xor of the leaves below it. A leaf is the xor of hashes that name key and versions
(`layout/digests.py`), so xor is as good as another hash above it, and makes every level a sum that can be built in any
order and in pieces. Two trees are compared from the root down; what is equal is never looked into, so the cost is that
of the differences. Paper: DeCandia et al. 2007, section 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from dynamo.layout.digests import EMPTY_LEAF, LEAVES

BRANCHES = 32
BRANCH_LEVEL = 1
LEAF_LEVEL = 2
_LEAVES_PER_BRANCH = LEAVES // BRANCHES

Place = TypeVar("Place", int, str, bytes)


def branch_of(leaf: int) -> int:
    """The branch above a leaf."""
    return leaf // _LEAVES_PER_BRANCH


def leaves_below(branch: int) -> range:
    """The leaves below a branch."""
    return range(branch * _LEAVES_PER_BRANCH, (branch + 1) * _LEAVES_PER_BRANCH)


def root(hashes: Iterable[int]) -> int:
    """The root above leaves, or above branches."""
    total = EMPTY_LEAF
    for each in hashes:
        total ^= each
    return total


def branches(leaves: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Branches with their hashes above some leaves, in order; those whose hash is that of an empty one are left out."""
    above: dict[int, int] = {}
    for leaf, hashed in leaves:
        branch = branch_of(leaf)
        above[branch] = above.get(branch, EMPTY_LEAF) ^ hashed
    return {branch: hashed for branch, hashed in sorted(above.items()) if hashed != EMPTY_LEAF}


def differing(mine: Iterable[tuple[Place, int]], theirs: Iterable[tuple[Place, int]]) -> list[Place]:
    """Places whose hashes differ, in order. One that a side does not name is empty there."""
    left, right = dict(mine), dict(theirs)
    return [place for place in sorted({**left, **right}) if _at(left, place) != _at(right, place)]


def _at(hashes: Mapping[Place, int], place: Place) -> int:
    return hashes.get(place, EMPTY_LEAF)
