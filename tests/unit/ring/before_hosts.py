"""Placement as it was before there were host labels, kept word for word in what it decides: clusters of that time are
placed by it, and their data lies there.
"""

from __future__ import annotations

from dynamo.ring.ring import Member, Ring, shares


def owners(members: list[Member], partitions: int) -> tuple[str, ...]:
    """The owners of a first ring."""
    ordered = tuple(sorted(members, key=lambda m: m.id))
    left = shares(ordered, partitions)
    zone_of = {m.id: m.zone or m.id for m in ordered}
    dealt: list[str] = []
    for _ in range(partitions):
        recent = dealt[-(len(ordered) - 1) :] if len(ordered) > 1 else []
        dealt.append(_next_owner(left, zone_of, recent[::-1]))
        left[dealt[-1]] -= 1
    return tuple(dealt)


def changed_owners(old: Ring, kept: list[str], members: list[Member]) -> tuple[str, ...]:
    """The owners after a change, from those that keep their places ("" where one is free)."""
    ordered = tuple(sorted(members, key=lambda m: m.id))
    left = shares(ordered, old.partitions)
    dealt = list(kept)
    for owner in dealt:
        if owner:
            left[owner] -= 1
    zone_of = {m.id: m.zone or m.id for m in ordered}
    span = min(len(ordered) - 1, 3)
    for place, owner in enumerate(dealt):
        if owner == "":
            near = [dealt[(place + step * side) % len(dealt)] for step in range(1, span + 1) for side in (-1, 1)]
            dealt[place] = _next_owner(left, zone_of, near)
            left[dealt[place]] -= 1
    return tuple(dealt)


def primaries(walk: tuple[str, ...], members: tuple[Member, ...], n: int) -> tuple[str, ...]:
    """The preference list of a partition with that walk."""
    zone_of = {m.id: m.zone or m.id for m in members}
    chosen: list[str] = []
    zones: list[str] = []
    for node in walk:
        if len(chosen) < n and zone_of[node] not in zones:
            chosen.append(node)
            zones.append(zone_of[node])
    rest = [node for node in walk if node not in chosen]
    chosen.extend(rest[: n - len(chosen)])
    return tuple(chosen)


def fallbacks(walk: tuple[str, ...], of: tuple[str, ...]) -> tuple[str, ...]:
    """Who stands in, after those primaries."""
    return tuple(node for node in walk if node not in of)


def _next_owner(left: dict[str, int], zone_of: dict[str, str], near: list[str]) -> str:
    near_zones = [zone_of.get(n, "") for n in near]

    def rank(node: str) -> tuple[bool, int, int, str]:
        zone = zone_of[node]
        distance = near_zones.index(zone) if zone in near_zones else len(near_zones)
        return (node in near, -distance, -left[node], node)

    return min((node for node, count in left.items() if count > 0), key=rank)
