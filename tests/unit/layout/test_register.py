import pytest

from dynamo.errors import CorruptValue
from dynamo.layout.register import ABSENT, Done, Face, Register, decode, encode, face, packed

DONE, LASTING = packed(Done(b"q" * 16, 5, 2, 16, True)), packed(Done(b"p" * 16, 6, 3, 17))
GOLDEN = Register(3, b"v", "text/plain", {"a": "b"}, 17, b"r" * 16, DONE, 1, LASTING, 15)
GOLDEN_BYTES = bytes.fromhex(
    "01a7d4b8fd3d2611fe9a03c40176aa746578742f706c61696e81a161a16211c41072727272727272727272727272727272"
    "c429717171717171717171717171717171710000000000000005000000000000000200000000000000100101c429707070"
    "70707070707070707070707070000000000000000600000000000000030000000000000011000f"
)
EARLIER_BYTES = bytes.fromhex(
    "01add20bc469949e8c9803c40176aa746578742f706c61696e81a161a16211c41072727272727272727272727272727272"
    "c429717171717171717171717171717171710000000000000005000000000000000200000000000000100101"
)


def test_the_format_is_pinned():
    """Version 1, byte for byte; the state of a key that nobody wrote has no bytes."""
    assert encode(GOLDEN) == GOLDEN_BYTES
    assert decode(GOLDEN_BYTES) == GOLDEN
    assert decode(b"") == ABSENT


def test_one_without_the_later_fields_is_read():
    """As it was written before they were there."""
    assert decode(EARLIER_BYTES) == Register(3, b"v", "text/plain", {"a": "b"}, 17, b"r" * 16, DONE, 1)


def test_the_face_is_the_register_without_its_requests():
    """Whatever has become of it."""
    assert face(GOLDEN_BYTES) == Face(3, b"v", "text/plain", {"a": "b"}, 17, b"r" * 16)
    deleted = Register(version=4, counter=18, request=b"q" * 16)
    assert face(encode(deleted)) == Face(version=4, counter=18, request=b"q" * 16)
    assert face(encode(ABSENT)) == Face()


def test_every_damaged_byte_is_noticed():
    """A value that cannot be trusted is not proposed again, and not shown."""
    for place in range(len(GOLDEN_BYTES)):
        bad = bytearray(GOLDEN_BYTES)
        bad[place] ^= 1
        with pytest.raises(CorruptValue, match="register"):
            decode(bytes(bad))
        with pytest.raises(CorruptValue, match="register"):
            face(bytes(bad))
