"""The ring of one epoch: a fixed number of equal partitions and the node that owns each (Dynamo's strategy 3).

Nodes get partitions in proportion to their weight, exact to one partition. A first ring deals them out so that
neighbours differ in zone, and then in host, where they can; a later one moves only what the new shares demand.
Where nobody has a host label, nothing is other than it was before there were any: clusters that exist stay as they are.
Paper: DeCandia et al. 2007, section 6.2.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import ConfigError

PARTITIONS_MAX = 65536


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A node as the topology knows it."""

    id: str
    host: str
    peer_port: int
    client_port: int
    ops_port: int
    zone: str = ""
    weight: int = 1
    host_label: str = ""
    """Which machine it runs on; `host` is only how it is reached. Last, as encoded forms go by order."""

    @property
    def fails_with_host(self) -> str:
        """What names its machine: nodes that say nothing are machines of their own."""
        return self.host_label or self.id

    @property
    def fails_with_zone(self) -> str:
        """What names its zone. A machine that is in no zone is one by itself."""
        return self.zone or self.fails_with_host


class Ring(msgspec.Struct, frozen=True, array_like=True):
    """Immutable: a change of members is another ring with a higher epoch."""

    epoch: int
    members: tuple[Member, ...]
    """In id order."""
    owners: tuple[str, ...]
    """The node that owns each partition."""

    @property
    def partitions(self) -> int:
        return len(self.owners)

    def member(self, node: str) -> Member | None:
        """The member of that id, or None."""
        return next((m for m in self.members if m.id == node), None)


def first_ring(members: list[Member], partitions: int, epoch: int = 1) -> Ring:
    """The ring of a new cluster; the same members give the same ring on every node."""
    _validate(members, partitions)
    ordered = tuple(sorted(members, key=lambda m: m.id))
    left = shares(ordered, partitions)
    places = {m.id: m for m in ordered}
    owners: list[str] = []
    for _ in range(partitions):
        recent = owners[-(len(ordered) - 1) :] if len(ordered) > 1 else []
        owners.append(_next_owner(left, places, recent[::-1]))
        left[owners[-1]] -= 1
    return Ring(epoch, ordered, tuple(owners))


def changed_ring(old: Ring, members: list[Member]) -> Ring:
    """The ring of the next epoch for other members or weights, moving as few partitions as the shares allow."""
    _validate(members, old.partitions)
    ordered = tuple(sorted(members, key=lambda m: m.id))
    left = shares(ordered, old.partitions)
    owners = _kept(old, left)
    for owner in owners:
        if owner:
            left[owner] -= 1
    places = {m.id: m for m in ordered}
    span = min(len(ordered) - 1, 3)
    for place, owner in enumerate(owners):
        if owner == "":
            near = [owners[(place + step * side) % len(owners)] for step in range(1, span + 1) for side in (-1, 1)]
            owners[place] = _next_owner(left, places, near)
            left[owners[place]] -= 1
    return Ring(old.epoch + 1, ordered, tuple(owners))


def shares(members: tuple[Member, ...], partitions: int) -> dict[str, int]:
    """How many partitions each node is to own: proportional to weight, largest remainder first, ties by id."""
    total = sum(m.weight for m in members)
    whole = {m.id: partitions * m.weight // total for m in members}
    by_remainder = sorted(members, key=lambda m: (-(partitions * m.weight % total), m.id))
    for member in by_remainder[: partitions - sum(whole.values())]:
        whole[member.id] += 1
    return whole


def _kept(old: Ring, wanted: dict[str, int]) -> list[str]:
    """The old owners, with "" where one gives up a partition: as many as it has too many, evenly spread over the ring.

    Nodes give up at different phases; otherwise a new node would get neighbouring partitions, and with them the same
    preference lists twice.
    """
    owned = {node: [p for p, o in enumerate(old.owners) if o == node] for node in sorted(set(old.owners))}
    owners = list(old.owners)
    for rank, (node, places) in enumerate(owned.items()):
        surplus = max(0, len(places) - wanted.get(node, 0))
        phase = rank * len(places) // len(owned)
        for index, place in enumerate(places):
            if (index * surplus + phase) // len(places) != ((index + 1) * surplus + phase) // len(places):
                owners[place] = ""
    return owners


def _next_owner(left: dict[str, int], places: dict[str, Member], near: list[str]) -> str:
    """The node with most still to get, preferring one that does not stand nearby, then the zone that stands farthest,
    then the host.

    `near` has the closest owner first. Zones that take turns give every node of a zone the same share of its replicas.
    """
    close = set(near)
    zone_at: dict[str, int] = {}
    host_at: dict[str, int] = {}
    for distance, node in enumerate(near):
        member = places.get(node)
        zone_at.setdefault(member.fails_with_zone if member else "", distance)
        if member and member.host_label:
            host_at.setdefault(member.host_label, distance)
    far = len(near)

    def rank(node: str) -> tuple[bool, int, int, int, str]:
        member = places[node]
        zone, host = zone_at.get(member.fails_with_zone, far), host_at.get(member.host_label, far)
        return (node in close, -zone, -host, -left[node], node)

    return min((node for node, count in left.items() if count > 0), key=rank)


def _validate(members: list[Member], partitions: int) -> None:
    if not members:
        raise ConfigError("a cluster needs at least one member")
    if partitions < 1 or partitions > PARTITIONS_MAX or partitions & (partitions - 1):
        raise ConfigError(f"partitions must be a power of two up to {PARTITIONS_MAX}, not {partitions}")
    if len({m.id for m in members}) != len(members):
        raise ConfigError("two members have the same id")
    if any(m.weight < 1 for m in members):
        raise ConfigError("a member's weight must be at least 1")
    if len(members) > partitions:
        raise ConfigError(f"{len(members)} members cannot share {partitions} partitions")
    zone_of: dict[str, str] = {}
    for m in members:
        if zone_of.setdefault(m.fails_with_host, m.zone) != m.zone:
            other = zone_of[m.fails_with_host]
            raise ConfigError(f"the host {m.fails_with_host!r} lies in two zones, {other!r} and {m.zone!r}")
