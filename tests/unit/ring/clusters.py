"""Clusters to put on a ring."""

from __future__ import annotations

from hypothesis import strategies as st

from dynamo.ring.ring import Member


def member(number: int, zone: str = "", weight: int = 1) -> Member:
    return Member(f"node{number}", f"host{number}", 7611, 7610, 7612, zone, weight)


def zoned(zones: str) -> list[Member]:
    """One node for each letter, the letter its zone."""
    return [member(number, zone) for number, zone in enumerate(zones)]


@st.composite
def members(draw: st.DrawFn, nodes_max: int = 8) -> list[Member]:
    """Up to `nodes_max` nodes with ids that are not in order, some zones, some weights."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=1, max_size=nodes_max, unique=True))
    zones = st.sampled_from(["", "", "east", "north", "west"])
    return [member(number, draw(zones), draw(st.integers(1, 4))) for number in numbers]


partition_counts = st.sampled_from([8, 16, 64, 256])
