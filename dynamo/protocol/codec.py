"""Envelopes to bytes and back.

A frame on the wire is a four-byte big-endian length and one msgpack array of envelopes: all that a node had to say to a
peer in one tick of its loop. Deadlines travel as the milliseconds that are left, so clocks need not agree.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import DynamoError, from_code
from dynamo.protocol.messages import Message, Refused, StoreAge

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1
LENGTH_BYTES = 4


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """One request or reply between two nodes."""

    exchange: int
    """Pairs a reply with its request; chosen by the sender of the request, per connection."""
    is_reply: bool
    epoch: int
    """The sender's topology."""
    left_ms: int
    """Milliseconds until the request is worth nothing any more; 0 in replies."""
    trace: str
    """Request id of the client's request, for logs on every node it touches; empty in replies."""
    message: Message


class Hello(msgspec.Struct, array_like=True):
    """First frame of a connection, from its opener."""

    magic: str
    protocol_min: int
    protocol_max: int
    cluster: str
    node: str
    incarnation: str
    epoch: int
    age: StoreAge | None = None
    """Of the sender's store."""


class Welcome(msgspec.Struct, array_like=True):
    """First frame back. `refusal` empty: go on, speaking `protocol`. Otherwise why not, and the connection closes."""

    magic: str
    protocol: int
    cluster: str
    node: str
    incarnation: str
    epoch: int
    refusal: str = ""
    age: StoreAge | None = None
    outdated: bool = False
    """The refusal is because the opener's store is an older copy: it must not go on with it."""


MAGIC = "dynamo-peer"

_NOT_MEMBERS = ("self", "code", "detail")
"""Names that an error's extra fields cannot have."""

_encoder = msgspec.msgpack.Encoder()
_envelopes = msgspec.msgpack.Decoder(list[Envelope])
_hello = msgspec.msgpack.Decoder(Hello)
_welcome = msgspec.msgpack.Decoder(Welcome)


def encode_frame(envelopes: list[Envelope]) -> bytes:
    """A whole frame, length included."""
    body = _encoder.encode(envelopes)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_envelopes(body: bytes | memoryview) -> list[Envelope]:
    """The envelopes of a frame's body. Raises ValueError (msgspec.DecodeError, UnicodeDecodeError) on anything else."""
    return _envelopes.decode(body)


def encode_greeting(greeting: Hello | Welcome) -> bytes:
    """A handshake frame, length included."""
    body = _encoder.encode(greeting)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_hello(body: bytes | memoryview) -> Hello:
    """Raises ValueError if the body is no Hello."""
    return _hello.decode(body)


def decode_welcome(body: bytes | memoryview) -> Welcome:
    """Raises ValueError if the body is no Welcome."""
    return _welcome.decode(body)


def refusal(error: DynamoError) -> Refused:
    """The reply that carries an error to a peer."""
    return Refused(error.code, error.detail, msgspec.json.encode(error.members))


def refused_error(message: Refused) -> DynamoError:
    """The error that a peer's refusal carries. Members that cannot be read are left out."""
    try:
        members = msgspec.json.decode(message.members, type=dict[str, object])
    except (ValueError, RecursionError):
        members = {}
    for name in _NOT_MEMBERS:
        members.pop(name, None)
    return from_code(message.code, message.detail, **members)
