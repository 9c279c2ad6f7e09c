"""A disk that can lose power: what it has of each file then, as the log's calls decide it."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dynamo.storage.frame import BLOCK

CHOICES_MAX = 64


class Fault(NamedTuple):
    """What happens to one call, counted from 0 over writes and syncs."""

    call: int
    taken: int
    """Bytes that a write takes before there is no room."""
    loses: bool
    """Whether a sync that fails has dropped what it should have written, as the page cache does, or only refuses."""


class Piece(NamedTuple):
    """Part of a write that is on disk or not: no more than a block, within one."""

    file: str
    place: int
    data: bytes


class PoweredDisk:
    """Watches writes and syncs of the files that were added. `before_each` is called before each of them."""

    def __init__(self, patched: pytest.MonkeyPatch, fault: Fault | None) -> None:
        self.fault = fault
        self._calls = itertools.count()
        self._durable: dict[str, bytes] = {}
        self._pending: list[Piece] = []
        self._untold: str | None = None
        """The file of a sync that has failed, until that was told through a second handle."""
        self._handle = -1
        self._pwrite = os.pwrite
        self.before_each = lambda: None
        patched.setattr(os, "pwrite", self._write)
        patched.setattr(os, "fdatasync", self._sync)

    def add(self, file: Path) -> None:
        """A file that is on disk as it is."""
        self._durable[str(file)] = file.read_bytes()

    def after_a_cut(self) -> Iterator[dict[str, bytes]]:
        """What there may be of each file if the power goes now: any part of what was not synced."""
        choices = itertools.product((False, True), repeat=len(self._pending))
        for chosen in itertools.islice(choices, CHOICES_MAX):
            files = {file: bytearray(data) for file, data in self._durable.items()}
            for piece in itertools.compress(self._pending, chosen):
                data = files[piece.file]
                data.extend(bytes(max(0, piece.place + len(piece.data) - len(data))))
                data[piece.place : piece.place + len(piece.data)] = piece.data
            yield {file: bytes(data) for file, data in files.items()}

    def _fails(self) -> bool:
        self.before_each()
        return self.fault is not None and next(self._calls) == self.fault.call

    def _write(self, handle: int, data: memoryview, place: int) -> int:
        file = _path_of(handle)
        if file not in self._durable:
            return self._pwrite(handle, data, place)  # It is being made, and added later.
        fails = self._fails()
        if fails and self.fault is not None:
            data = data[: self.fault.taken]
        start = 0
        while start < len(data):
            end = min(start + BLOCK - (place + start) % BLOCK, len(data))
            self._pending.append(Piece(file, place + start, bytes(data[start:end])))
            start = end
        written = self._pwrite(handle, data, place)
        if fails and not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written

    def _sync(self, handle: int) -> None:
        file = _path_of(handle)
        if self._fails():
            if self.fault is not None and self.fault.loses:
                self._pending = [piece for piece in self._pending if piece.file != file]
                self._untold, self._handle = file, handle
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._untold == file and handle != self._handle:
            self._untold = None
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced = [piece for piece in self._pending if piece.file == file]
        self._pending = [piece for piece in self._pending if piece.file != file]
        data = bytearray(self._durable[file])
        for piece in synced:
            data.extend(bytes(max(0, piece.place + len(piece.data) - len(data))))
            data[piece.place : piece.place + len(piece.data)] = piece.data
        self._durable[file] = bytes(data)


def _path_of(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())
