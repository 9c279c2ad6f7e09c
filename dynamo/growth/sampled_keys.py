"""Keys of a store that is too large to hold all of their requests: names and values by number, and a sample of them.

The sample lies evenly over all keys and is larger than what a measurement asks for, as far as there are so many: then
each request meets a key that was not asked for a moment ago, as it would in a store of that size.
"""

from __future__ import annotations

import random

from dynamo.workload.keys import KeySpace

SAMPLE_MAX = 200_000
_POOL_BYTES = 2**20
_STEP = 2_654_435_761
"""Knuth's: a prime near the golden section of 2^32, so that neighbours get values far apart in the pool."""


def key_name(number: int) -> str:
    """As `KeySpace` names them."""
    return f"key-{number:08d}"


class Values:
    """The value of each key, a piece of one stretch of random bytes."""

    def __init__(self, seed: int, value_bytes: int) -> None:
        self._bytes = value_bytes
        self._pool = random.Random(seed).randbytes(_POOL_BYTES + value_bytes)

    def of(self, number: int) -> bytes:
        """Of the key with this number."""
        begin = number * _STEP % _POOL_BYTES
        return self._pool[begin : begin + self._bytes]


class SampledKeys(KeySpace):
    """Some of `count` keys, in shuffled order. Equal arguments give equal ones."""

    def __init__(self, seed: int, count: int, value_bytes: int, sample_max: int = SAMPLE_MAX) -> None:
        size = min(count, sample_max)
        numbers = [place * count // size for place in range(size)]
        values = Values(seed, value_bytes)
        self.value_bytes = value_bytes
        self.keys = [key_name(number) for number in numbers]
        self.values = [values.of(number) for number in numbers]
        self._order = list(range(size))
        random.Random(seed).shuffle(self._order)
