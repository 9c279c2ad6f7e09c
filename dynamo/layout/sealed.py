"""The envelope shared by the small stored formats: version byte, eight bytes xxh3_64 of the body, msgpack body."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from xxhash import xxh3_64_digest

from dynamo.errors import CorruptValue

_HEADER_BYTES = 9
_VERSIONS = [bytes([version]) for version in range(256)]
_encoder = msgspec.msgpack.Encoder(order="sorted")
T = TypeVar("T")


def seal(body: object, version: int) -> bytes:
    """The byte form of a msgspec struct under a format version (1 to 255)."""
    data = _encoder.encode(body)
    return _VERSIONS[version] + xxh3_64_digest(data) + data


def unseal(data: bytes, decoder: msgspec.msgpack.Decoder[T], version: int, what: str) -> T:
    """The body of a sealed form. Raises CorruptValue, naming `what`, if version, checksum or body do not fit."""
    body = data[_HEADER_BYTES:]
    if data[:_HEADER_BYTES] != _VERSIONS[version] + xxh3_64_digest(body):
        raise _corrupt(data, version, what)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise CorruptValue(f"a stored {what} cannot be read: {problem}") from problem


def _corrupt(data: bytes, version: int, what: str) -> CorruptValue:
    """What is wrong with bytes whose head is not that of their body."""
    if len(data) < _HEADER_BYTES or data[0] != version:
        return CorruptValue(f"a stored {what} has an unknown format", size_bytes=len(data))
    return CorruptValue(f"a stored {what} fails its checksum", size_bytes=len(data))
