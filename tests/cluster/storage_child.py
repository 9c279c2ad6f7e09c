"""A process that writes numbered batches as fast as the store takes them, until it is killed.

    python -m tests.cluster.storage_child DIRECTORY DURABILITY ENGINE [STEP MOMENT COUNT]

First line: the incarnation. Then the number of each batch, written to the pipe only after the store acknowledged it.
Batch n puts five records of n and notes n as the last; it also removes the records of batch n - WINDOW. So at any
moment the store must hold the batches of one window, whole. With a step it kills itself there: `storage_steps.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from dynamo.config import Config, NodeSection, StorageSection
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, Storage
from dynamo.ring.ring import Member, first_ring
from dynamo.storage.open import open_store
from tests.cluster import storage_steps

WINDOW = 100
PARTS = 5
OUTSTANDING = 12
LAST = b"last"


def record_key(number: int, part: int) -> bytes:
    return b"%08d/%d" % (number, part)


def record_value(number: int, part: int) -> bytes:
    """From a few bytes to several pages, and never the same twice."""
    dice = random.Random(number * PARTS + part)
    return b"%08d/%d " % (number, part) + dice.randbytes(dice.choice([10, 300, 3000, 9000]))


def batch(number: int) -> list[Change]:
    changes: list[Change] = [(Keyspace.META, LAST, b"%d" % number)]
    for part in range(PARTS):
        changes.append((Keyspace.RECORDS, record_key(number, part), record_value(number, part)))
        if number >= WINDOW:
            changes.append((Keyspace.RECORDS, record_key(number - WINDOW, part), None))
    return changes


def config_of(directory: Path, durability: str, engine: str) -> Config:
    return Config(
        node=NodeSection(data_dir=str(directory)),
        storage=StorageSection(durability=durability, engine=engine, map_size_bytes=2**28),
    )


class Load:
    """Keeps a number of batches outstanding for ever."""

    def __init__(self, storage: Storage, *, durable: bool) -> None:
        self._storage = storage
        self._durable = durable
        self._next = int(storage.read(Keyspace.META, LAST) or b"-1") + 1

    def write(self) -> None:
        number = self._next
        self._next += 1
        self._storage.write(batch(number), self._durable, lambda error: self._told(number, error))

    def _told(self, number: int, error: Exception | None) -> None:
        if error is not None:
            raise SystemExit(f"batch {number}: {error}")
        os.write(sys.stdout.fileno(), b"%d\n" % number)
        self.write()


async def main(directory: Path, durability: str, engine: str) -> None:
    ring = first_ring([Member("node1", "127.0.0.1", 1, 2, 3)], 16)
    loop = asyncio.get_running_loop()
    storage, identity = open_store(
        config_of(directory, durability, engine), ring, loop, lambda error: sys.exit(str(error))
    )
    os.write(sys.stdout.fileno(), identity.incarnation.encode() + b"\n")
    load = Load(storage, durable=durability == "sync")
    for _ in range(OUTSTANDING):
        load.write()
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    storage_steps.smaller()
    if len(sys.argv) > 4:
        storage_steps.Trap(sys.argv[4], sys.argv[5], int(sys.argv[6]))
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
