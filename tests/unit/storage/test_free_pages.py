"""What LMDB's file does when the same keys are written again and again, and who can keep it from using pages again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.directory import DataDirectory
from dynamo.storage.environment import Environment
from dynamo.storage.group import no_changes

KEYS = 400
CHANGED = 200
"""Of a round: every other page of the tree at least."""


class Store:
    """An environment that is written to in rounds, and read at the newest state after each, as engines do it."""

    def __init__(self, path: Path) -> None:
        self.environment = Environment(DataDirectory(path), 64 * 2**20, lazy=False)
        self._file = path / "store" / "data.mdb"
        self._chance = random.Random(5)
        self.round(range(KEYS))

    def round(self, numbers: range | list[int], value_bytes: int = 900) -> int:
        """Write these keys; the size of the file after it."""
        changes = no_changes()
        for number in numbers:
            changes[Keyspace.RECORDS][b"key-%06d" % number] = self._chance.randbytes(value_bytes)
        self.environment.commit(changes)
        self.environment.refresh()
        return self._file.stat().st_size

    def rounds(self, count: int, value_bytes: int = 900) -> list[int]:
        return [self.round(self._chance.sample(range(KEYS), CHANGED), value_bytes) for _ in range(count)]


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    yield made
    made.environment.close()


def test_pages_are_used_again(store: Store):
    """A few rounds, and the file has room for what is changed next; from then on it hardly grows."""
    sizes = store.rounds(100)
    assert sizes[-1] <= 1.05 * sizes[19]
    assert sizes[-1] < 4 * store.environment.sizes.used_bytes


def test_who_goes_on_reading_an_old_state_makes_it_grow(store: Store):
    """What was given up since may not be used again until the reader has gone; then the file has enough for long."""
    before = store.rounds(10)[-1]
    reader = store.environment._lmdb.begin()
    held = store.rounds(20)
    assert held[-1] > 2 * before
    assert held[-1] > held[-5] > held[-10]
    reader.abort()
    assert store.rounds(20)[-1] == held[-1]


def test_large_values_find_room_again(store: Store):
    """Each takes pages that lie together, which takes some looking for; the file is bounded all the same."""
    sizes = store.rounds(36, value_bytes=12_000)
    assert sizes[-1] <= 1.1 * sizes[17]
    assert sizes[-1] < 5 * store.environment.sizes.used_bytes
