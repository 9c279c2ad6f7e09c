"""A hint: the record that a node keeps for a replica that could not take it. Format version 1."""

from __future__ import annotations

import msgspec

from dynamo.layout.sealed import seal, unseal

FORMAT = 1


class Hint(msgspec.Struct, array_like=True, gc=False):
    """Kept until the target acknowledges it or `expires_ms` passes; a second hint for the key is merged into it."""

    record: bytes
    first_failed_ms: int
    """Wall-clock milliseconds of the oldest write in it: the hint's age counts from here."""
    expires_ms: int


_decoder = msgspec.msgpack.Decoder(Hint)


def encode(hint: Hint) -> bytes:
    """The stored form."""
    return seal(hint, FORMAT)


def decode(data: bytes) -> Hint:
    """The hint of a stored form. Raises CorruptValue."""
    return unseal(data, _decoder, FORMAT, "hint")
