import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo import errors
from dynamo.protocol.codec import (
    LENGTH_BYTES,
    MAGIC,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Envelope,
    Hello,
    Welcome,
    decode_envelopes,
    decode_hello,
    decode_welcome,
    encode_frame,
    encode_greeting,
    refusal,
    refused_error,
)
from dynamo.protocol.messages import Fetch, Fetched, Refused, StoreAge

FRAME = bytes.fromhex(
    "00000026"  # 38 bytes follow
    "92"  # two envelopes
    "96 01 c2 03 cd05dc a57265712d31 95 03 a56361727473 c4016b a0 c2"
    "96 01 c3 03 00 a0 93 04 c400 00"
)
ENVELOPES = [
    Envelope(1, False, 3, 1500, "req-1", Fetch("carts", b"k")),
    Envelope(1, True, 3, 0, "", Fetched(b"")),
]
HELLO_1 = "ab64796e616d6f2d70656572 01 01 a470726f64 a56e6f646531 a83030303030303031 03"
WELCOME_1 = "ab64796e616d6f2d70656572 01 a470726f64 a56e6f646532 a83030303030303032 04"
OLDER_HELLO = bytes.fromhex(f"00000024 97 {HELLO_1}")
OLDER_WELCOME = bytes.fromhex(f"00000024 97 {WELCOME_1} a0")
AGE = StoreAge("node1", "s", 3, "r", 7)
AGE_BYTES = "95 a56e6f646531 a173 03 a172 07"
HELLO = bytes.fromhex(f"00000031 98 {HELLO_1} {AGE_BYTES}")
WELCOME = bytes.fromhex(f"00000026 99 {WELCOME_1} a0 c0 c2")
TURNED_AWAY = bytes.fromhex(f"00000034 99 {WELCOME_1} a26e6f {AGE_BYTES} c3")


def test_a_frame_has_its_bytes():
    """Length, array, and each envelope in the order exchange, is_reply, epoch, left_ms, trace, message."""
    assert encode_frame(ENVELOPES) == FRAME
    assert decode_envelopes(FRAME[LENGTH_BYTES:]) == ENVELOPES


def test_an_empty_frame_is_allowed():
    """It says nothing."""
    assert encode_frame([]) == b"\x00\x00\x00\x01\x90"
    assert decode_envelopes(b"\x90") == []


@pytest.mark.parametrize(
    ("greeting", "golden", "decode"),
    [
        (Hello(MAGIC, 1, 1, "prod", "node1", "00000001", 3, AGE), HELLO, decode_hello),
        (Welcome(MAGIC, 1, "prod", "node2", "00000002", 4), WELCOME, decode_welcome),
        (Welcome(MAGIC, 1, "prod", "node2", "00000002", 4, "no", AGE, True), TURNED_AWAY, decode_welcome),
    ],
)
def test_greetings_have_their_bytes(greeting, golden, decode):
    """The first frames of a connection, which every version must be able to read for ever."""
    assert encode_greeting(greeting) == golden
    assert decode(golden[LENGTH_BYTES:]) == greeting


def test_greetings_of_before_stores_had_an_age_are_read():
    """A cluster is upgraded node by node."""
    assert decode_hello(OLDER_HELLO[LENGTH_BYTES:]) == Hello(MAGIC, 1, 1, "prod", "node1", "00000001", 3)
    assert decode_welcome(OLDER_WELCOME[LENGTH_BYTES:]) == Welcome(MAGIC, 1, "prod", "node2", "00000002", 4)


def test_this_node_speaks_version_one():
    """The goldens above are of version 1: a new version needs its own."""
    assert (PROTOCOL_MIN, PROTOCOL_MAX, MAGIC) == (1, 1, "dynamo-peer")


def test_a_view_is_read_like_bytes():
    """The splitter hands out views into what the socket delivered; values must not keep it alive or change with it."""
    buffer = bytearray(FRAME)
    envelopes = decode_envelopes(memoryview(buffer)[LENGTH_BYTES:])
    buffer[:] = bytes(len(buffer))
    assert envelopes == ENVELOPES


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error(data: bytes):
    """Whatever the bytes are, decoding ends in envelopes or in ValueError: what the transport is ready for."""
    for decode in (decode_envelopes, decode_hello, decode_welcome):
        try:
            decode(data)
        except ValueError:
            continue


@given(st.integers(0, len(FRAME) - LENGTH_BYTES - 1), st.integers(0, 255))
def test_a_damaged_frame_is_a_value_error_or_other_envelopes(position: int, byte: int):
    """One byte changed is never anything but ValueError, or envelopes of known messages."""
    body = bytearray(FRAME[LENGTH_BYTES:])
    body[position] = byte
    try:
        envelopes = decode_envelopes(bytes(body))
    except ValueError:
        return
    assert all(isinstance(envelope, Envelope) for envelope in envelopes)


@pytest.mark.parametrize("body", [FRAME[LENGTH_BYTES:-1], FRAME[LENGTH_BYTES:] + b"\x00", b""])
def test_a_body_is_read_whole_or_not_at_all(body: bytes):
    """A byte missing, a byte too many, nothing: each is an error."""
    with pytest.raises(msgspec.DecodeError):
        decode_envelopes(body)


@pytest.mark.parametrize("code", sorted(errors.CATALOGUE))
def test_every_error_crosses_the_wire(code: str):
    """Class, detail and members come out as they went in."""
    error = errors.CATALOGUE[code]("what was wrong", parameter="w", limit=[1, 2], nested={"a": None})
    back = refused_error(refusal(error))
    assert type(back) is type(error)
    assert (back.detail, back.members, back.applied) == (error.detail, error.members, error.applied)


def test_an_unknown_code_is_internal():
    """A newer peer's error has an unknown outcome, not a wrong one."""
    error = refused_error(Refused("brand-new", "what", b'{"a":1}'))
    assert type(error) is errors.Internal
    assert (error.detail, error.members, error.applied) == ("what", {"a": 1}, errors.Applied.UNKNOWN)


@pytest.mark.parametrize(
    "members",
    [b"", b"[]", b"1", b"{", b"\xff", b'{"a":"\xff"}', b"[" * 100_000, b'{"code":"x","detail":"y","self":1}'],
)
def test_members_that_cannot_be_read_are_left_out(members: bytes):
    """The refusal still is one, with its code and detail; no peer can make reading it fail."""
    error = refused_error(Refused("storage-full", "why", members))
    assert type(error) is errors.StorageFull
    assert (error.detail, error.members) == ("why", {})
