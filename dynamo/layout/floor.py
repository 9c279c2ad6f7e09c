"""What was forgotten of a partition's deleted keys in linearizable buckets. Format version 1.

When a deleted key is forgotten, its acceptor state goes. What was promised and decided for it must not be forgotten
with it: a key without a state behaves as one that has promised the floor's ballot, and its next version is above the
floor's. One floor serves a whole partition, since it may be higher than needed, and never falls.
"""

from __future__ import annotations

import msgspec

from dynamo.layout.sealed import seal, unseal
from dynamo.versioning.ballot import ZERO, Ballot

FORMAT = 1


class Floor(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Highest ballot and highest version of all that was forgotten."""

    ballot: Ballot = ZERO
    version: int = 0

    def raised(self, other: Floor) -> Floor:
        """The floor that is as high as both."""
        return Floor(max(self.ballot, other.ballot), max(self.version, other.version))


PREFIX = b"floor/"
"""Of the names in META."""


def floor_key(partition: int) -> bytes:
    """Name of a partition's floor in META."""
    return PREFIX + partition.to_bytes(2, "big")


GROUND = Floor()
_decoder = msgspec.msgpack.Decoder(Floor)


def encode(floor: Floor) -> bytes:
    """The stored form."""
    return seal(floor, FORMAT)


def decode(data: bytes) -> Floor:
    """The floor of a stored form; of none (empty), GROUND. Raises CorruptValue."""
    return unseal(data, _decoder, FORMAT, "floor") if data else GROUND
