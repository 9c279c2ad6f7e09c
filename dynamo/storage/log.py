"""The end of the log that is written to: each group one frame, each frame one write (`writer.Sink`).

In sync mode `commit` waits until the frame is on disk. `begin` leaves that to whoever called it (`loop_writer.py`), and
so does `commit` in lazy mode, to `sync`.

The next segment is made ahead by another thread (`keeper.py`). When a frame does not fit into what is prepared of the
segment, the log goes on in the next one; when that is not there yet, the segment grows: slower, but nobody waits. So a
disk without room is told by the write that does not fit on it.

    1. the header of the next segment, synced     (a crash here leaves an empty segment behind the last frame)
    2. the seal in this one, synced               (from here on the next one must exist)
    3. the first frame in the next one

A frame that could not be written whole is spoilt, on disk, before its group is called failed: it must not come to life
at the next start.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from dynamo.errors import StorageFull, StorageRefused
from dynamo.storage import frame
from dynamo.storage.directory import NO_ROOM
from dynamo.storage.frame import BLOCK, HEAD_BYTES
from dynamo.storage.group import Changes
from dynamo.storage.segment import SEGMENT_BYTES, Folder, Header, epoch, header_block, write_all

SPARES_MAX = 8
"""How many files wait to be used again, so many as a memtable may stand for; more are removed."""


class Place(NamedTuple):
    """A point between two frames."""

    number: int
    """Of the segment."""
    offset: int


class Closed(NamedTuple):
    """A sealed segment that LMDB may not have all of."""

    number: int
    name: str
    last: int
    """Number of the last group that it, or an earlier one, holds."""
    end: int


class _Files(NamedTuple):
    """The segment in hand, opened twice: the kernel tells of a failed sync once to each open file."""

    handle: int
    """Written and synced through."""
    probe: int
    """Asked through (`lost_writes`)."""

    def close(self) -> None:
        os.close(self.handle)
        os.close(self.probe)


class Log:
    """Begins with the empty segment `name` of the log `log`, behind the group `applied`.

    `commit`, `sync` and what they call belong to the writer's thread. While it has no group, the loop may `begin` one,
    and reads `sequence`, `place` and `closed`; it gives files back to `spares` at any time, and closes the log when the
    thread has ended.
    """

    def __init__(self, folder: Folder, log: int, name: str, applied: int, *, lazy: bool) -> None:
        self.lazy = lazy
        self.folder = folder
        self.id = log
        self.sequence = applied
        """Number of the last group."""
        self.closed: deque[Closed] = deque()
        self.spares: deque[str] = deque()
        self.want_spare: Callable[[], None] = lambda: None
        """Called, in the writer's thread, when the next segment should be made."""
        self.written_bytes = 0
        self._size = 0
        """Of the frame that is written and does not count yet."""
        self._synced = applied
        self._wanted = False
        self._use(name, 1, self._open(name))

    @property
    def place(self) -> Place:
        """Behind the last frame."""
        return Place(self._number, self._offset)

    @property
    def name(self) -> str:
        """The segment that is written to."""
        return self._name

    # --- the writer's thread

    def commit(self, changes: Changes) -> None:
        """Append a group. Raises OSError; then nothing of it is in the log, once `excused` has said so."""
        data = self._framed(changes)
        if not self._fits(data):
            if self._switch():
                data = self._framed(changes)
            elif not self._wanted:
                self._wanted = True
                self.want_spare()
        self._write(data)
        if not self.lazy:
            os.fdatasync(self._files.handle)
        self.ended()

    def sync(self) -> None:
        """Make all groups durable. Raises OSError."""
        os.fdatasync(self._files.handle)
        self._synced = self.sequence

    def excused(self, problem: Exception) -> StorageFull | None:
        """No room, or a disk that has become read-only, if no sync failed with it, and the frame can be spoilt."""
        number = problem.errno if isinstance(problem, OSError) else None
        if number not in NO_ROOM and number != errno.EROFS:
            return None
        try:
            if number != errno.EROFS:
                self._spoil()
        except OSError:
            return None
        # Asked last, since to ask is a sync: before, it would take to the disk what is to be spoilt.
        if self.lost_writes():
            return None
        if number == errno.EROFS:
            return StorageFull(f"the disk of {self.folder.path} has become read-only: made writable, it takes more")
        return StorageFull(f"the disk of {self.folder.path} takes no more ({problem}): free space on it")

    def given_up(self, problem: Exception) -> StorageRefused:
        """What every later group is answered."""
        return StorageRefused(
            f"the log in {self.folder.path} cannot be written any more ({problem!r}): check the disk, then restart the "
            "node"
        )

    def _fits(self, data: bytearray) -> bool:
        """Into what is prepared of the segment, with a seal behind it."""
        return self._offset + len(data) + BLOCK <= self._prepared

    def _write(self, data: bytearray) -> None:
        self._size = len(data)
        write_all(self._files.handle, memoryview(data), self._offset)

    def ended(self) -> None:
        """What was written last is as durable as it is meant to be: the next frame comes behind it."""
        self._offset += self._size
        self.written_bytes += self._size
        self.sequence += 1
        if not self.lazy:
            self._synced = self.sequence

    def _spoil(self) -> None:
        """Make sure that no frame begins behind the last group. Raises OSError."""
        if os.fstat(self._files.handle).st_size > self._offset:
            write_all(self._files.handle, memoryview(bytes(HEAD_BYTES)), self._offset)

    def _framed(self, changes: Changes | None) -> bytearray:
        return frame.encoded(changes, epoch=self._epoch, sequence=self.sequence + 1, synced=self._synced)

    def _switch(self) -> bool:
        """Go on in the next segment, if there is one. Raises OSError."""
        try:
            name = self.spares.popleft()
        except IndexError:  # Also if the keeper took it just now.
            return False
        number = self._number + 1
        try:
            files = self._open(name)
        except OSError:
            self.spares.appendleft(name)
            return False  # The files of this process are all in use: as if it were not there.
        try:
            self._head(files.handle, number)
            write_all(self._files.handle, memoryview(self._framed(None)), self._offset)
            os.fdatasync(self._files.handle)
        except BaseException:
            files.close()
            self.spares.appendleft(name)
            raise
        self._files.close()
        self.closed.append(Closed(self._number, self._name, self.sequence, self._offset))
        self._use(name, number, files)
        if not self.spares:
            self._wanted = True
            self.want_spare()
        return True

    def _head(self, handle: int, number: int) -> None:
        """Have a segment begin, before anything on disk speaks of it."""
        write_all(handle, memoryview(header_block(Header(self.id, number))), 0)
        os.fdatasync(handle)

    def _use(self, name: str, number: int, files: _Files) -> None:
        self._name, self._number, self._files = name, number, files
        self._epoch = epoch(self.id, number)
        self._offset = BLOCK
        self._prepared = os.fstat(files.handle).st_size
        self._wanted = False

    def _open(self, name: str) -> _Files:
        path = self.folder.file(name)
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return _Files(handle, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            os.close(handle)
            raise

    def lost_writes(self) -> bool:
        """Whether a sync of the segment failed, asked once after a write that did."""
        try:
            os.fdatasync(self._files.probe)
        except OSError:
            return True
        return False

    # --- the loop

    def begin(self, changes: Changes) -> int | None:
        """Write a group if it takes one write, and say which file is to be synced before `ended`. Raises OSError."""
        data = self._framed(changes)
        if not self._fits(data):
            return None
        self._write(data)
        return self._files.handle

    def recycle(self, applied: int) -> list[str]:
        """Have files used again of which LMDB has everything; the names of those that are to be removed instead."""
        removed = []
        while self.closed and self.closed[0].last <= applied:
            segment = self.closed.popleft()
            if segment.end > 2 * SEGMENT_BYTES or len(self.spares) >= SPARES_MAX:
                removed.append(segment.name)
            else:
                self.spares.append(segment.name)
        # There may have been no room for the one that was asked for last.
        self._wanted = bool(self.spares)
        return removed

    def size_bytes(self) -> int:
        """Of all segments on disk, about."""
        return self._offset + SEGMENT_BYTES * (len(self.closed) + len(self.spares))

    def close(self) -> None:
        """Give up the files. The writer's thread has ended."""
        self._files.close()
