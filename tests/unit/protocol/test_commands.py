import msgspec
import pytest

from dynamo.protocol.commands import Consistency, ListCommand, ReadCommand, WriteCommand, WriteOutcome


def test_consistency_names_are_the_apis():
    """Weakest first, spelt as in the query."""
    assert [level.value for level in Consistency] == ["one", "quorum", "all", "linearizable"]


def test_what_the_client_did_not_say_is_left_to_the_bucket():
    """None is not a quorum of its own: a forwarded command must not turn a default into a demand."""
    command = WriteCommand(bucket="b", key=b"k", value=b"v", request=bytes(16))
    crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=WriteCommand)
    assert crossed == command
    assert {crossed.consistency, crossed.w, crossed.dw, crossed.pw, crossed.sloppy, crossed.ttl_ms} == {None}


@pytest.mark.parametrize("value", [None, b"", b"\x00" * 10])
def test_a_delete_and_an_empty_value_stay_apart(value: bytes | None):
    """None deletes; an empty value is a value."""
    command = WriteCommand(bucket="b", key=b"k", value=value, request=bytes(16))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=WriteCommand).value == value


@pytest.mark.parametrize("ttl_ms", [None, 0, 1])
def test_no_time_to_live_and_for_ever_stay_apart(ttl_ms: int | None):
    """None takes the bucket's, 0 is for ever."""
    command = WriteCommand(bucket="b", key=b"k", value=b"", request=bytes(16), ttl_ms=ttl_ms)
    crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=WriteCommand)
    assert crossed.ttl_ms == ttl_ms
    assert (crossed.ttl_ms is None) == (ttl_ms is None)


def test_commands_do_not_share_their_defaults():
    """Metadata of one request never shows up in another."""
    one = WriteCommand(bucket="b", key=b"k", value=b"", request=bytes(16))
    one.meta["owner"] = "one"
    assert WriteCommand(bucket="b", key=b"k", value=b"", request=bytes(16)).meta == {}


def test_commands_name_their_fields():
    """Nothing is told apart by position where two byte strings stand side by side."""
    with pytest.raises(TypeError):
        WriteCommand("b", b"k", b"v", bytes(16))  # type: ignore[misc]
    with pytest.raises(TypeError):
        ReadCommand("b", b"k")  # type: ignore[misc]
    with pytest.raises(TypeError):
        ListCommand("b")  # type: ignore[misc]


def test_an_outcome_is_of_a_new_write_unless_it_says_otherwise():
    """An older node's outcome has no such field."""
    outcome = WriteOutcome(b"", 1, 0, "node1")
    assert not outcome.repeated
    assert msgspec.msgpack.decode(b"\x94\xc4\x00\x01\x00\xa5node1", type=WriteOutcome) == outcome
