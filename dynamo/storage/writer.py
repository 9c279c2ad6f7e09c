"""Group commit, the thread's side: each group is written whole, with at most one wait for the disk.

What an error means for the groups that follow:
- No room (disk full, quota, map full), or a disk that has become read-only: the sink has undone the group, or left
  nothing that anybody will take for one, and a later one may fit. The sink tells (`excused`), which knows its errors.
- Anything else, above all a sync that failed: the kernel may have dropped what it could not write and call the next
  sync a success. So nothing may be acknowledged any more, and no sync is repeated: the writer answers StorageRefused,
  for good.

Source: Rebello et al. 2020, "Can Applications Recover from fsync Failures?".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.storage.group import Changes, Group

IDLE_SYNC_S = 0.05
"""In lazy mode: how long the last group may wait for another one to carry it to the disk."""


class Sink(Protocol):
    """What the writer writes to: an LMDB environment, or the log. Called in the writer's thread."""

    lazy: bool
    """Whether `commit` leaves the waiting for the disk to `sync`."""

    def commit(self, changes: Changes) -> None:
        """Write all changes or none. Durable when this returns, unless `lazy`. Raises OSError or lmdb.Error."""

    def sync(self) -> None:
        """Make everything committed durable."""

    def excused(self, problem: Exception) -> StorageFull | None:
        """The refusal of one group after an error of `commit` that says nothing about the others; None: it does."""

    def given_up(self, problem: Exception) -> StorageRefused:
        """What every later group is answered."""


class Writer:
    """The one thread that writes. `report` is called in that thread, once for each group, in order.

    Its second argument is None, StorageFull or StorageRefused. The group is None when a sync in the background failed.
    """

    def __init__(self, sink: Sink, report: Callable[[Group | None, DynamoError | None], None]) -> None:
        self._sink = sink
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
            failure = self._failure_of(group)
            self._report(group, failure)
            # Or it, and all that waited for it, would be taken apart here, when the next one is due.
            del group
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
            self._sink.commit(group.changes)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the waiters must hear of it
            return self._sink.excused(problem) or self._broken(problem)
        self._unsynced = self._sink.lazy
        return None

    def _sync(self) -> DynamoError | None:
        self._unsynced = False
        try:
            self._sink.sync()
        except Exception as problem:  # noqa: BLE001 - as above
            return self._broken(problem)
        return None

    def _sync_behind(self) -> None:
        failure = self._sync()
        if failure is not None:
            self._report(None, failure)

    def _broken(self, problem: Exception) -> StorageRefused:
        self._unsynced = False
        self._broken_by = self._sink.given_up(problem)
        return self._broken_by
