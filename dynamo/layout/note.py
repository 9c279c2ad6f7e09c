"""Notes: the small entries of META, sealed so that a flipped bit in one is noticed. Format version 1.

Bucket properties were written bare, as msgpack, before; such entries begin with another byte and are still read.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dynamo.errors import CorruptValue
from dynamo.layout.sealed import seal, unseal

FORMAT = 1
T = TypeVar("T")


def encode(body: object) -> bytes:
    """The stored form of a msgspec struct, or of what it is made of."""
    return seal(body, FORMAT)


def decode(data: bytes, decoder: msgspec.msgpack.Decoder[T], what: str) -> T:
    """The note of a stored form, bare or sealed. Raises CorruptValue, naming `what`."""
    if not is_bare(data):
        return unseal(data, decoder, FORMAT, what)
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise CorruptValue(f"a stored {what} cannot be read: {problem}") from problem


def is_bare(data: bytes) -> bool:
    """Whether this is an entry of before: a msgpack map or array, as no sealed form begins."""
    return data[:1] >= b"\x80"
