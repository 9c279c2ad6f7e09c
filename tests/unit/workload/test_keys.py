import itertools

import pytest

from dynamo.workload.keys import KeySpace, RoutedKeys


def test_one_seed_gives_one_run():
    """Equal arguments give equal keys, values and order; another seed gives others."""
    one, same, other = KeySpace(7, 50, 16), KeySpace(7, 50, 16), KeySpace(8, 50, 16)
    assert (one.keys, one.values, one.shares(3)) == (same.keys, same.values, same.shares(3))
    assert one.values != other.values
    assert one.shares(3) != other.shares(3)


@pytest.mark.parametrize(("count", "connections"), [(100, 1), (100, 7), (100, 64), (64, 64)])
def test_shares_are_a_partition_of_the_keys(count: int, connections: int):
    """Each key belongs to exactly one connection, and no connection has two more than another."""
    shares = KeySpace(1, count, 8).shares(connections)
    assert sorted(position for share in shares for position in share) == list(range(count))
    assert len(shares) == connections
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_order_is_shuffled():
    """Neighbouring keys are not asked for one after another: stores would find them on one page."""
    (share,) = KeySpace(1, 1000, 8).shares(1)
    assert sum(abs(a - b) == 1 for a, b in itertools.pairwise(share)) < 20


def test_keys_and_values_have_one_size():
    """So that each request of a run is of equal length, whatever its key."""
    space = KeySpace(1, 300, 256)
    assert {len(key) for key in space.keys} == {12}
    assert {len(value) for value in space.values} == {256}
    assert len(set(space.keys)) == len(set(space.values)) == len(space) == 300


def test_more_connections_than_keys_are_refused():
    """Two connections would meet at a key."""
    with pytest.raises(AssertionError, match="key of its own"):
        KeySpace(1, 3, 8).shares(4)


def test_routed_keys_are_asked_for_at_their_endpoint():
    """Connections take turns over the endpoints; shares are disjoint, and together all keys."""
    keys = KeySpace(1, 30, 4)
    routed = RoutedKeys(keys, [position % 3 for position in range(30)], 3)
    shares = routed.shares(7)
    assert [{position % 3 for position in share} for share in shares] == [{0}, {1}, {2}, {0}, {1}, {2}, {0}]
    assert sorted(position for share in shares for position in share) == list(range(30))
    assert routed.values == keys.values


def test_all_keys_are_walked_whoever_asks():
    """Each once, in the shuffled order; routed keys say at which endpoint each is asked for."""
    keys = KeySpace(1, 9, 1)
    routed = RoutedKeys(keys, [0, 1, 2] * 3, 3)
    assert sorted(keys.walk()) == list(range(9))
    assert routed.walk() == keys.walk() == keys.shares(1)[0]
    assert (keys.groups, {keys.group(position) for position in keys.walk()}) == (1, {0})
    assert (routed.groups, [routed.group(position) for position in range(4)]) == (3, [0, 1, 2, 0])
