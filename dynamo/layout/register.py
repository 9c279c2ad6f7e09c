"""What the replicas of a key in a linearizable bucket agree on: its value, and which requests made it. Format 1.

A register is replaced as a whole by each change. Its version is the number of changes that were applied to the key; it
grows over deletes and re-creations. Beside the value it carries what is needed to recognise a repeated request:
entries for the last changes, and up to which version and moment such entries were dropped. They are part of what is
agreed on, so that every coordinator judges a repeat alike.
"""

from __future__ import annotations

from itertools import starmap
from struct import Struct
from typing import NamedTuple

import msgspec

from dynamo.layout.sealed import seal, unseal

FORMAT = 1
UNNAMED = 0


class Done(NamedTuple):
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

    done: bytes = b""
    """Decided requests, oldest first, packed: they are carried along by each change, and few are ever looked at."""
    dropped: int = 0
    """Entries of changes up to this version may be missing."""
    lasting: bytes = b""
    """Decided requests of which an older attempt may still arrive, oldest first, packed: `done` may be too short."""
    cut: int = 0
    """Up to this moment (as `counter`) entries that somebody may ask for are missing from `done`."""

    @property
    def entries(self) -> tuple[Done, ...]:
        """All of them, unpacked: `done`, and behind it `lasting`."""
        return unpacked(self.done + self.lasting)


ABSENT = Register()
_ENTRY = Struct(">16sQQQ?")
ENTRY_BYTES = _ENTRY.size
"""Of a packed entry; its name comes first."""
NAME_BYTES = 16
"""Of the name. One of another length would be cut, or filled up, and be another one."""
_COUNTER = Struct(">32xQ")


def packed(*entries: Done) -> bytes:
    """Entries as a register holds them."""
    return b"".join(starmap(_ENTRY.pack, entries))


def unpacked(done: bytes) -> tuple[Done, ...]:
    """The entries of some that are packed."""
    return tuple(map(Done._make, _ENTRY.iter_unpack(done)))


def counter_at(done: bytes, place: int) -> int:
    """`counter` of the packed entry that begins at this byte."""
    counter: int = _COUNTER.unpack_from(done, place)[0]
    return counter


def last_counter(done: bytes) -> int:
    """`counter` of the newest of some packed entries."""
    return counter_at(done, len(done) - ENTRY_BYTES)


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
