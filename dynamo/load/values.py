"""What a value holds: which write it comes from, and bytes that everybody can make again to compare them.

The first 24 bytes say run, key, worker, number of the write and length; the rest is a stretch of a fixed pool of
random bytes, which the run's number is the seed of, from a place that the write's number gives. So a reader that knows
nothing of the writer checks every byte with one comparison, also of values that an earlier run left behind.
"""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

from dynamo.workload.value_sizes import BYTES_MAX

_HEADER = struct.Struct(">IIIQI")
HEADER_BYTES = _HEADER.size
_STEP = 61
"""How far the stretches of consecutive writes lie apart; odd, so that all places are used."""
_PLACES = 2**16


class Written(NamedTuple):
    """Which write a value comes from. Number 0 is the preload's."""

    run: int
    key: int
    worker: int
    number: int


class Values:
    """Makes and checks the values of one run, and checks those of others."""

    def __init__(self, run: int, largest: int = BYTES_MAX) -> None:
        self._run = run
        self._largest = largest
        self._pools: dict[int, bytes] = {}
        self._pool = self._pool_of(run)

    def make(self, key: int, worker: int, number: int, size: int) -> bytes:
        """The value of a write; `size` counts all bytes and is at least `HEADER_BYTES`."""
        place = number * _STEP % _PLACES
        return _HEADER.pack(self._run, key, worker, number, size) + self._pool[place : place + size - HEADER_BYTES]

    def look(self, body: bytes) -> Written | None:
        """Which write a value is from; None if it is not, byte by byte, what that write has written."""
        if len(body) < HEADER_BYTES:
            return None
        run, key, worker, number, size = _HEADER.unpack_from(body)
        if size != len(body):
            return None
        pool = self._pool if run == self._run else self._pool_of(run)
        place = number * _STEP % _PLACES
        if body[HEADER_BYTES:] != pool[place : place + size - HEADER_BYTES]:
            return None
        return Written(run, key, worker, number)

    def _pool_of(self, run: int) -> bytes:
        pool = self._pools.get(run)
        if pool is None:
            # A damaged header could name any run: only a few are kept.
            if len(self._pools) > 4:
                self._pools.clear()
            pool = self._pools[run] = random.Random(run).randbytes(_PLACES + self._largest)
        return pool


def name(written: Written) -> str:
    """How a history names a value: unique within the run."""
    return f"{written.worker}.{written.number}" if written.number else f"preload.{written.key}"
