"""The contract's rig for LMDB: a real store in a temporary directory, whose disk fills up on demand."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from pathlib import Path

import lmdb

from dynamo.errors import DynamoError
from dynamo.storage.directory import DataDirectory
from dynamo.storage.engine import LmdbStorage
from dynamo.storage.environment import Environment
from dynamo.storage.group_commit import GroupCommit
from dynamo.storage.writer import Sink

MAP_BYTES = 256 * 2**20


class LmdbRig:
    """See StorageRig. `lazy` opens the store as `durability = "async"` does."""

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES, lazy: bool = False) -> None:
        self.loop = asyncio.new_event_loop()
        self.path = path
        self.map_bytes = map_bytes
        self.lazy = lazy
        self.fatal: list[DynamoError] = []
        self.commits: list[tuple[float, int]] = []
        try:
            self.open()
        except BaseException:
            self.loop.close()
            raise

    def open(self) -> None:
        self.environment = Environment(DataDirectory(self.path), self.map_bytes, lazy=self.lazy)
        self.sink: Sink = self.environment
        self._commit = self.environment.commit
        self.storage: GroupCommit = LmdbStorage(
            self.environment,
            self.loop,
            self.fatal.append,
            lambda seconds, batches: self.commits.append((seconds, batches)),
        )

    def reopen(self) -> None:
        self.loop.run_until_complete(self.storage.close())
        self.open()

    def fill(self) -> None:
        def no_room(changes: Mapping[object, object]) -> None:
            raise self.error(errno.ENOSPC)

        self.sink.commit = no_room

    def make_room(self) -> None:
        self.sink.commit = self._commit

    def error(self, code: int) -> Exception:
        """As the sink raises it."""
        return error("mdb_txn_commit: made up", code)

    def lose_writes(self) -> None:
        """From now on it turns out that a sync has failed."""
        self.environment.lost_writes = lambda: True

    def close(self) -> None:
        """May be called twice."""
        if self.loop.is_closed():
            return
        self.make_room()
        if self.environment.directory.locked:
            self.loop.run_until_complete(self.storage.close())
        self.loop.close()


def error(text: str, code: int) -> lmdb.Error:
    """An error as the engine raises it; it fills in the number from inside only."""
    problem = lmdb.Error(text)
    problem.code = code
    return problem
