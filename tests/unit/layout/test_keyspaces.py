import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.digests import LEAVES
from dynamo.layout.keyspaces import (
    STORED_KEY_BYTES_MAX,
    Keyspace,
    bucket_range,
    digest_key,
    digest_key_of,
    first_digest,
    hint_key,
    hint_range,
    partition_range,
    place_of,
    record_key,
    split_digest_key,
    split_hint_key,
    split_record_key,
    successor,
)
from dynamo.ring.token import BUCKET_BYTES_MAX, KEY_BYTES_MAX, key_hash

partitions = st.integers(0, 0xFFFF)
# Names that are prefixes of each other and sort near the separator are the interesting ones.
buckets = st.from_regex(r"[a-b0][a-b0._-]{0,4}", fullmatch=True)
keys = st.lists(st.sampled_from([0, 1, 0x2D, 0x2F, 0x61, 0x62, 0xFE, 0xFF]), min_size=1, max_size=6).map(bytes)
places = st.tuples(partitions, buckets, keys)


def within(key: bytes, bounds: tuple[bytes, bytes | None]) -> bool:
    return bounds[0] <= key and (bounds[1] is None or key < bounds[1])


@given(places)
def test_a_record_key_says_where_it_belongs(place):
    """Partition, bucket and key come back, NUL bytes in the key included."""
    assert split_record_key(record_key(*place)) == place


@given(places, st.integers(0, LEAVES - 1))
def test_a_record_key_says_where_its_leaf_lies(place, leaf):
    """And what the key's hash is, without bucket and key being taken apart."""
    partition, bucket, key = place
    assert place_of(record_key(*place)) == key_hash(bucket, key)
    assert digest_key_of(record_key(*place), leaf) == digest_key(partition, bucket, leaf)


@given(places, places)
def test_record_keys_sort_by_partition_then_bucket_then_key(left, right):
    """So a partition is one range, a bucket in it is one, and the keys of a bucket are in order."""

    def order(place):
        partition, bucket, key = place
        return (partition, bucket.encode() + b"\0", key)

    assert (record_key(*left) < record_key(*right)) == (order(left) < order(right))


@given(places, partitions, buckets)
def test_a_bucket_range_holds_exactly_the_bucket(place, partition, bucket):
    """Records and digests; no neighbour whose name begins alike, and no other partition."""
    inside = place[0] == partition and place[1] == bucket
    assert within(record_key(*place), bucket_range(partition, bucket)) == inside
    assert within(digest_key(place[0], place[1], 0), bucket_range(partition, bucket)) == inside
    assert within(digest_key(place[0], place[1], LEAVES - 1), bucket_range(partition, bucket)) == inside


@given(places, st.integers(0, LEAVES - 1), partitions)
def test_a_partition_range_holds_exactly_the_partition(place, leaf, partition):
    """Records and digests; the last partition has no end."""
    bounds = partition_range(partition)
    assert within(record_key(*place), bounds) == (place[0] == partition)
    assert within(digest_key(place[0], place[1], leaf), bounds) == (place[0] == partition)


leaves = st.tuples(partitions, buckets, st.integers(0, LEAVES - 1))


@given(leaves, leaves)
def test_digest_keys_are_in_order(left, right):
    """By partition, then bucket, then leaf; and they say where they belong."""

    def order(place):
        partition, bucket, leaf = place
        return (partition, bucket.encode() + b"\0", leaf)

    assert (digest_key(*left) < digest_key(*right)) == (order(left) < order(right))
    assert split_digest_key(digest_key(*left)) == left


@given(partitions, st.integers(0, LEAVES - 1), leaves, partitions)
def test_digests_of_the_earlier_form_are_in_no_range(partition, leaf, new, asked):
    """A store made by an earlier version has them under partition and leaf alone: nobody may take them for leaves."""
    earlier = partition.to_bytes(2, "big") + leaf.to_bytes(2, "big")
    assert not within(earlier, bucket_range(asked, new[1]))
    assert not within(earlier, (first_digest(asked), partition_range(asked)[1]))
    assert within(digest_key(*new), (first_digest(asked), partition_range(asked)[1])) == (new[0] == asked)


@given(keys, keys)
def test_nothing_lies_between_a_key_and_its_successor(key, other):
    """A scan that goes on at the successor repeats nothing and leaves out nothing."""
    assert key < successor(key)
    assert not key < other < successor(key)


@given(st.from_regex(r"[a-b][a-b-]{0,3}", fullmatch=True), st.from_regex(r"[a-b][a-b-]{0,3}", fullmatch=True), places)
def test_hints_of_a_target_are_one_range(target, other, place):
    """A target whose name begins like another's owes nothing to it."""
    key = hint_key(other, record_key(*place))
    assert within(key, hint_range(target)) == (target == other)
    assert split_hint_key(key) == (other, record_key(*place))
    assert key.partition(b"\0")[2] == record_key(*place)


def test_the_longest_keys_fit():
    """Of every keyspace, at all limits at once."""
    longest = record_key(0xFFFF, "b" * BUCKET_BYTES_MAX, b"\xff" * KEY_BYTES_MAX)
    assert len(longest) < STORED_KEY_BYTES_MAX
    assert len(hint_key("n" * 32, longest)) <= STORED_KEY_BYTES_MAX


@pytest.mark.parametrize(
    ("made", "pinned"),
    [
        (record_key(0x0102, "users", b"a/b"), "01027573657273" + "00" + "612f62"),
        (digest_key(0x0102, "users", 0x0304), "01027573657273" + "00" + "0304"),
        (first_digest(0x0102), "010230"),
        (hint_key("node1", b"\x01\x02b\x00k"), "6e6f646531" + "00" + "0102" + "62" + "00" + "6b"),
        (bucket_range(1, "b")[0], "000162" + "00"),
        (bucket_range(1, "b")[1], "000162" + "01"),
        (partition_range(0xFFFE)[1], "ffff"),
    ],
)
def test_the_encodings_are_pinned(made, pinned):
    """Part of every store that exists."""
    assert made.hex() == pinned


def test_the_keyspaces_are_pinned():
    """Their names are on disk."""
    assert sorted(space.value for space in Keyspace) == ["ballots", "digests", "hints", "meta", "records"]
    assert partition_range(0xFFFF) == (b"\xff\xff", None)
