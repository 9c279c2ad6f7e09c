"""A damaged entry that was taken out of its keyspace, kept so that a person can look at it. Format version 1.

It lies in META under a name made of a hash, since a keyspace and a stored key together may be longer than a key can be.
An entry is *open* while the node may lack what the damaged bytes once said: a replica that answered "nothing" for such
a key would add a false voice to a quorum.
"""

from __future__ import annotations

import msgspec
from xxhash import xxh3_64_hexdigest

from dynamo.layout.keyspaces import Keyspace
from dynamo.layout.sealed import seal, unseal

FORMAT = 1
PREFIX = b"damage/"
BEYOND = b"damage0"
"""First key beyond all of them."""


class Damaged(msgspec.Struct, array_like=True, gc=False):
    """What was found, where and when."""

    space: str
    """Name of the keyspace."""
    stored: bytes
    """Key in it."""
    fault: str
    """What was wrong, in words."""
    found_ms: int
    """Wall-clock milliseconds."""
    size_bytes: int
    """Of the value as it was found."""
    kept: bytes
    """Its bytes, or as many of them as there was room for."""
    open: bool = True
    """Whether it is still to be brought back from the other replicas."""


_decoder = msgspec.msgpack.Decoder(Damaged)


def damage_key(space: Keyspace, stored: bytes) -> bytes:
    """Where the entry of a stored key lies."""
    return PREFIX + xxh3_64_hexdigest(space.value.encode() + b"\0" + stored).encode()


def encode(entry: Damaged) -> bytes:
    """The stored form."""
    return seal(entry, FORMAT)


def decode(data: bytes) -> Damaged:
    """The entry of a stored form. Raises CorruptValue."""
    return unseal(data, _decoder, FORMAT, "entry of damage")
