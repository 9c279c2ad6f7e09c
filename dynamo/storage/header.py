"""What the first two pages of the data file tell, before the engine maps it.

LMDB maps the file and follows page numbers, and touching a mapped page behind the file's end kills the process. So the
two headers are read here as plain bytes: both must be of the engine's format, and the file must reach as far as the
newer one counts. A sound file can be a few pages shorter, when the last transaction gave up pages at its end before
they were written. That is rare, so only then every page is walked, offline, by the engine's own verifier. At any other
start nothing is read but the headers: what is damaged inside the pages shows when it is read.

Layout: LMDB 0.9 `MDB_meta` behind a page header of 16 bytes, on 64-bit machines, in the machine's byte order.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from lmdb import verify

from dynamo.errors import StorageRefused

_MAGIC = 0xBEEFC0DE
_DATA_VERSION = 1
_META_PAGE = 0x08
_LAYOUT = struct.Struct("=10xH4xII16xI92xQQ")
"""Page flags, magic, data version, page size (first field of the free list's tree), last page, transaction."""


class Header(NamedTuple):
    """One of the two headers; the engine uses the one with the higher transaction number."""

    flags: int
    magic: int
    version: int
    page_bytes: int
    last_page: int
    transaction: int


class Damaged(StorageRefused):
    """The file is truncated, or its pages make no sense. `reason` says how it was noticed."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"the data file {file} is damaged or foreign: {reason}. Move the data directory away and put back a copy "
            "of it (the other nodes refuse one from before its last start), or set "
            'storage.on_damage = "set-aside": the node then moves the store aside, begins empty, and the other nodes '
            "fill it. `python -m lmdb verify` tells more"
        )
        self.reason = reason


def check(file: Path) -> None:
    """Do nothing if the file is missing, empty or sound as far as the headers tell. Raises Damaged, StorageRefused."""
    try:
        size = file.stat().st_size
        headers = _both(file) if size else []
    except FileNotFoundError:
        return
    except OSError as problem:
        raise unreadable(file, problem.strerror or str(problem)) from problem
    if headers:
        newest = max(headers, key=lambda header: header.transaction)
        expected = (newest.last_page + 1) * newest.page_bytes
        if size < expected:
            walk(file, f"it has {size} bytes of {expected}")


def _both(file: Path) -> list[Header]:
    with file.open("rb") as data:
        first = _header(file, data.read(_LAYOUT.size))
        data.seek(first.page_bytes)
        return [first, _header(file, data.read(_LAYOUT.size))]


def _header(file: Path, data: bytes) -> Header:
    if len(data) < _LAYOUT.size:
        raise Damaged(file, "it ends within its header")
    header = Header(*_LAYOUT.unpack(data))
    if header.magic != _MAGIC or not header.flags & _META_PAGE:
        raise Damaged(file, "it does not begin as an LMDB file of this kind of machine does")
    if header.version != _DATA_VERSION:
        raise StorageRefused(
            f"the data file {file} has LMDB data format {header.version}, and this version of the store uses "
            f"{_DATA_VERSION}. Nothing was changed. Move the data directory away, or start the version that made it"
        )
    if not 256 <= header.page_bytes <= 65536 or header.page_bytes & (header.page_bytes - 1):
        raise Damaged(file, f"its header names a page size of {header.page_bytes} bytes")
    return header


def walk(file: Path, suspicion: str) -> None:
    """Read every page. Raises Damaged, with the suspicion and what was found."""
    try:
        problems = verify.verify(os.fspath(file), subdir=False)  # type: ignore[no-untyped-call]
    except verify.VerifyError as problem:
        problems = [str(problem)]
    if problems:
        raise Damaged(file, f"{suspicion}, and {problems[0]}")


def unreadable(file: Path, reason: str) -> StorageRefused:
    """The error for a file that cannot be opened although it may be sound."""
    return StorageRefused(
        f"the data file {file} cannot be opened: {reason}. Nothing was changed; check the disk, how it is mounted and "
        "the permissions, and start again"
    )
