"""The keyspaces of a node's store and the encoding of their keys.

All keyspaces that later parts need are named now, so that a store made today stays readable: an unused one costs
nothing. Record keys sort by partition, then bucket, then key bytes; so a partition is one contiguous range, and the
keys under one partition key lie in order.

    records   partition u16 | bucket | 00 | key            -> record              (versioning/record.py)
    digests   partition u16 | bucket | 00 | leaf u16       -> u64 xor of records  (layout/digests.py)
    hints     target node | 00 | record key                -> hint                (layout/hint.py)
    ballots   as records                                   -> acceptor state      (layout/ballot.py)
    meta      name                                         -> msgpack             (bucket properties, topology)

Digests of earlier versions lie under `partition u16 | leaf u16`. Their third byte is at most 3, and a bucket's name
begins with a letter or a digit: so they are in no bucket's range, and nobody takes them for leaves.
"""

from __future__ import annotations

from enum import Enum

from xxhash import xxh3_64_intdigest


class Keyspace(Enum):
    """Ordered maps from bytes to bytes; the value is the name on disk."""

    RECORDS = "records"
    DIGESTS = "digests"
    HINTS = "hints"
    BALLOTS = "ballots"
    META = "meta"

    # Members are single objects, so identity hashes them as well as their names do, without a call in Python.
    __hash__ = object.__hash__


STORED_KEY_BYTES_MAX = 511
"""Largest key LMDB takes: 2 + 63 + 1 + 400 for a record, and as much room again for a hint's target."""


def record_key(partition: int, bucket: str, key: bytes) -> bytes:
    """Key of a record or of its acceptor state."""
    return partition.to_bytes(2, "big") + bucket.encode() + b"\0" + key


def split_record_key(stored: bytes) -> tuple[int, str, bytes]:
    """Partition, bucket and key of a stored record key."""
    bucket, _, key = stored[2:].partition(b"\0")
    return int.from_bytes(stored[:2], "big"), bucket.decode(), key


def place_of(stored: bytes) -> int:
    """`ring.token.key_hash` of the key under a record key: that hashes what comes behind the partition."""
    return xxh3_64_intdigest(stored[2:])


def bucket_range(partition: int, bucket: str) -> tuple[bytes, bytes]:
    """First key, and the first key beyond, of a bucket's records or digests in one partition."""
    head = partition.to_bytes(2, "big") + bucket.encode()
    return head + b"\0", head + b"\1"


def partition_range(partition: int) -> tuple[bytes, bytes | None]:
    """First key, and the first key beyond (None for the last partition), of a partition's records or digests."""
    if partition == 0xFFFF:
        return partition.to_bytes(2, "big"), None
    return partition.to_bytes(2, "big"), (partition + 1).to_bytes(2, "big")


def digest_key(partition: int, bucket: str, leaf: int) -> bytes:
    """Key of a Merkle leaf."""
    return partition.to_bytes(2, "big") + bucket.encode() + b"\0" + leaf.to_bytes(2, "big")


def digest_key_of(stored: bytes, leaf: int) -> bytes:
    """Key of the Merkle leaf of that number in the partition and bucket of a record key."""
    return stored[: stored.index(b"\0", 2) + 1] + leaf.to_bytes(2, "big")


def split_digest_key(stored: bytes) -> tuple[int, str, int]:
    """Partition, bucket and leaf of a stored digest key."""
    return int.from_bytes(stored[:2], "big"), stored[2:-3].decode(), int.from_bytes(stored[-2:], "big")


def first_digest(partition: int) -> bytes:
    """Where the digests of a partition's buckets begin; those of an earlier form lie before it."""
    return partition.to_bytes(2, "big") + b"0"


def hint_key(target: str, stored: bytes) -> bytes:
    """Key of the hint that a target is owed for a record key."""
    return target.encode() + b"\0" + stored


def split_hint_key(stored: bytes) -> tuple[str, bytes]:
    """Target and record key of a stored hint key."""
    target, _, rest = stored.partition(b"\0")
    return target.decode(), rest


def hint_range(target: str) -> tuple[bytes, bytes]:
    """First key, and the first key beyond, of all hints for a target."""
    return target.encode() + b"\0", target.encode() + b"\1"


def successor(stored: bytes) -> bytes:
    """The smallest key greater than `stored`: where a scan goes on after it."""
    return stored + b"\0"
