"""One kept HTTP/1.1 connection, as cheap as Python can have it, so that a run measures the server and not the client.

Requests are whole byte strings, made before the clock starts. Of an answer only the status, the end of the header and
Content-Length are looked at; the header is handed on as bytes. One request is in flight at a time. A chunked answer, or
bytes that nobody asked for, end the connection: the systems measured here send neither. Another protocol is
another `parse`; see `wire.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

Answered = Callable[[int, bytes, bytes], None]
"""Status, header (from the status line to the last field), body."""
Lost = Callable[[str], None]
"""Why no more answers will come."""
Parse = Callable[[bytes], tuple[int, bytes, bytes] | int]
"""An answer in its three parts, or how many bytes there must be before it is worth looking again; or BrokenAnswer."""

_END = b"\r\n\r\n"
_LENGTH = b"\r\nContent-Length:"
_BODILESS = frozenset({204, 304})


class BrokenAnswer(Exception):
    """The bytes that came are not an answer as this client reads them."""


class Connection(asyncio.Protocol):
    """Sends one request at a time; each is followed by one call of `answered`, or, once and for ever, of `lost`."""

    __slots__ = ("_answered", "_closed", "_expected_bytes", "_held", "_lost", "_parse", "_transport")

    def __init__(self, answered: Answered, lost: Lost, reading: Parse | None = None) -> None:
        self._answered = answered
        self._lost = lost
        self._parse = parse if reading is None else reading
        self._held = bytearray()
        self._expected_bytes = 0
        self._closed = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports can do all that asyncio's can, and are not their subclasses.
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes) -> None:
        """Write a request; only when the one before was answered."""
        assert self._transport is not None, "not connected yet"
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._held += data
            if len(self._held) < self._expected_bytes:
                return
            data = bytes(self._held)
            self._held.clear()
        try:
            parsed = self._parse(data)
        except BrokenAnswer as problem:
            self._end(str(problem))
            return
        if isinstance(parsed, int):
            self._held += data
            self._expected_bytes = parsed
        else:
            self._answered(*parsed)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("the server closed the connection" if exc is None else f"the connection broke: {exc}")

    def close(self, farewell: bytes = b"") -> None:
        """Close without a call of `lost`; the farewell is sent before, if the connection still is one."""
        if self._transport is not None:
            if farewell and not self._closed:
                self._transport.write(farewell)
            self._transport.close()
        self._closed = True

    def _end(self, why: str) -> None:
        if not self._closed:
            self.close()
            self._lost(why)


def parse(data: bytes) -> tuple[int, bytes, bytes] | int:
    """A whole answer in its parts, or how many bytes there must be before it is worth looking again.

    Raises BrokenAnswer for anything that will not become exactly one answer with a Content-Length.
    """
    end = data.find(_END)
    if end < 0:
        return len(data) + 1
    head = data[:end]
    status = _status(head)
    body_bytes = 0 if status in _BODILESS else _content_length(head)
    whole = end + 4 + body_bytes
    if len(data) < whole:
        return whole
    if len(data) > whole:
        raise BrokenAnswer(f"{len(data) - whole} bytes came after the answer")
    return status, head, data[end + 4 :]


def _status(head: bytes) -> int:
    status = head[9:12]
    if not head.startswith(b"HTTP/1.") or not status.isdigit():
        raise BrokenAnswer(f"an answer begins with {head[:40]!r}")
    return int(status)


def _content_length(head: bytes) -> int:
    # The usual spelling first; the slow way is right for any.
    at = head.find(_LENGTH)
    if at < 0:
        at = head.lower().find(_LENGTH.lower())
    if at < 0:
        raise BrokenAnswer("an answer has no Content-Length")
    at += len(_LENGTH)
    end = head.find(b"\r", at)
    digits = head[at : end if end >= 0 else len(head)].strip()
    if not digits.isdigit():
        raise BrokenAnswer(f"Content-Length is {digits!r}")
    return int(digits)
