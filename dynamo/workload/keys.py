"""Which keys a run touches, in which order, and what their values are: all from one seed.

A key has one value for the whole run, so that an answer can be compared with what was written, byte by byte, without
asking who wrote last. Values are random bytes: nothing on the way can compress them. Each connection walks its own
share of the keys round and round, in shuffled order, so no two requests in flight meet at a key.
"""

from __future__ import annotations

import random


class KeySpace:
    """`count` keys with values of `value_bytes` each. Equal arguments give equal keys, values and order."""

    def __init__(self, seed: int, count: int, value_bytes: int) -> None:
        assert count > 0, "a run without keys measures nothing"
        chance = random.Random(seed)
        self.value_bytes = value_bytes
        self.keys = [f"key-{number:08d}" for number in range(count)]
        self.values = [chance.randbytes(value_bytes) for _ in range(count)]
        self._order = list(range(count))
        chance.shuffle(self._order)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def groups(self) -> int:
        """How many kinds of connections the keys tell apart; see `group`."""
        return 1

    def group(self, position: int) -> int:
        """Of which kind a connection must be that asks for this key."""
        return 0

    def walk(self) -> list[int]:
        """All positions in shuffled order, for connections that have no keys of their own."""
        return self._order

    def shares(self, connections: int) -> list[list[int]]:
        """Positions of keys for each connection: disjoint, together all of them, sizes at most one apart."""
        assert 0 < connections <= len(self.keys), "each connection needs a key of its own"
        return [self._order[first::connections] for first in range(connections)]


class RoutedKeys(KeySpace):
    """The same keys, each asked for at one endpoint of several: connections take turns over the endpoints."""

    def __init__(self, keys: KeySpace, endpoint_of: list[int], endpoints: int) -> None:
        self.value_bytes, self.keys, self.values = keys.value_bytes, keys.keys, keys.values
        self._order = [position for share in keys.shares(1) for position in share]
        self._endpoint_of = endpoint_of
        """By position: the place of the endpoint in the list of them."""
        self._endpoints = endpoints

    @property
    def groups(self) -> int:
        """The nth connection of a kind that counts modulo this goes to the nth endpoint."""
        return self._endpoints

    def group(self, position: int) -> int:
        """The place of the key's endpoint."""
        return self._endpoint_of[position]

    def shares(self, connections: int) -> list[list[int]]:
        """As of any keys; the nth connection has keys of the nth endpoint, round and round."""
        by_endpoint: list[list[int]] = [[] for _ in range(self._endpoints)]
        for position in self._order:
            by_endpoint[self._endpoint_of[position]].append(position)
        turns = [(number % self._endpoints, number // self._endpoints) for number in range(connections)]
        counts = [sum(endpoint == each for each, _ in turns) for endpoint in range(self._endpoints)]
        shares = [by_endpoint[endpoint][turn :: counts[endpoint]] for endpoint, turn in turns]
        assert all(shares), "each connection needs a key of its own"
        return shares
