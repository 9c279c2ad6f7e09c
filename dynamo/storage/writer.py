"""Group commit, the thread's side: each group is one transaction and at most one wait for the disk.

What an error means for the groups that follow:
- No room (map full, disk full, quota): the transaction was undone, nothing refers to it, and a later one may fit.
  LMDB reports a write that fell short as EIO; it is taken for a full disk, if no sync failed with it.
- A disk that has become read-only: the same, if no sync failed with it.
- Anything else, above all a sync that failed: the kernel may have dropped what it could not write and call the next
  sync a success. So nothing may be acknowledged any more, and no sync is repeated: the writer answers StorageRefused,
  for good.

Source: Rebello et al. 2020, "Can Applications Recover from fsync Failures?".
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import lmdb

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.ports import Change
from dynamo.storage.directory import NO_ROOM
from dynamo.storage.environment import DAMAGE, Changes, Environment, code, no_changes
from dynamo.storage.set_aside import suspect

IDLE_SYNC_S = 0.05
"""In lazy mode: how long the last transaction may wait for another one to carry it to the disk."""
GROUP_WEIGHT_MAX = 32 * 2**20
"""Bytes, about, that one transaction may write before another one is begun. A batch is never split."""
_CHANGE_WEIGHT = 4096
"""A change dirties a page, whatever its size."""

Done = Callable[[Exception | None], None]


class Group:
    """Batches that share a transaction. Of each key only the last change is kept, as nobody sees the ones between."""

    __slots__ = ("_weight_max", "changes", "closed", "commit_s", "dones", "durable", "weight")

    def __init__(self, weight_max: int) -> None:
        self.changes: Changes = no_changes()
        self.dones: list[Done] = []
        self.durable = False
        self._weight_max = weight_max
        self.weight = 0
        """Bytes, about, that the transaction will write."""
        self.closed = False
        """Handed to the writer, or heavy enough: takes no further batch."""
        self.commit_s = 0.0
        """How long the transaction took, its sync included."""

    def add(self, changes: Sequence[Change], durable: bool, done: Done) -> None:  # noqa: FBT001 - as in the port
        """Take a batch behind the others."""
        assert not self.closed, "a group that the writer may hold is never changed"
        for space, key, value in changes:
            self.changes[space][key] = value
            self.weight += _CHANGE_WEIGHT if value is None else _CHANGE_WEIGHT + len(value)
        self.dones.append(done)
        self.durable = self.durable or durable
        self.closed = self.weight >= self._weight_max


class Writer:
    """The one thread that changes the environment. `report` is called in that thread, once for each group, in order.

    Its second argument is None, StorageFull or StorageRefused. The group is None when a sync in the background failed.
    """

    def __init__(self, environment: Environment, report: Callable[[Group | None, DynamoError | None], None]) -> None:
        self._environment = environment
        self._report = report
        self._queue: SimpleQueue[Group | None] = SimpleQueue()
        self._unsynced = False
        self._broken_by: StorageRefused | None = None
        # A daemon: a process that ends without a clean stop is a crash like any other, and must not wait here.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def commit(self, group: Group) -> None:
        """Queue a group. Only its writer looks at it until it was reported."""
        assert group.closed
        self._queue.put(group)

    def stop(self) -> None:
        """Return when all that was queued is committed and synced and the thread has ended."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (group := self._next()) is not None:
            self._report(group, self._failure_of(group))
        if self._unsynced:
            self._sync_behind()

    def _next(self) -> Group | None:
        while self._unsynced:
            try:
                return self._queue.get(timeout=IDLE_SYNC_S)
            except Empty:
                self._sync_behind()
        return self._queue.get()

    def _failure_of(self, group: Group) -> DynamoError | None:
        if self._broken_by is not None:
            return self._broken_by
        began = time.perf_counter()
        failure = self._commit(group) if group.changes else None
        if failure is None and group.durable and self._unsynced:
            failure = self._sync()
        group.commit_s = time.perf_counter() - began
        return failure

    def _commit(self, group: Group) -> DynamoError | None:
        try:
            self._environment.commit(group.changes)
        except lmdb.Error as problem:
            return self._judged(problem)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the waiters must hear of it
            return self._broken(problem)
        self._unsynced = self._environment.lazy
        return None

    def _sync(self) -> DynamoError | None:
        self._unsynced = False
        try:
            self._environment.sync()
        except lmdb.Error as problem:
            return self._broken(problem)
        return None

    def _sync_behind(self) -> None:
        failure = self._sync()
        if failure is not None:
            self._report(None, failure)

    def _judged(self, problem: lmdb.Error) -> DynamoError:
        path = self._environment.directory.path
        if isinstance(problem, lmdb.MapFullError):
            return StorageFull(
                f"the map of the store in {path} is full: raise storage.map_size_bytes and restart, or delete"
            )
        if code(problem) == errno.EROFS and not self._environment.lost_writes():
            return StorageFull(f"the disk of {path} has become read-only: once it is writable again, writes go on")
        if (code(problem) in NO_ROOM or code(problem) == errno.EIO) and not self._environment.lost_writes():
            return StorageFull(f"the disk of {path} takes no more ({problem}): free space on it")
        return self._broken(problem)

    def _broken(self, problem: Exception) -> StorageRefused:
        path = self._environment.directory.path
        self._unsynced = False
        if isinstance(problem, DAMAGE):
            suspect(self._environment.directory, str(problem))
        self._broken_by = StorageRefused(
            f"the store in {path} cannot be written any more ({problem!r}): check the disk, then restart the node"
        )
        return self._broken_by
