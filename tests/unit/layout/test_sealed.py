import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_digest

from dynamo.errors import CorruptValue
from dynamo.layout.sealed import seal, unseal

decoder = msgspec.msgpack.Decoder(tuple[int, str, bytes])
bodies = st.tuples(st.integers(0, 2**64 - 1), st.text(max_size=20), st.binary(max_size=50))


@given(bodies, st.integers(1, 255))
def test_what_is_sealed_is_unsealed(body, version):
    """Under its own version, and no other."""
    data = seal(body, version)
    assert unseal(data, decoder, version, "thing") == body
    with pytest.raises(CorruptValue, match="a stored thing has an unknown format"):
        unseal(data, decoder, version % 255 + 1, "thing")


@given(bodies, st.data())
def test_any_damage_is_noticed(body, data):
    """A changed byte, a missing end, something behind it."""
    good = seal(body, 1)
    place = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    for bad in (good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :], good[:place], good + b"\0"):
        with pytest.raises(CorruptValue):
            unseal(bad, decoder, 1, "thing")


@pytest.mark.parametrize(
    "body", [b"", b"\xc0", b"\x93\x01\xa1\xff\xc4\x00", b"\x92\x01\xa1a", b"\x94\x01\xa1a\xc4\x00\x00"]
)
def test_a_body_of_another_shape_is_refused(body):
    """Nothing, a nil, text that is not UTF-8, too few parts, too many."""
    with pytest.raises(CorruptValue):
        unseal(b"\x01" + xxh3_64_digest(body) + body, decoder, 1, "thing")
