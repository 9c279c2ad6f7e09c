"""From key to place.

The ring hashes bucket and *partition key* only: the key's part before its first `/`. So `user42/cart/1` and
`user42/profile` share their replicas, and LMDB keeps them next to each other in key order.
"""

from __future__ import annotations

from xxhash import xxh3_64_intdigest

TOKEN_BITS = 64
BUCKET_BYTES_MAX = 63
KEY_BYTES_MAX = 400


def partition_key(key: bytes) -> bytes:
    """The part of a key that decides its place."""
    return key.partition(b"/")[0]


def token(bucket: str, key: bytes) -> int:
    """The 64-bit place of a key on the ring (xxh3_64, seed 0, of bucket, NUL, partition key)."""
    return xxh3_64_intdigest(bucket.encode() + b"\0" + key.partition(b"/")[0])


def partition_of(place: int, partitions: int) -> int:
    """The partition, 0 to partitions - 1, that holds a token. `partitions` is a power of two."""
    return place >> shift_of(partitions)


def shift_of(partitions: int) -> int:
    """By how many bits a token is shifted to find its partition: those are its uppermost bits."""
    return TOKEN_BITS + 1 - partitions.bit_length()


def key_hash(bucket: str, key: bytes) -> int:
    """64-bit identity of a whole key: chooses its Merkle leaf and binds context tokens to it."""
    return xxh3_64_intdigest(bucket.encode() + b"\0" + key)
