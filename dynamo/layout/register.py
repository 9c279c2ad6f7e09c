"""What the replicas of a key in a linearizable bucket agree on: its value, and which requests made it. Format 1.

A register is replaced as a whole by each change. Its version is the number of changes that were applied to the key; it
grows over deletes and re-creations. Beside the value it carries what is needed to recognise a repeated request: an
entry for each of the last changes, and the version up to which such entries were dropped. Both are part of what is
agreed on, so that every coordinator judges a repeat alike.
"""

from __future__ import annotations

import msgspec

from dynamo.layout.sealed import seal, unseal

FORMAT = 1
UNNAMED = 0


class Done(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A request that was decided."""

    request: bytes
    """16 bytes that name it."""
    fingerprint: int
    """Hash of what it asked for: the same name with another payload is a mistake of the client. UNNAMED if its client
    gave it no name: then nobody will repeat it (`consensus/requests.py`).
    """
    version: int
    """The version that it made; 0 for a request that was called off before it took effect (`resolve`)."""
    counter: int
    """The moment at which it was decided (`consensus/change.py`): about milliseconds since 1970."""
    deleted: bool = False
    """Whether that version is a deletion."""


class Face(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What clients see of the state of one key."""

    version: int = 0
    value: bytes | None = None
    """None: the key has no value (never written, or deleted)."""
    content_type: str = ""
    meta: dict[str, str] = {}
    counter: int = 0
    """The moment at which this version was made: about milliseconds since 1970."""
    request: bytes = b""
    """Which request made this version."""


class Register(Face, array_like=True, frozen=True, gc=False):
    """The state of one key. The state of a key that was never written is `ABSENT`."""

    done: tuple[Done, ...] = ()
    """Decided requests, oldest first."""
    dropped: int = 0
    """Entries of changes up to this version may be missing from `done`."""


ABSENT = Register()


def of_floor(version: int) -> Register:
    """What is left of a key whose versions up to this one were forgotten, together with the requests that made them."""
    return Register(version=version, dropped=version)


def is_unwritten(register: Register) -> bool:
    """Whether it shows nothing that a client did: the key was never written, or what was is forgotten. Its version then
    only says above which one the next lies; shown to a client it is 0.
    """
    return register.value is None and not register.request and register.dropped >= register.version


_decoder = msgspec.msgpack.Decoder(Register)
_face_decoder = msgspec.msgpack.Decoder(Face)


def encode(register: Register) -> bytes:
    """The byte form, as acceptors keep it."""
    return seal(register, FORMAT)


def decode(data: bytes) -> Register:
    """The register of a byte form; of none (empty), ABSENT. Raises CorruptValue."""
    return unseal(data, _decoder, FORMAT, "register") if data else ABSENT


def face(data: bytes) -> Face:
    """Only what clients see: the entries of requests, of which there may be hundreds, are not decoded.

    Raises CorruptValue.
    """
    return unseal(data, _face_decoder, FORMAT, "register")
