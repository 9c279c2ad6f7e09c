import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.hint import Hint, decode, encode

GOLDEN = Hint(b"record", 1_700_000_000_000, 1_700_000_600_000)
GOLDEN_BYTES = bytes.fromhex("01ddb9197b075c24ee93c4067265636f7264cf0000018bcfe56800cf0000018bcfee8fc0")

times = st.integers(0, 2**63)


@given(st.binary(max_size=100), times, times)
def test_a_hint_is_its_bytes(record, first_failed_ms, expires_ms):
    """There and back."""
    hint = Hint(record, first_failed_ms, expires_ms)
    assert decode(encode(hint)) == hint


def test_the_format_is_pinned():
    """Version 1, byte for byte."""
    assert encode(GOLDEN) == GOLDEN_BYTES
    assert decode(GOLDEN_BYTES) == GOLDEN


def test_every_damaged_byte_is_noticed():
    """A hint that cannot be trusted is no hint."""
    for place in range(len(GOLDEN_BYTES)):
        for bit in range(8):
            bad = bytearray(GOLDEN_BYTES)
            bad[place] ^= 1 << bit
            with pytest.raises(CorruptValue, match="hint"):
                decode(bytes(bad))
