"""Reads and writes in one stream, over keys of which some are hot: YCSB's mixes, the same for every system.

Which key, and whether it is read or written, is drawn before the run, from the seed: each connection walks a list of
its own round and round, and all systems get the same lists. Requests in flight may meet at a key here, so systems must
take that: every key has one value for the whole run, which a write writes again, and so every read can be checked.
"""

from __future__ import annotations

import random

from dynamo.workload.choosers import chooser
from dynamo.workload.keys import KeySpace
from dynamo.workload.mixes import PRESETS, shares
from dynamo.workload.operations import Operation

DRAWS = 2000
"""Length of each connection's list."""


class DrawnKeys(KeySpace):
    """The same keys; a position stands for reading the key of that number, or above their number for writing one."""

    def __init__(self, keys: KeySpace, mix: str, seed: int) -> None:
        """`mix` is one of PRESETS with gets and puts only."""
        self.value_bytes, self.keys, self.values = keys.value_bytes, keys.keys, keys.values
        self._order = keys.walk()
        self._mix = PRESETS[mix]
        self._seed = seed

    def shares(self, connections: int) -> list[list[int]]:
        """A list for each connection, as drawn. Lists of more connections begin with those of fewer."""
        count, chance = len(self.keys), random.Random(f"{self._seed} {self._mix.operations}")
        writes = shares(self._mix.operations).get("put", 0.0)
        choose = chooser(self._mix.keys.chooser, count, theta=self._mix.keys.theta)
        return [
            [choose(chance.random(), count) + count * (chance.random() < writes) for _ in range(DRAWS)]
            for _ in range(connections)
        ]


class Mixed:
    """Two operations over the same keys as one."""

    def __init__(self, mix: str, seed: int, read: Operation, write: Operation) -> None:
        self.name = f"YCSB {mix.upper()}"
        self.keys: KeySpace = DrawnKeys(read.keys, mix, seed)
        self._read, self._write = read, write
        self._count = len(read.keys)

    def request(self, position: int) -> bytes:
        if position < self._count:
            return self._read.request(position)
        return self._write.request(position - self._count)

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if position < self._count:
            return self._read.fault(position, status, head, body)
        return self._write.fault(position - self._count, status, head, body)
