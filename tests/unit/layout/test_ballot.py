import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.ballot import AcceptorState, decode, encode
from dynamo.layout.sealed import seal
from dynamo.versioning.ballot import ZERO

GOLDEN = AcceptorState((9, "node2", 3), (8, "node1", 1), b"value")
GOLDEN_BYTES = bytes.fromhex("0184b6885d9ece634b939309a56e6f646532039308a56e6f64653101c40576616c7565")
FRESH_BYTES = bytes.fromhex("01f70acb17356ec106939300a0009300a000c0")

ballots = st.tuples(st.integers(0, 2**63), st.text(max_size=10), st.integers(0, 2**63))


@given(ballots, ballots, st.none() | st.binary(max_size=50))
def test_a_state_is_its_bytes(one, other, value):
    """Any promise at or above the accepted ballot."""
    state = AcceptorState(max(one, other), min(one, other), value)
    assert decode(encode(state)) == state


@given(ballots, ballots)
def test_what_was_accepted_was_promised(one, other):
    """A state that says otherwise is neither written nor believed."""
    if one != other:
        broken = AcceptorState(promised=min(one, other), accepted=max(one, other))
        with pytest.raises(AssertionError):
            encode(broken)
        with pytest.raises(AssertionError):
            decode(seal(broken, 1))


def test_the_format_is_pinned():
    """Version 1, byte for byte; a fresh acceptor has promised nothing."""
    assert encode(GOLDEN) == GOLDEN_BYTES
    assert decode(GOLDEN_BYTES) == GOLDEN
    assert encode(AcceptorState()) == FRESH_BYTES
    assert decode(FRESH_BYTES) == AcceptorState(ZERO, ZERO, None)


def test_every_damaged_byte_is_noticed():
    """A promise that cannot be trusted must not be taken for none."""
    for place in range(len(GOLDEN_BYTES)):
        for bit in range(8):
            bad = bytearray(GOLDEN_BYTES)
            bad[place] ^= 1 << bit
            with pytest.raises(CorruptValue, match="acceptor state"):
                decode(bytes(bad))


def test_ballots_order_by_counter_then_node_then_boot():
    """The order in which promises are compared."""
    assert ZERO < (1, "a", 0) < (1, "a", 1) < (1, "b", 0) < (2, "a", 0)
