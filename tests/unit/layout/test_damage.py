import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.damage import BEYOND, PREFIX, Damaged, damage_key, decode, encode
from dynamo.layout.keyspaces import STORED_KEY_BYTES_MAX, Keyspace

GOLDEN = Damaged("records", b"\0\1b\0k", "it fails", 1_700_000_000_000, 9, b"\x01damaged!")

GOLDEN_HEX = (
    "01e038d20a5575374097a77265636f726473c405000162006ba86974206661696c73cf0000018bcfe5680009c4090164616d6167656421c3"
)


@given(st.binary(max_size=600), st.binary(max_size=100), st.booleans())
def test_an_entry_is_its_bytes(stored, kept, still_open):
    """There and back."""
    entry = Damaged("hints", stored, "fault", 1, len(kept), kept, still_open)
    assert decode(encode(entry)) == entry


def test_the_format_is_pinned():
    """Version 1, byte for byte."""
    data = bytes.fromhex(GOLDEN_HEX)
    assert encode(GOLDEN) == data
    assert decode(data) == GOLDEN


def test_a_damaged_entry_is_noticed():
    """Of damage, too."""
    data = bytearray(encode(GOLDEN))
    data[-1] ^= 1
    with pytest.raises(CorruptValue, match="entry of damage"):
        decode(bytes(data))


@given(st.sampled_from(list(Keyspace)), st.binary(min_size=1, max_size=STORED_KEY_BYTES_MAX))
def test_any_stored_key_has_a_place(space, stored):
    """The longest as well, in META's own range, and another one in another keyspace."""
    place = damage_key(space, stored)
    assert PREFIX < place < BEYOND
    assert len(place) <= STORED_KEY_BYTES_MAX
    assert len({damage_key(other, stored) for other in Keyspace}) == len(Keyspace)
