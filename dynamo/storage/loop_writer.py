"""Group commit without the writer's thread: the loop writes a group, the kernel syncs it (`kernel_sync.py`).

The thread is woken some six times for each group, most of them in vain: the loop gives the interpreter away for
microseconds only. A write by the loop goes to the page cache, some ten microseconds for twenty changes; only the sync
waits for the disk, and for that nobody in this process waits.

What takes longer, or more than one write (large values, the next segment, a group that goes past the log), and what
fails is left to the thread, which knows what an error means. The one exception is a sync that failed: see `writer.py`,
it is never repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from dynamo.errors import DynamoError, StorageRefused
from dynamo.storage.group import Changes, Group
from dynamo.storage.kernel_sync import KernelSync

SIZE_BYTES_MAX = 512 * 2**10
"""Of the values of a group. To copy more would keep the loop from others for longer than a request takes."""


class SplitSink(Protocol):
    """A `writer.Sink` that can leave the waiting to others. Called on the loop, while the thread has no group."""

    def begin(self, changes: Changes) -> int | None:
        """Write all changes, which become durable by a sync of the file given back, and count once `ended` was called.

        None: that would take more than a write, and nothing was done. Raises OSError.
        """

    def ended(self) -> None:
        """What was begun is durable."""

    def given_up(self, problem: Exception) -> StorageRefused:
        """What every later group is answered after a failed sync."""


class LoopWriter:
    """Takes what it can, a group at a time. `report` as that of `Writer`, called on the loop.

    Raises OSError where the system cannot sync without a thread.
    """

    def __init__(
        self,
        sink: SplitSink,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[Group | None, DynamoError | None], None],
    ) -> None:
        self._sink = sink
        self._report = report
        self._sync = KernelSync(loop, self._ended)
        self._group: Group | None = None
        self._began = 0.0

    def takes(self, group: Group) -> bool:
        """Begin to write a group. False: the thread must; it does so as if nothing had been tried."""
        assert group.closed
        if not group.changes or group.size_bytes > SIZE_BYTES_MAX:
            return False
        self._began = time.perf_counter()
        try:
            handle = self._sink.begin(group.changes)
            if handle is None:
                return False
            self._sync.begin(handle)
        except Exception:  # noqa: BLE001 - the thread meets it, too, if it stays, and tells what it means
            return False
        self._group = group
        return True

    def _ended(self, problem: Exception | None) -> None:
        group, self._group = self._group, None
        assert group is not None
        group.commit_s = time.perf_counter() - self._began
        if problem is None:
            self._sink.ended()
        self._report(group, None if problem is None else self._sink.given_up(problem))

    def close(self) -> None:
        """Report nothing any more."""
        self._sync.close()
