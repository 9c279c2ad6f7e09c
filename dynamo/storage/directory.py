"""The data directory: one process at a time, and small files that change whole or not at all.

LMDB lets several processes write one file in turn. A node must not share its store, because another process would mint
dots under the same actor; so an exclusive lock on the file `lock` is held as long as the store is open. The kernel
drops the lock with the process, hence nothing is left to clean up after a crash.

    lock            locked while a node runs; holds its process id
    identity.toml   who the node is        (identity.py)
    store/          the LMDB environment   (environment.py)
    store/log/      the log in front of it (segment.py)
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from dynamo.errors import DynamoError, StorageFull, StorageRefused

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system answers when a file cannot grow: disk full, quota reached, file size limit reached."""


class DataDirectory:
    """Made if missing and locked by the constructor. Raises StorageRefused if it is in use or cannot be written."""

    __slots__ = ("_lock_fd", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _make(path)
            self._lock_fd: int | None = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise StorageRefused(
                f"the data directory {path} cannot be written ({problem.strerror}): make it writable for this user, "
                "or set node.data_dir to another place"
            ) from problem
        _lock(self._lock_fd, path)

    @property
    def locked(self) -> bool:
        """Whether this process still owns the directory."""
        return self._lock_fd is not None

    @property
    def store(self) -> Path:
        """Folder of the LMDB environment."""
        return self.path / "store"

    def release(self) -> None:
        """Let another process in. Nothing may be written afterwards. May be called twice."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def replace(self, name: str, content: str) -> None:
        """Make `content` the whole of the file `name`, on disk when this returns; a crash leaves the old or the new.

        Raises StorageFull if there is no room, StorageRefused for any other failure.
        """
        assert self.locked, "the data directory is written by its owner only"
        draft = self.path / f"{name}.new"
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / name)
            sync_directory(self.path)
        except OSError as problem:
            raise _write_failure(self.path / name, problem) from problem


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable: a file that is on disk without its name is lost."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(path: Path) -> None:
    if not path.is_dir():
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_directory(path.parent)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(handle, 0)
        os.pwrite(handle, b"%d\n" % os.getpid(), 0)
    except OSError as problem:
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        if isinstance(problem, BlockingIOError):
            raise StorageRefused(
                f"the data directory {path} is in use by process {owner}: stop that node, or set node.data_dir to "
                "another place"
            ) from problem
        raise _write_failure(path / "lock", problem) from problem


def _write_failure(path: Path, problem: OSError) -> DynamoError:
    if problem.errno in NO_ROOM:
        return StorageFull(f"{path} cannot be written ({problem.strerror}): free space on the disk")
    if problem.errno == errno.EROFS:
        return StorageFull(f"{path} cannot be written, its disk is read-only: make it writable")
    return StorageRefused(f"{path} cannot be written ({problem.strerror}): check the disk and the permissions")
