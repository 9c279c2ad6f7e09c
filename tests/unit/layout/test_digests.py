from functools import reduce
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.digests import EMPTY_LEAF, LEAVES, contribution, decode_leaf, encode_leaf, leaf_of

words = st.integers(0, 2**64 - 1)
versions = st.dictionaries(words, words, max_size=12)


def leaf(records: dict[int, int]) -> int:
    return reduce(xor, (contribution(key, version) for key, version in records.items()), EMPTY_LEAF)


@given(versions, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_show(records, dice):
    """Equal sets of records give equal leaves."""
    items = list(records.items())
    dice.shuffle(items)
    assert leaf(dict(items)) == leaf(records)


@given(versions, words, words, words)
def test_a_write_changes_a_leaf_by_old_and_new_alone(records, key, old, new):
    """No neighbour has to be read to take one version out and put another in; and back again."""
    before = leaf(records | {key: old})
    after = before ^ contribution(key, old) ^ contribution(key, new)
    assert after == leaf(records | {key: new})
    assert after ^ contribution(key, new) ^ contribution(key, old) == before


@given(versions, versions)
def test_other_records_give_another_leaf(left, right):
    """A different key or version shows, save for a collision of 64 bits."""
    assert (leaf(left) == leaf(right)) == (left == right)


@given(words, words)
def test_key_and_version_are_not_interchangeable(key, version):
    """Two keys that swap their versions are noticed."""
    if key != version:
        assert contribution(key, version) != contribution(version, key)


@given(words)
def test_a_leaf_is_its_bytes(value):
    """An empty leaf is absent, any other has eight bytes."""
    stored = encode_leaf(value)
    assert decode_leaf(stored) == value
    assert (stored is None) == (value == EMPTY_LEAF)


@given(words)
def test_every_key_has_a_leaf(key):
    """The low bits choose it; the high ones have chosen the partition."""
    assert leaf_of(key) == key % LEAVES


def test_the_format_is_pinned():
    """Leaves per partition, the hash, the stored form: part of every store that exists."""
    assert LEAVES == 1024
    assert contribution(1, 2) == 14160562377131761837
    assert encode_leaf(0x0102030405060708) == bytes(range(1, 9))
    assert decode_leaf(None) == 0
