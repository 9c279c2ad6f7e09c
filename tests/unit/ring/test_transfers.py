from hypothesis import given
from hypothesis import strategies as st

from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import changed_ring, first_ring
from dynamo.ring.transfers import Move, moves
from tests.unit.ring.clusters import member, members, partition_counts


@given(members(), members(), partition_counts, st.integers(1, 4))
def test_moves_make_the_old_replicas_into_the_new_ones(before, after, partitions, n):
    """Who becomes a replica receives, once, from those that were; who already was one receives nothing."""
    old = PreferenceLists(first_ring(before, partitions))
    new = PreferenceLists(changed_ring(old.ring, after))
    held = {(partition, node) for partition in range(partitions) for node in old.primaries(partition, n)}
    found = moves(old, new, n)
    received = [(move.partition, move.receiver) for move in found]
    assert len(set(received)) == len(received)
    assert not set(received) & held
    wanted = {(partition, node) for partition in range(partitions) for node in new.primaries(partition, n)}
    assert wanted <= held | set(received)
    assert set(received) <= wanted
    assert [move.partition for move in found] == sorted(move.partition for move in found)
    assert all(move.sources == old.primaries(move.partition, n) for move in found)


def test_no_change_no_moves():
    """The same owners under another epoch move nothing."""
    ring = first_ring([member(i) for i in range(4)], 16)
    same = changed_ring(ring, list(ring.members))
    assert moves(PreferenceLists(ring), PreferenceLists(same), 3) == []


def test_a_second_node_receives_everything_it_is_to_replicate():
    """From one node to two, N=2: each partition moves to the new one, from the old one."""
    old = PreferenceLists(first_ring([member(1)], 4))
    new = PreferenceLists(changed_ring(old.ring, [member(1), member(2)]))
    assert moves(old, new, 2) == [Move(partition, "node2", ("node1",)) for partition in range(4)]
