from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.protocol.messages import Message
from tests.unit.protocol.golden import MESSAGES, OLDER, body

CLASSES = get_args(Message)
decode = msgspec.msgpack.Decoder(Message).decode
# Lone surrogates are no text: msgspec refuses to write them, and nothing in a message may hold them.
PLAIN = {
    str: st.text(st.characters(codec="utf-8"), max_size=20),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
}


def strategy(kind: type) -> st.SearchStrategy:
    """Any value of a type that appears in a message, structs field by field."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{field.name: strategy(field.type) for field in fields})
    arguments = get_args(kind)
    if not arguments:
        return PLAIN[kind] if kind in PLAIN else st.from_type(kind)
    origin = getattr(kind, "__origin__", None)
    if origin is list:
        return st.lists(strategy(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(strategy(arguments[0]), strategy(arguments[1]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(strategy, arguments))
    return st.one_of(*map(strategy, arguments))


@pytest.mark.parametrize(("message", "golden"), MESSAGES, ids=lambda value: type(value).__name__)
def test_every_message_has_its_bytes(message: Message, golden: str):
    """Written and read: the wire format cannot change by accident."""
    assert msgspec.msgpack.encode(message) == body(golden)
    assert decode(body(golden)) == message


def test_no_message_is_without_golden_bytes():
    """A message that joins the union must be pinned, too, and in the order of its tag."""
    assert [type(message) for message, _ in MESSAGES] == list(CLASSES)


def test_tags_are_never_reused():
    """Each class has its own number, counted up from 1."""
    assert [message.__struct_config__.tag for message in CLASSES] == list(range(1, len(CLASSES) + 1))


@pytest.mark.parametrize(("message", "older"), OLDER, ids=lambda value: type(value).__name__)
def test_bytes_of_an_older_node_are_read(message: Message, older: str):
    """Fields that it did not know take their defaults."""
    assert decode(body(older)) == message


@pytest.mark.parametrize("golden", [golden for _, golden in MESSAGES])
def test_bytes_of_a_newer_node_are_read(golden: str):
    """A field that is not known here, at the end, is passed over."""
    data = body(golden)
    assert data[0] & 0xF0 == 0x90
    newer = bytes([data[0] + 1]) + data[1:] + msgspec.msgpack.encode({"something": "new"})
    assert decode(newer) == decode(data)


@given(st.sampled_from(CLASSES).flatmap(strategy))
def test_what_is_written_is_read(message: Message):
    """Whatever a message holds arrives unchanged."""
    assert decode(msgspec.msgpack.encode(message)) == message


@pytest.mark.parametrize("data", [b"\x91\x00", b"\x91\x63", b"\x90", b"\x91\xa1x", b"\xc0", b"\x01"])
def test_an_unknown_tag_is_an_error(data: bytes):
    """Not some other message, and not None."""
    with pytest.raises(msgspec.ValidationError):
        decode(data)
