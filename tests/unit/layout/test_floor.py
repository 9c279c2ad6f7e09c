import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.floor import GROUND, Floor, decode, encode

floors = st.builds(
    Floor, st.tuples(st.integers(0, 2**48), st.text(max_size=5), st.integers(0, 9)), st.integers(0, 2**40)
)
GOLDEN = Floor((9, "node2~1", 3), 7)
GOLDEN_BYTES = bytes.fromhex("01d5de7577f807235c929309a76e6f6465327e310307")


@given(floors, floors)
def test_a_floor_never_falls(one, other):
    """Whoever raises it, in whatever order."""
    both = one.raised(other)
    assert both == other.raised(one)
    assert both.ballot == max(one.ballot, other.ballot)
    assert both.version == max(one.version, other.version)
    assert decode(encode(both)) == both


def test_the_format_is_pinned():
    """Version 1, byte for byte; where nothing was forgotten nothing is stored."""
    assert encode(GOLDEN) == GOLDEN_BYTES
    assert decode(b"") == GROUND


def test_damage_is_noticed():
    """A floor that cannot be trusted must not be taken for none."""
    with pytest.raises(CorruptValue, match="floor"):
        decode(GOLDEN_BYTES[:-1] + b"\x00")
