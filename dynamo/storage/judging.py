"""What an error of LMDB means: a commit that may succeed later, or a disk that can no longer be trusted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import lmdb

from dynamo.errors import StorageFull, StorageRefused
from dynamo.storage.directory import NO_ROOM

DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError)


def code(problem: lmdb.Error | OSError) -> int:
    """The system's or the engine's number of an error, 0 if it has none."""
    return (problem.errno if isinstance(problem, OSError) else getattr(problem, "code", None)) or 0


def map_full(path: Path) -> StorageFull:
    """The map has no room for what a write adds."""
    return StorageFull(f"the map of the store in {path} is full: raise storage.map_size_bytes and restart, or delete")


def excused(problem: Exception, path: Path, lost_writes: Callable[[], bool]) -> StorageFull | None:
    """What a failed commit is called if a later one may succeed: no room, and no sync failed with it; else None.

    LMDB reports a write that fell short as EIO; it is taken for a full disk.
    """
    if isinstance(problem, lmdb.MapFullError):
        return map_full(path)
    if not isinstance(problem, lmdb.Error):
        return None
    if code(problem) == errno.EROFS and not lost_writes():
        return StorageFull(f"the disk of {path} has become read-only: once it is writable again, writes go on")
    if (code(problem) in NO_ROOM or code(problem) == errno.EIO) and not lost_writes():
        return StorageFull(f"the disk of {path} takes no more ({problem}): free space on it")
    return None


def given_up(problem: Exception, path: Path) -> StorageRefused:
    """What every later write is answered after an error that is not excused."""
    return StorageRefused(
        f"the store in {path} cannot be written any more ({problem!r}): check the disk, then restart the node"
    )


def lost_writes(environment: lmdb.Environment, probe: int) -> bool:
    """Whether a sync failed, asked after a failed commit: the kernel may have dropped pages it could not write.

    The kernel reports such a failure once to every open file; `probe` is one that the engine does not use. The engine
    keeps a failure to write its header to itself until the next transaction.
    """
    try:
        os.fdatasync(probe)
        environment.begin(write=True).abort()
    except (OSError, lmdb.Error):
        return True
    return False
