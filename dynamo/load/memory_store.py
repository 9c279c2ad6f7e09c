"""A store in the memory of one process: what the generator costs by itself, and how true its verdicts are.

It speaks as much of the HTTP API as the generator uses for plain reads and writes, and costs next to nothing, so that
a run against it measures the generator. Told to, it shows every n-th reader the value before the last one, or damages
a value: a generator that does not notice is no use. `python -m dynamo.load.memory_store PORT [STALE_EVERY
[DAMAGE_AT]]`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

from dynamo.workload.event_loop import new_event_loop

_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_DONE = b"HTTP/1.1 204 No Content\r\nDynamo-Context: c\r\n\r\n"
_BUCKET = b'{"name":"load","mode":"lww","n":3}'


class Store:
    """Values by path, the last one and the one before."""

    def __init__(self, stale_every: int = 0, damage_at: int = 0) -> None:
        self._values: dict[bytes, tuple[bytes, bytes]] = {}
        self._stale_every, self._damage_at = stale_every, damage_at
        self.reads = 0
        self.stale = 0
        """Reads that were shown what was not the last value."""
        self.open: set[asyncio.Transport] = set()
        """Connections that are open."""

    def put(self, path: bytes, value: bytes) -> bytes:
        self._values[path] = (value, self._values.get(path, (value, value))[0])
        return _DONE

    def get(self, path: bytes) -> bytes:
        if path.startswith(b"/v1/buckets"):
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUCKET), _BUCKET)
        found = self._values.get(path)
        if found is None:
            return _NOTHING
        self.reads += 1
        value, before = found
        if self._stale_every and self.reads % self._stale_every == 0:
            self.stale += before != value
            value = before
        if self.reads == self._damage_at:
            value = value[:-1] + bytes([value[-1] ^ 1])
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(value), value)


class Speaker(asyncio.Protocol):
    """One connection; whole requests only, one at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports can do all that asyncio's can, and are not their subclasses.
        self._transport = cast("asyncio.Transport", transport)
        self._store.open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._store.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._held = data
            return
        length = _LENGTH.search(data, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(data) < whole:
            self._held = data
            return
        self._held = b""
        verb, target, _ = data.split(b" ", 2)
        path = target.partition(b"?")[0]
        is_write = verb == b"PUT" and not path.startswith(b"/v1/buckets")
        self._transport.write(self._store.put(path, data[end + 4 : whole]) if is_write else self._store.get(path))


async def serve(store: Store, port: int) -> asyncio.Server:
    """Listen on loopback; port 0 is any."""
    return await asyncio.get_running_loop().create_server(lambda: Speaker(store), "127.0.0.1", port)


def main() -> None:
    """Serve until told to end."""
    numbers = [int(word) for word in sys.argv[1:]]

    async def forever() -> None:
        async with await serve(Store(*numbers[1:]), numbers[0]) as server:
            await server.serve_forever()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(forever())


if __name__ == "__main__":
    main()
