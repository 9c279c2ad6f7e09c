import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.ring.token import key_hash, partition_key, partition_of, token

keys = st.binary(min_size=1, max_size=60)
buckets = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)

# Pinned: another hash would look for every stored key in the wrong place. Bucket, key, token, hash of the whole key,
# partition of 256 and of 65,536.
GOLDEN = [
    ("users", b"user42", 0xFD15F9D80D425155, 0xFD15F9D80D425155, 253, 64789),
    ("users", b"user42/cart/1", 0xFD15F9D80D425155, 0xC2FC10E43382707A, 253, 64789),
    ("carts", b"user42", 0xD3E4B9F870A2F4FC, 0xD3E4B9F870A2F4FC, 211, 54244),
    ("a", b"\x00\xff", 0x87B83568B67CEA5F, 0x87B83568B67CEA5F, 135, 34744),
    ("b", b"/x", 0xA44155A82163AEBE, 0x958ECCF8C1A2F2B5, 164, 42049),
]


@pytest.mark.parametrize(("bucket", "key", "place", "whole", "of_256", "of_65536"), GOLDEN)
def test_places_are_pinned(bucket, key, place, whole, of_256, of_65536):
    """Token, whole hash and partition of known keys."""
    assert token(bucket, key) == place
    assert key_hash(bucket, key) == whole
    assert partition_of(place, 256) == of_256
    assert partition_of(place, 65536) == of_65536
    assert partition_of(place, 1) == 0


@pytest.mark.parametrize(
    ("key", "part"), [(b"a", b"a"), (b"a/b", b"a"), (b"a/b/c", b"a"), (b"a/", b"a"), (b"/a", b""), (b"a%2fb", b"a%2fb")]
)
def test_the_partition_key_ends_at_the_first_slash(key, part):
    """Only the first one counts; a key may begin with it."""
    assert partition_key(key) == part


@given(buckets, keys, keys)
def test_keys_of_one_partition_key_share_their_place(bucket, key, more):
    """Whatever follows the first slash."""
    assert token(bucket, partition_key(key) + b"/" + more) == token(bucket, key)


@given(buckets, keys)
def test_buckets_do_not_share_places(bucket, key):
    """The bucket is part of the hash, and no byte can move between bucket and key."""
    assert token(bucket, key) != token(bucket + "x", key)
    assert token(bucket + "x", key) != token(bucket, b"x" + key)


@given(st.integers(0, 2**64 - 1), st.integers(0, 16))
def test_partitions_are_equal_ranges_of_the_ring(place, bits):
    """A token's partition is its high bits: ranges of equal size, in order, none beyond the last."""
    partitions = 2**bits
    assert partition_of(place, partitions) == place * partitions // 2**64


def test_keys_spread_evenly():
    """Of 64,000 keys each of 64 partitions gets its 1,000, give or take four standard deviations."""
    counts = [0] * 64
    for number in range(64_000):
        counts[partition_of(token("b", f"key{number}".encode()), 64)] += 1
    assert max(abs(count - 1000) for count in counts) < 4 * 1000**0.5
