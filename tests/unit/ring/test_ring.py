from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dynamo.errors import ConfigError
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import PARTITIONS_MAX, Member, Ring, changed_ring, first_ring, shares
from tests.unit.ring.clusters import member, members, partition_counts, zoned


def owned(ring: Ring) -> dict[str, int]:
    return dict(Counter(ring.owners))


def replicas(ring: Ring, n: int = 3) -> dict[str, float]:
    """How many partitions each node is a primary of, over the mean."""
    lists = PreferenceLists(ring)
    counts = Counter(node for partition in range(ring.partitions) for node in lists.primaries(partition, n))
    return {m.id: counts[m.id] * len(ring.members) / counts.total() for m in ring.members}


def spread(ring: Ring) -> tuple[float, float]:
    of_mean = replicas(ring).values()
    return min(of_mean), max(of_mean)


@given(members(), partition_counts, st.randoms(use_true_random=False))
def test_the_same_members_give_the_same_ring(nodes, partitions, dice):
    """Every node of a new cluster computes it by itself, whatever the order in its file."""
    again = list(nodes)
    dice.shuffle(again)
    assert first_ring(again, partitions) == first_ring(nodes, partitions)


def test_a_first_ring_is_pinned():
    """Another deal would move the data of every cluster that exists."""
    a, b, c = "node1", "node2", "node3"
    assert first_ring([member(i) for i in (1, 2, 3)], 8).owners == (a, b, c, a, b, c, a, b)
    nodes = [member(1, "x"), member(2, "x"), member(3, "y"), member(4, "y", weight=2)]
    zones = first_ring(nodes, 8)
    assert zones.owners == tuple(f"node{i}" for i in (4, 1, 3, 2, 4, 1, 4, 2))
    assert changed_ring(zones, nodes[1:]).owners == tuple(f"node{i}" for i in (4, 3, 3, 2, 4, 4, 4, 2))


@given(members(), partition_counts)
def test_shares_are_exact(nodes, partitions):
    """Every partition has an owner; a node has its weight's share, rounded down or up, and as the ring says."""
    ring = first_ring(nodes, partitions)
    total = sum(m.weight for m in nodes)
    wanted = shares(ring.members, partitions)
    assert owned(ring) == {node: count for node, count in wanted.items() if count}
    assert sum(wanted.values()) == partitions
    for m in nodes:
        assert wanted[m.id] in (partitions * m.weight // total, -(-partitions * m.weight // total))


@given(members(), partition_counts)
def test_a_heavier_node_never_gets_less(nodes, partitions):
    """Shares follow weights."""
    wanted = shares(tuple(nodes), partitions)
    for one in nodes:
        for other in nodes:
            if one.weight > other.weight:
                assert wanted[one.id] >= wanted[other.id]


@given(members(), members(), partition_counts)
def test_a_change_moves_as_few_partitions_as_the_shares_allow(before, after, partitions):
    """A node gives up exactly what it has too many of; the shares are exact again; one epoch later."""
    old = first_ring(before, partitions)
    new = changed_ring(old, after)
    wanted = shares(new.members, partitions)
    assert owned(new) == {node: count for node, count in wanted.items() if count}
    moved = sum(was != now for was, now in zip(old.owners, new.owners, strict=True))
    assert moved == sum(max(0, count - wanted.get(node, 0)) for node, count in owned(old).items())
    assert new.epoch == old.epoch + 1
    assert new.members == tuple(sorted(after, key=lambda m: m.id))


@given(members(), members(), partition_counts)
def test_a_change_is_the_same_on_every_node(before, after, partitions):
    """It depends on the old ring and the members, not on their order."""
    old = first_ring(before, partitions)
    assert changed_ring(old, after) == changed_ring(old, after[::-1])


@given(members(), partition_counts)
def test_nothing_moves_where_nothing_changed(nodes, partitions):
    """Another epoch alone is no reason to move."""
    old = first_ring(nodes, partitions)
    assert changed_ring(old, nodes).owners == old.owners


@pytest.mark.parametrize("nodes", [3, 4, 5, 6, 9, 16])
def test_replicas_of_a_first_ring_are_balanced(nodes):
    """Not only first places, but all N replicas, within a thirtieth of the mean."""
    low, high = spread(first_ring([member(i) for i in range(nodes)], 256))
    assert low > 0.96
    assert high < 1.04


@pytest.mark.parametrize("zones", ["aab", "aabb", "aabbcc", "abcabc", "aaabbbccc", "abcabcabc", "aabbccdd"])
def test_replicas_are_balanced_over_zones(zones):
    """Nodes of equal weight in zones of equal size hold equally much, in whatever order the nodes are named."""
    low, high = spread(first_ring(zoned(zones), 256))
    assert low > 0.96
    assert high < 1.04


@pytest.mark.parametrize(("zones", "counts"), [("", [4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3]), ("abc", [6, 9, 6, 3])])
def test_replicas_stay_balanced_while_a_cluster_grows_and_shrinks(zones, counts):
    """Between two thirds and four thirds of the mean, and cheaply.

    A joining node takes its own share; beside it only the replicas that stood behind a moved place move.
    """
    nodes = [member(i, zones[i % 3] if zones else "") for i in range(9)]
    ring = first_ring(nodes[:3], 256)
    for count in counts:
        old, ring = ring, changed_ring(ring, nodes[:count])
        low, high = spread(ring)
        assert low > 0.66
        assert high < 1.34
        before, after = PreferenceLists(old), PreferenceLists(ring)
        moved = sum(len(set(after.primaries(p, 3)) - set(before.primaries(p, 3))) for p in range(256))
        changed = abs(count - len(old.members))
        assert moved <= 1.5 * 3 * 256 * changed / max(count, len(old.members))


@pytest.mark.parametrize("nodes", [3, 4, 5, 6, 7, 8])
def test_a_joining_node_gets_its_share_of_replicas(nodes):
    """Its places are spread over the ring: neighbouring ones would give it the same replicas twice."""
    ring = changed_ring(first_ring([member(i) for i in range(nodes)], 256), [member(i) for i in range(nodes + 1)])
    assert replicas(ring)[f"node{nodes}"] > 0.75
    assert max(replicas(ring).values()) < 1.15


@given(members(), partition_counts)
def test_neighbours_differ(nodes, partitions):
    """With equal weights no two neighbours of a first ring, up to its seam, are the same node."""
    assume(len(nodes) > 1)
    ring = first_ring([Member(m.id, m.host, 1, 2, 3) for m in nodes], partitions)
    assert all(left != right for left, right in zip(ring.owners, ring.owners[1:], strict=False))


def test_members_are_found_by_id():
    """A stranger is None."""
    ring = first_ring([member(1), member(2)], 8, epoch=7)
    assert ring.member("node2") == member(2)
    assert ring.member("node3") is None
    assert (ring.epoch, ring.partitions) == (7, 8)


@pytest.mark.parametrize(
    ("nodes", "partitions", "problem"),
    [
        ([], 8, "at least one"),
        ([member(1)], 0, "power of two"),
        ([member(1)], 3, "power of two"),
        ([member(1)], -8, "power of two"),
        ([member(1)], 2 * PARTITIONS_MAX, "power of two"),
        ([member(1), member(1)], 8, "same id"),
        ([member(1, weight=0)], 8, "at least 1"),
        ([member(i) for i in range(9)], 8, "cannot share"),
    ],
)
def test_a_ring_that_cannot_be_is_refused(nodes, partitions, problem):
    """At start and at a change alike."""
    with pytest.raises(ConfigError, match=problem):
        first_ring(nodes, partitions)
    if partitions == 8:
        with pytest.raises(ConfigError, match=problem):
            changed_ring(first_ring([member(1)], 8), nodes)


def test_the_limits_themselves_are_allowed():
    """One partition, and as many as there can be; as many nodes as partitions."""
    assert first_ring([member(1)], 1).owners == ("node1",)
    assert first_ring([member(1), member(2)], PARTITIONS_MAX).partitions == PARTITIONS_MAX
    assert sorted(first_ring([member(i) for i in range(8)], 8).owners) == [f"node{i}" for i in range(8)]
