import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Ring, changed_ring, first_ring
from dynamo.ring.token import partition_of, token
from tests.unit.ring.clusters import member, members, partition_counts, zoned


@given(members(), members(), partition_counts, st.integers(1, 6), st.booleans())
def test_a_preference_list_is_n_distinct_nodes(before, after, partitions, n, changed):
    """N distinct members, fewer only where there are fewer; distinct zones where there are enough of them.

    With the fallbacks every member is named once. All of it on first and on changed rings.
    """
    ring = first_ring(before, partitions)
    ring = changed_ring(ring, after) if changed else ring
    lists = PreferenceLists(ring)
    zone_of = {m.id: m.zone or m.id for m in ring.members}
    reachable = [m for m in ring.members if m.id in ring.owners]
    for partition in range(partitions):
        primaries = lists.primaries(partition, n)
        assert len(primaries) == len(set(primaries)) == min(n, len(reachable))
        zones = {zone_of[node] for node in primaries}
        assert len(zones) == min(n, len({zone_of[m.id] for m in reachable}))
        everyone = primaries + lists.fallbacks(partition, n)
        assert sorted(everyone) == sorted(m.id for m in reachable)


@given(members(), partition_counts, st.integers(1, 4))
def test_the_first_primary_is_the_owner(nodes, partitions, n):
    """The walk begins at the partition itself."""
    ring = first_ring(nodes, partitions)
    lists = PreferenceLists(ring)
    assert tuple(lists.primaries(p, n)[0] for p in range(partitions)) == ring.owners


@given(members(), partition_counts)
def test_nodes_of_one_epoch_agree(nodes, partitions):
    """Two tables of one ring, asked in different orders for different N, say the same."""
    one = PreferenceLists(first_ring(nodes, partitions))
    other = PreferenceLists(first_ring(nodes[::-1], partitions))
    for n in (3, 1, 2):
        other.primaries(0, n)
    for n in (1, 2, 3):
        for partition in range(partitions):
            assert one.primaries(partition, n) == other.primaries(partition, n)
            assert one.fallbacks(partition, n) == other.fallbacks(partition, n)


def test_zones_come_before_the_walk():
    """A second node of a zone is passed over while a zone is missing, then taken in the walk's order."""
    owners = ("node0", "node1", "node2", "node3")
    lists = PreferenceLists(Ring(1, tuple(zoned("aabb")), owners))
    assert lists.primaries(0, 2) == ("node0", "node2")
    assert lists.fallbacks(0, 2) == ("node1", "node3")
    assert lists.primaries(0, 3) == ("node0", "node2", "node1")
    assert lists.fallbacks(3, 2) == ("node1", "node2")
    assert lists.primaries(3, 2) == ("node3", "node0")


def test_nodes_without_a_zone_are_zones_of_their_own():
    """Then the walk alone decides."""
    lists = PreferenceLists(first_ring([member(i) for i in range(4)], 4))
    assert lists.primaries(1, 3) == ("node1", "node2", "node3")
    assert lists.fallbacks(1, 3) == ("node0",)


def test_a_cluster_smaller_than_n_has_what_it_has():
    """One node is the whole list, and nobody stands in."""
    lists = PreferenceLists(first_ring([member(1)], 8))
    assert lists.primaries(5, 3) == ("node1",)
    assert lists.fallbacks(5, 3) == ()


@pytest.mark.parametrize("partitions", [1, 8, 256])
def test_a_key_is_where_its_token_lies(partitions):
    """The partition of a key is that of its token."""
    lists = PreferenceLists(first_ring([member(1)], partitions))
    for key in (b"a", b"user42/cart", b"\xff"):
        assert lists.partition("b", key) == partition_of(token("b", key), partitions)
