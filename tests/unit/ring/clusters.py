"""Clusters to put on a ring."""

from __future__ import annotations

from hypothesis import strategies as st

from dynamo.ring.ring import Member


def member(number: int, zone: str = "", weight: int = 1, host_label: str = "") -> Member:
    return Member(f"node{number}", f"host{number}", 7611, 7610, 7612, zone, weight, host_label)


def zoned(zones: str) -> list[Member]:
    """One node for each letter, the letter its zone."""
    return [member(number, zone) for number, zone in enumerate(zones)]


def labelled(nodes: int, hosts: int) -> list[Member]:
    """Nodes in turn on that many hosts, as `dynamo up --hosts` labels them."""
    return [member(number, host_label=f"h{number % hosts + 1}") for number in range(nodes)]


@st.composite
def hosted(draw: st.DrawFn, nodes_max: int = 8) -> list[Member]:
    """Nodes on some hosts, which are in some zones or in none; some nodes without a label."""
    zone_of = {f"h{i}": draw(st.sampled_from(["", "east", "west"])) for i in range(5)}
    numbers = draw(st.lists(st.integers(0, 99), min_size=1, max_size=nodes_max, unique=True))
    found = []
    for number in numbers:
        label = draw(st.sampled_from(["", *zone_of]))
        zone = zone_of[label] if label else draw(st.sampled_from(["", "east"]))
        found.append(member(number, zone, draw(st.integers(1, 3)), label))
    return found


@st.composite
def members(draw: st.DrawFn, nodes_max: int = 8) -> list[Member]:
    """Up to `nodes_max` nodes with ids that are not in order, some zones, some weights."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=1, max_size=nodes_max, unique=True))
    zones = st.sampled_from(["", "", "east", "north", "west"])
    return [member(number, draw(zones), draw(st.integers(1, 4))) for number in numbers]


partition_counts = st.sampled_from([8, 16, 64, 256])
