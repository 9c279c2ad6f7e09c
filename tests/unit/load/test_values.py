from hypothesis import given
from hypothesis import strategies as st

from dynamo.load.values import HEADER_BYTES, Values, Written, name

WRITES = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(0, 63), st.integers(0, 2**40), st.integers(HEADER_BYTES, 3000)
)


@given(WRITES)
def test_a_value_says_which_write_it_is_from(write):
    """To the run that made it, and to any other."""
    value = Values(7, 3000).make(*write)
    key, worker, number, size = write
    assert len(value) == size
    assert Values(7, 3000).look(value) == Values(8, 3000).look(value) == Written(7, key, worker, number)


@given(WRITES, st.data())
def test_a_changed_byte_is_found(write, data):
    """Anywhere: either it is no value any more, or it is one of another write."""
    value = Values(7, 3000).make(*write)
    at = data.draw(st.integers(0, len(value) - 1))
    changed = value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
    found = Values(7, 3000).look(changed)
    assert found is None or found != Written(7, *write[:3])
    if at >= HEADER_BYTES:
        assert found is None


def test_what_is_cut_off_is_found():
    """And what is too short to be a value at all."""
    values = Values(7)
    value = values.make(1, 0, 5, 100)
    assert values.look(value[:-1]) is None
    assert values.look(value + b"x") is None
    assert values.look(b"") is None


def test_values_are_named_once():
    """Within a run no two writes have one name; a preloaded value is named by its key."""
    assert [name(Written(7, 3, 1, 2)), name(Written(7, 3, 0, 0)), name(Written(7, 4, 0, 0))] == [
        "1.2",
        "preload.3",
        "preload.4",
    ]
