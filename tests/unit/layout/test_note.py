import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.note import decode, encode, is_bare
from dynamo.protocol.bucket import BucketProperties

DECODER = msgspec.msgpack.Decoder(BucketProperties)
CARTS = BucketProperties(name="carts", n=2)


@given(st.lists(st.integers(0, 2**63), max_size=9))
def test_a_note_is_its_bytes(numbers):
    """There and back."""
    assert decode(encode(numbers), msgspec.msgpack.Decoder(list[int]), "list") == numbers


def test_an_entry_of_before_is_read():
    """A store that was made before notes were sealed stays readable."""
    bare = msgspec.msgpack.encode(CARTS)
    assert is_bare(bare)
    assert not is_bare(encode(CARTS))
    assert decode(bare, DECODER, "bucket") == CARTS


def test_every_damaged_byte_is_noticed():
    """Properties that are wrong without a sign would move a bucket's keys."""
    data = encode(CARTS)
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(CorruptValue, match="bucket"):
            decode(bytes(bad), DECODER, "bucket")


@pytest.mark.parametrize("data", [b"", b"\x81", b"\x90\x91"])
def test_what_is_no_note_is_noticed(data):
    """An empty entry, or a cut one."""
    with pytest.raises(CorruptValue, match="bucket"):
        decode(data, DECODER, "bucket")
