"""Host labels over the whole of placement: rings, preference lists, stand-ins, moves."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from dynamo.errors import ConfigError
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, Ring, _kept, changed_ring, first_ring, shares
from tests.unit.ring import before_hosts
from tests.unit.ring.clusters import hosted, labelled, member, members, zoned

# Of rings that were made before there were host labels: every preference list for N 1, 2, 3 and 5, and every fallback.
# Zones by letter, weights by digit; then a ring without its first node, then one with another.
FROZEN = {
    ("...", "111"): ("5b98f89237013e6e", "7ceb3cad71b04eb4", "3d8c78d394bb0c34"),
    ("......", "121131"): ("a1ac164dd3e456bf", "d3b6523863139d94", "70f9fcb1d1b29eac"),
    ("aabbcc", "111111"): ("96dc3964343b11ae", "ea4a9e77565425cd", "19be7981c2b23b04"),
    ("aab..c", "211111"): ("e446c0916946dff0", "fbd9315df8e31027", "0e13866d5e9e53c7"),
    ("abcdefghi", "111111111"): ("4942981b2f3acf6f", "7af41d0886762348", "158b60d456f4df32"),
}


few = settings(max_examples=40)
few_partitions = st.sampled_from([8, 16, 64])


def digest(ring: Ring) -> str:
    lists = PreferenceLists(ring)
    rows = [
        " ".join((*lists.primaries(partition, n), "|", *lists.fallbacks(partition, n)))
        for n in (1, 2, 3, 5)
        for partition in range(ring.partitions)
    ]
    return xxh3_64_hexdigest("\n".join(rows).encode())


def host_of(ring: Ring) -> dict[str, str]:
    return {m.id: m.host_label or m.id for m in ring.members}


def shares_of_mean(ring: Ring, n: int = 3) -> tuple[float, float]:
    """How many replicas the node with the fewest and the one with the most hold, over the mean."""
    lists = PreferenceLists(ring)
    counts = Counter(node for partition in range(ring.partitions) for node in lists.primaries(partition, n))
    mean = counts.total() / len(ring.members)
    return min(counts[m.id] for m in ring.members) / mean, max(counts.values()) / mean


@pytest.mark.parametrize(("shape", "digests"), FROZEN.items())
def test_placement_without_hosts_is_frozen(shape, digests):
    """Another one would look for the data of every cluster that exists in the wrong place."""
    zones, weights = shape
    nodes = [
        member(i, zone.strip("."), int(weight)) for i, (zone, weight) in enumerate(zip(zones, weights, strict=True))
    ]
    ring = first_ring(nodes, 256)
    changed = changed_ring(ring, nodes[1:]), changed_ring(ring, [*nodes, member(50, "z")])
    assert tuple(map(digest, (ring, *changed))) == digests


@few
@given(members(), members(), few_partitions, st.integers(1, 5))
def test_placement_without_hosts_is_as_before_there_were_hosts(before, after, partitions, n):
    """For any cluster: owners of first and changed rings, primaries and fallbacks."""
    old = first_ring(before, partitions)
    assert old.owners == before_hosts.owners(before, partitions)
    new = changed_ring(old, after)
    kept = _kept(old, shares(new.members, partitions))
    assert new.owners == before_hosts.changed_owners(old, kept, after)
    for ring in (old, new):
        lists = PreferenceLists(ring)
        for partition in range(partitions):
            walk = lists.walk(partition)
            wanted = before_hosts.primaries(walk, ring.members, n)
            assert lists.primaries(partition, n) == wanted
            assert lists.fallbacks(partition, n) == before_hosts.fallbacks(walk, wanted)


@few
@given(members(), few_partitions, st.integers(1, 5))
def test_a_label_that_nobody_shares_changes_nothing(zoned_nodes, partitions, n):
    """A node without one is a host of its own; saying so with its own name is the same."""
    nodes = [msgspec.structs.replace(m, zone="") for m in zoned_nodes]
    bare = PreferenceLists(first_ring(nodes, partitions))
    named = PreferenceLists(first_ring([msgspec.structs.replace(m, host_label=m.id) for m in nodes], partitions))
    assert bare.ring.owners == named.ring.owners
    for partition in range(partitions):
        assert bare.primaries(partition, n) == named.primaries(partition, n)
        assert bare.fallbacks(partition, n) == named.fallbacks(partition, n)


@few
@given(hosted(), hosted(), few_partitions, st.integers(1, 6), st.booleans())
def test_no_two_copies_share_a_host_while_there_are_hosts(before, after, partitions, n, changed):
    """As many hosts as there can be, and as many zones as before; N distinct nodes; everybody named once."""
    ring = first_ring(before, partitions)
    ring = changed_ring(ring, after) if changed else ring
    lists, hosts = PreferenceLists(ring), host_of(ring)
    zones = {m.id: m.zone or m.host_label or m.id for m in ring.members}
    reachable = [m.id for m in ring.members if m.id in ring.owners]
    for partition in range(partitions):
        primaries = lists.primaries(partition, n)
        assert len(set(primaries)) == len(primaries) == min(n, len(reachable))
        assert len({hosts[node] for node in primaries}) == min(n, len({hosts[node] for node in reachable}))
        assert len({zones[node] for node in primaries}) == min(n, len({zones[node] for node in reachable}))
        assert primaries[0] == ring.owners[partition]
        assert sorted(primaries + lists.fallbacks(partition, n)) == sorted(reachable)
    most = max(max(Counter(hosts[node] for node in lists.primaries(p, n)).values()) for p in range(partitions))
    assert lists.most_on_a_host(n) == most


@few
@given(hosted(), few_partitions, st.integers(1, 4))
def test_stand_ins_are_on_other_hosts_first(nodes, partitions, n):
    """As many of the fallbacks as there are hosts without a primary come first, each on one of those."""
    ring = first_ring(nodes, partitions)
    lists, hosts = PreferenceLists(ring), host_of(ring)
    for partition in range(partitions):
        primaries, fallbacks = lists.primaries(partition, n), lists.fallbacks(partition, n)
        taken = {hosts[node] for node in primaries}
        free = {hosts[node] for node in fallbacks} - taken
        assert {hosts[node] for node in fallbacks[: len(free)]} == free


@few
@given(hosted(), hosted(), few_partitions, st.randoms(use_true_random=False))
def test_placement_with_hosts_depends_on_nothing_else(before, after, partitions, dice):
    """The same members in another order give the same rings."""
    one = first_ring(before, partitions)
    changed = changed_ring(one, after)
    dice.shuffle(before)
    dice.shuffle(after)
    assert first_ring(before, partitions) == one
    assert changed_ring(one, after) == changed


@few
@given(hosted(), hosted(), few_partitions)
def test_hosts_cost_no_moves_of_owners(before, after, partitions):
    """A change moves exactly what the new shares demand, as without hosts."""
    old = first_ring(before, partitions)
    new = changed_ring(old, after)
    wanted = shares(new.members, partitions)
    moved = sum(was != now for was, now in zip(old.owners, new.owners, strict=True))
    assert moved == sum(max(0, count - wanted.get(node, 0)) for node, count in Counter(old.owners).items())


@pytest.mark.parametrize(
    ("nodes", "hosts"), [(4, 2), (6, 3), (8, 4), (9, 3), (12, 3), (12, 4), (12, 6), (16, 4), (20, 5)]
)
def test_replicas_are_balanced_over_hosts(nodes, hosts):
    """Nodes of hosts of equal size hold equally much, within a twentieth of the mean."""
    low, high = shares_of_mean(first_ring(labelled(nodes, hosts), 512))
    assert low > 0.95
    assert high < 1.05


@pytest.mark.parametrize(("zones", "per_zone", "nodes"), [(3, 2, 2), (2, 2, 2), (2, 3, 2), (3, 1, 4), (2, 4, 4)])
def test_replicas_are_balanced_over_hosts_in_zones(zones, per_zone, nodes):
    """Zones, hosts in them and nodes on those, all of equal size."""
    placed = [
        member(number, f"z{zone}", host_label=f"z{zone}h{host}")
        for number, (zone, host, _) in enumerate(
            (zone, host, node) for node in range(nodes) for host in range(per_zone) for zone in range(zones)
        )
    ]
    low, high = shares_of_mean(first_ring(placed, 512))
    assert low > 0.8
    assert high < 1.2


def test_replicas_stay_balanced_while_hosts_come_and_go():
    """Three hosts of two nodes become four, five, four, three: between a half and three halves, and no host twice."""
    nodes = labelled(10, 5)
    ring = first_ring(nodes[:3] + nodes[5:8], 256)
    for count in (4, 5, 4, 3):
        ring = changed_ring(ring, nodes[:count] + nodes[5 : 5 + count])
        low, high = shares_of_mean(ring)
        assert low > 0.6
        assert high < 1.4
        assert PreferenceLists(ring).most_on_a_host(3) == 1


def test_more_copies_than_hosts_share_them():
    """Two hosts of three nodes at N=3: both hold each key, on three nodes."""
    lists = PreferenceLists(first_ring(labelled(6, 2), 64))
    assert lists.most_on_a_host(3) == 2
    assert all(len(set(lists.primaries(partition, 3))) == 3 for partition in range(64))


def test_zones_come_before_hosts():
    """A second host of a zone is passed over while a zone is missing, a second node of a host while a host is."""
    nodes = [
        Member(f"node{i}", "h", 1, 2, 3, zone, 1, host)
        for i, (zone, host) in enumerate([("a", "a1"), ("a", "a1"), ("a", "a2"), ("b", "b1")])
    ]
    lists = PreferenceLists(Ring(1, tuple(nodes), ("node0", "node1", "node2", "node3")))
    assert lists.primaries(0, 2) == ("node0", "node3")
    assert lists.primaries(0, 3) == ("node0", "node3", "node2")
    assert lists.fallbacks(0, 2) == ("node2", "node1")
    assert lists.primaries(0, 4) == ("node0", "node3", "node2", "node1")


def test_a_host_is_in_one_zone():
    """Anything else cannot be meant."""
    with pytest.raises(ConfigError, match="lies in two zones"):
        first_ring([member(1, "a", host_label="node2"), member(2)], 8)
    with pytest.raises(ConfigError, match="lies in two zones"):
        first_ring([member(1, "a", host_label="h"), member(2, "b", host_label="h")], 8)


def test_a_member_that_was_encoded_before_hosts_is_read():
    """It is shorter by the label, which is then empty; old zones are unchanged beside it."""
    was = msgspec.msgpack.encode(list(msgspec.structs.astuple(zoned("a")[0]))[:-1])
    assert msgspec.msgpack.decode(was, type=Member) == zoned("a")[0]
