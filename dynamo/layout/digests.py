"""Merkle leaves: what lies in them and how a write changes one.

Each bucket has a fixed number of leaves in each partition, since buckets differ in their replicas, and only what two
nodes are both to hold can be compared. A key's leaf comes from the hash of the whole key. A leaf is the xor, over its
records, of a hash of key and versions; so a write changes it by `old ^ new` without reading its neighbours, and equal
sets of records give equal leaves on every replica, whatever the order of arrival. Branches above are computed when two
replicas compare (`repair/merkle.py`).
"""

from __future__ import annotations

from struct import Struct

from xxhash import xxh3_64_intdigest

LEAVES = 1024
"""Leaves per bucket and partition. Part of the disk format."""
EMPTY_LEAF = 0
_pack_pair = Struct(">QQ").pack


def leaf_of(key_hash: int) -> int:
    """The leaf of a key within its bucket and partition."""
    return key_hash & (LEAVES - 1)


def contribution(key_hash: int, version_digest: int) -> int:
    """What one record adds to its leaf."""
    return xxh3_64_intdigest(_pack_pair(key_hash, version_digest))


def encode_leaf(leaf: int) -> bytes | None:
    """Stored form of a leaf; None (absent) for an empty one, so that an emptied store is an empty keyspace."""
    return None if leaf == EMPTY_LEAF else leaf.to_bytes(8, "big")


def decode_leaf(data: bytes | None) -> int:
    """The leaf of a stored form."""
    return EMPTY_LEAF if data is None else int.from_bytes(data, "big")
