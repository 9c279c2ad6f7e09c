import contextlib
from functools import reduce
from operator import xor

from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo.config import BucketsSection
from dynamo.errors import (
    StorageFull,
)
from dynamo.layout.digests import contribution, decode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key, record_key, split_record_key
from dynamo.protocol.messages import Store
from dynamo.ring.token import key_hash
from dynamo.versioning.record import decode, digest, encode
from tests.unit.node.lone import LWW, SIBLINGS, Lone, of, theirs
from tests.unit.node.world import World

# --- Merkle leaves


def leaves(lone: Lone) -> dict[bytes, int]:
    """What the leaves must be: the xor over the records under them."""
    expected: dict[bytes, list[int]] = {}
    for stored, data in lone.storage.durable[Keyspace.RECORDS].items():
        partition, bucket, key = split_record_key(stored)
        place = key_hash(bucket, key)
        leaf = digest_key(partition, bucket, leaf_of(place))
        expected.setdefault(leaf, []).append(contribution(place, digest(decode(data))))
    return {leaf: reduce(xor, parts) for leaf, parts in expected.items()}


_key = st.sampled_from([b"a", b"b", b"a/1", b"a/2"])
_operation = st.one_of(
    st.tuples(st.just("write"), _key, st.sampled_from([b"x", b"y", None]), st.booleans()),
    st.tuples(st.just("store"), _key, st.integers(1, 4), st.booleans()),
    st.tuples(st.just("settle"), st.just(b""), st.booleans(), st.booleans()),
)


@settings(max_examples=60)
@given(st.lists(_operation, max_size=25))
def test_leaves_equal_the_records_under_them(operations):
    """After any writes, merges and failed batches, in any mode, queued and settled as it happens."""
    lone = Lone()
    for kind, key, what, flag in operations:
        bucket = LWW if flag else SIBLINGS
        if kind == "write":
            with contextlib.suppress(StorageFull):
                lone.begin(key, what, bucket=bucket)
        elif kind == "store":
            lone.replica.store(Store(bucket.name, key, encode(of(theirs(what, b"%d" % what)))), lambda _: None)
        else:
            lone.storage.full = what
            lone.world.agenda.run()
    lone.storage.full = False
    lone.world.agenda.run()
    stored = {leaf: decode_leaf(data) for leaf, data in lone.storage.durable[Keyspace.DIGESTS].items()}
    assert stored == leaves(lone)


def test_a_key_lies_where_its_partition_says(lone):
    """Under its partition, bucket and whole key."""
    lone.write(b"a/1", b"x")
    partition = lone.world["node1"].preference.partition("b", b"a/1")
    assert list(lone.storage.durable[Keyspace.RECORDS]) == [record_key(partition, "b", b"a/1")]


def test_buckets_made_by_default_are_of_the_default_mode():
    """An lww default makes last-write-wins buckets."""
    world = World(1, buckets=BucketsSection(mode="lww", n=1))
    world.write("node1", b"k", b"one")
    world.write("node1", b"k", b"two")
    assert world.values("node1", b"k") == [b"two"]
