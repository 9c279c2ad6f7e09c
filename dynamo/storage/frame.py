"""One group as it lies in the log: a frame (pure).

Frames begin at multiples of BLOCK, so that a reader who meets a bad one can look for a later one behind it: that is how
damage is told from the torn end that every crash may leave. The digest is seeded with the epoch of the segment, drawn
anew whenever a file is used again: frames that an earlier use has left behind are no frames.

    magic 4 | payload bytes u32 | digest u64 | sequence u64 | synced u64 | kind u64 | payload | zeros up to a block

The digest is XXH3 of all that follows it, without the zeros. `synced` is the highest sequence number that was known to
be on disk when the frame was written: one below its own in sync mode. A hole behind it in async mode, after a loss of
power, is what that mode allows; a hole at or before it is damage. Byte order: little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.group import Changes

BLOCK = 4096
"""Bytes. A disk writes its sectors whole; no frame shares one with another."""
HEAD_BYTES = 40
_HEAD = struct.Struct("<4sIQQQQ")
_MAGIC = b"DKVf"
_DIGESTED_FROM = 16
CHANGES = 0
"""Kind of a frame that holds a group's changes."""
SEAL = 1
"""Kind of the frame that ends a segment: the log goes on in another one."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[Keyspace, dict[bytes, bytes | None]])


class Frame(NamedTuple):
    """A sound frame, and where it lies in the bytes that were read."""

    sequence: int
    synced: int
    kind: int
    start: int
    end: int
    """Where the next frame begins."""
    payload: memoryview


def padded(size: int) -> int:
    """Bytes that a frame takes."""
    return -(-size // BLOCK) * BLOCK


def encoded(changes: Changes | None, *, epoch: int, sequence: int, synced: int) -> bytearray:
    """A frame of these changes, or a seal."""
    buffer = bytearray(HEAD_BYTES)
    if changes is not None:
        _encoder.encode_into(changes, buffer, HEAD_BYTES)
    size, kind = len(buffer), SEAL if changes is None else CHANGES
    _HEAD.pack_into(buffer, 0, _MAGIC, size - HEAD_BYTES, 0, sequence, synced, kind)
    with memoryview(buffer) as view:
        digest = xxh3_64_intdigest(view[_DIGESTED_FROM:], epoch)
    _HEAD.pack_into(buffer, 0, _MAGIC, size - HEAD_BYTES, digest, sequence, synced, kind)
    buffer.extend(bytes(padded(size) - size))
    return buffer


def at(data: memoryview, place: int, epoch: int) -> Frame | None:
    """The frame that begins at `place`, None if none does, or a damaged one."""
    if len(data) - place < HEAD_BYTES or data[place : place + 4] != _MAGIC:
        return None
    _, length, digest, sequence, synced, kind = _HEAD.unpack_from(data, place)
    end = place + HEAD_BYTES + length
    if end > len(data) or xxh3_64_intdigest(data[place + _DIGESTED_FROM : end], epoch) != digest:
        return None
    return Frame(sequence, synced, kind, place, place + padded(HEAD_BYTES + length), data[place + HEAD_BYTES : end])


def every(data: memoryview, epoch: int, start: int = BLOCK) -> Iterator[Frame]:
    """Every sound frame from `start` on, whatever lies between them."""
    place = start
    while place < len(data):
        frame = at(data, place, epoch)
        if frame is None:
            place += BLOCK
        else:
            yield frame
            place = frame.end


def changes_of(frame: Frame) -> Changes:
    """What a frame of kind CHANGES holds. Raises msgspec.DecodeError, which a sound digest makes impossible."""
    return _decoder.decode(frame.payload)
