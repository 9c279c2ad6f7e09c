"""The lines of a file or a pipe, for a loop that has other work while the next one has not come.

Reading a pipe the ordinary way stops the loop until its producer goes on. Requests that were sent meanwhile would miss
their answers and run into their deadlines, through no fault of the cluster.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

CHUNK_BYTES = 2**18


async def lines_of(source: io.BufferedReader) -> AsyncIterator[bytes]:
    """Each line as it stands there, its end included (the last one may have none). Raises OSError."""
    pieces: list[bytes] = []
    while chunk := await _chunk(source):
        first, *others = chunk.split(b"\n")
        pieces.append(first)
        for other in others:
            yield b"".join(pieces) + b"\n"
            pieces = [other]
    if last := b"".join(pieces):
        yield last


async def _chunk(source: io.BufferedReader) -> bytes:
    """What has come, once there is something; empty at the end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(source.fileno(), ready.set)
    except (io.UnsupportedOperation, PermissionError):
        return source.read1(CHUNK_BYTES)  # in memory, or an ordinary file, which the selector refuses: no waiting
    try:
        await ready.wait()
    finally:
        loop.remove_reader(source.fileno())
    return source.read1(CHUNK_BYTES)
