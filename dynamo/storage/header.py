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


def check(file: Path) -> None:
    """Do nothing if the file is missing, empty or sound as far as the headers tell. Raises StorageRefused."""
    try:
        size = file.stat().st_size
        headers = _both(file) if size else []
    except FileNotFoundError:
        return
    except OSError as problem:
        raise refusal(file, f"it cannot be read ({problem.strerror})") from problem
    if headers:
        newest = max(headers, key=lambda header: header.transaction)
        expected = (newest.last_page + 1) * newest.page_bytes
        if size < expected:
            _walk(file, f"it has {size} bytes of {expected}")


def _both(file: Path) -> list[Header]:
    with file.open("rb") as data:
        first = _header(file, data.read(_LAYOUT.size))
        data.seek(first.page_bytes)
        return [first, _header(file, data.read(_LAYOUT.size))]


def _header(file: Path, data: bytes) -> Header:
    if len(data) < _LAYOUT.size:
        raise refusal(file, "it ends within its header")
    header = Header(*_LAYOUT.unpack(data))
    if header.magic != _MAGIC or not header.flags & _META_PAGE:
        raise refusal(file, "it does not begin as an LMDB file of this kind of machine does")
    if header.version != _DATA_VERSION:
        raise refusal(file, f"it has LMDB data format {header.version}, and this store uses {_DATA_VERSION}")
    if not 256 <= header.page_bytes <= 65536 or header.page_bytes & (header.page_bytes - 1):
        raise refusal(file, f"its header names a page size of {header.page_bytes} bytes")
    return header


def _walk(file: Path, suspicion: str) -> None:
    try:
        problems = verify.verify(os.fspath(file), subdir=False)  # type: ignore[no-untyped-call]
    except verify.VerifyError as problem:
        problems = [str(problem)]
    if problems:
        raise refusal(file, f"{suspicion}, and {problems[0]}")


def refusal(file: Path, reason: str) -> StorageRefused:
    """The error for a file that cannot be opened for `reason`, with what to do about it."""
    return StorageRefused(
        f"the data file {file} is damaged or foreign: {reason}. Move the data directory away and put back a copy of "
        "it, or start with an empty one, which reads of every key at consistency=all then fill. "
        "`python -m lmdb verify` tells more"
    )
