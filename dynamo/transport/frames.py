"""Frames: cutting what a socket delivers into frame bodies, and joining envelopes into frames.

A frame is a four-byte big-endian length and a body (`protocol/codec.py` says what is in it). The splitter keeps two
rules. A length over the limit is refused as soon as its four bytes are there, so a peer can make this node hold one
frame of the allowed size and not a byte more. And whatever way the bytes were cut on their journey, the bodies come out
the same.

The builder writes each envelope once, straight behind the others of the same frame, so that its size is known when it
is handed over. What it makes is byte for byte what `codec.encode_frame` makes of the same envelopes.
"""

from __future__ import annotations

import struct

import msgspec

from dynamo.protocol.codec import LENGTH_BYTES, Envelope

_LENGTH = struct.Struct(">I")
_ARRAY_16 = 0xDC
_ARRAY_TINY = 0x90
_TINY_MAX = 15
_ARRAY_16_BYTES = 3
_HEAD_BYTES = LENGTH_BYTES + _ARRAY_16_BYTES
"""Room kept at the front of a frame for its length and the longer of the two array headers in use."""
_COUNT_MAX = 0xFFFF
"""Envelopes that the longer header can count: some 450 KiB of the smallest ones."""

_encode_into = msgspec.msgpack.Encoder().encode_into


class FrameTooLarge(Exception):
    """A frame, or an envelope that would need one, over the limit. Sizes are in bytes, without the length prefix."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes where {limit_bytes} are allowed")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class FrameSplitter:
    """Takes bytes as they come, gives back whole frame bodies. `limit_bytes` may be changed between calls."""

    __slots__ = ("_partial", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._partial = bytearray()

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[memoryview]:
        """The bodies that `data` completes, in order; they stay valid. Raises FrameTooLarge, after which it is done."""
        partial = self._partial
        if not partial:
            return self._cut(memoryview(data))
        partial += data
        if len(partial) < LENGTH_BYTES or len(partial) < LENGTH_BYTES + self._length(partial, 0):
            return []
        self._partial = bytearray()
        return self._cut(memoryview(partial))

    def _cut(self, view: memoryview) -> list[memoryview]:
        bodies = []
        start, size = 0, len(view)
        while size - start >= LENGTH_BYTES:
            body = start + LENGTH_BYTES
            end = body + self._length(view, start)
            if end > size:
                break
            bodies.append(view[body:end])
            start = end
        if start < size:
            self._partial += view[start:]
        return bodies

    def _length(self, data: bytearray | memoryview, start: int) -> int:
        length: int = _LENGTH.unpack_from(data, start)[0]
        if length > self.limit_bytes:
            raise FrameTooLarge(length, self.limit_bytes)
        return length


class FrameBuilder:
    """One frame in the making. `limit_bytes` is the largest body that the other side takes."""

    __slots__ = ("_buffer", "_envelope_bytes_max", "_last", "_limit_bytes", "count")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._envelope_bytes_max = limit_bytes - _ARRAY_16_BYTES
        self._buffer = bytearray(_HEAD_BYTES)
        self._last = 0
        """Where the last envelope begins."""
        self.count = 0
        """Envelopes in the frame so far."""

    @property
    def last_bytes(self) -> int:
        """Size of the envelope that was added last."""
        return len(self._buffer) - self._last

    def add(self, envelope: Envelope) -> int:
        """Append an envelope and say how many bytes the frame has now, its head included.

        Raises FrameTooLarge if it would not fit in a frame even alone, and what msgspec raises for what it cannot
        encode (ValueError, OverflowError, TypeError); either way the frame is as it was before.
        """
        buffer = self._buffer
        self._last = start = len(buffer)
        try:
            _encode_into(envelope, buffer, start)
        except BaseException:
            del buffer[start:]
            raise
        size = len(buffer)
        if size - start > self._envelope_bytes_max:
            del buffer[start:]
            raise FrameTooLarge(size - start, self._limit_bytes)
        self.count += 1
        return size

    def remove_last(self) -> None:
        """Take back the envelope that was added last."""
        del self._buffer[self._last :]
        self.count -= 1

    def take(self) -> bytearray:
        """The finished frame, given away; the builder starts a new one."""
        assert 0 < self.count <= _COUNT_MAX, f"a frame of {self.count} envelopes"
        buffer = self._buffer
        if self.count <= _TINY_MAX:
            del buffer[: _ARRAY_16_BYTES - 1]
            buffer[LENGTH_BYTES] = _ARRAY_TINY | self.count
        else:
            struct.pack_into(">BH", buffer, LENGTH_BYTES, _ARRAY_16, self.count)
        _LENGTH.pack_into(buffer, 0, len(buffer) - LENGTH_BYTES)
        self._buffer = bytearray(_HEAD_BYTES)
        self.count = 0
        return buffer
