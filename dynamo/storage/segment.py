"""The files of the log: segments, and the folder that they lie in.

    store/log/7.log     block 0: the header; then frames (frame.py)

A segment is written to from its beginning to its end and then sealed; when LMDB has all of it, the file is used again
under another number. Its header says which log it belongs to (each start of a node begins another one, under a random
id that LMDB knows) and which number it has in it. Both go into the epoch that seeds the digests of its frames. A file
whose header is of another log, or no header, is not part of the log. Names mean nothing.

A file is filled with zeros and synced before its first use: writing over blocks that exist costs the disk one write,
where making them costs a change of the file system's own books, too. It may grow beyond that, only slower.

    magic 8 | format u32 | block bytes u32 | log u64 | number u64 | digest u64 of all before
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from dynamo.errors import StorageRefused
from dynamo.storage import frame
from dynamo.storage.directory import sync_directory
from dynamo.storage.frame import BLOCK
from dynamo.storage.replay import Found

FORMAT = 1
SEGMENT_BYTES = 4 * 2**20
"""How large a segment is made."""
_PIECE_BYTES = 64 * 2**10
"""What it is filled with at a time. The kernel keeps a file in pages as large as the writes that made it, and a later
write of a few blocks goes over the books of all blocks of its page: a fifth of what a frame costs the writer."""
_MAGIC = b"DKVlog\r\n"
_HEADER = struct.Struct("<8sIIQQ")
_DIGEST = struct.Struct("<Q")


class Header(NamedTuple):
    """Which segment of which log a file is."""

    log: int
    number: int


def epoch(log: int, number: int) -> int:
    """Seed of the digests of one use of one file."""
    return xxh3_64_intdigest(struct.pack("<QQ", log, number))


def header_block(header: Header) -> bytes:
    """The first block of a segment."""
    head = _HEADER.pack(_MAGIC, FORMAT, BLOCK, header.log, header.number)
    return (head + _DIGEST.pack(xxh3_64_intdigest(head))).ljust(BLOCK, b"\0")


def header_of(block: bytes) -> Header | None:
    """The header in the first block, None if there is none that is whole. Raises StorageRefused for a later format."""
    if len(block) < _HEADER.size + _DIGEST.size or not block.startswith(_MAGIC):
        return None
    _, form, size, log, number = _HEADER.unpack_from(block)
    if _DIGEST.unpack_from(block, _HEADER.size)[0] != xxh3_64_intdigest(block[: _HEADER.size]):
        return None
    if (form, size) != (FORMAT, BLOCK):
        raise StorageRefused(f"the log has format {form}, this version knows {FORMAT}: use a later version")
    return Header(log, number)


class Folder:
    """The folder of the log. May be missing, as long as nothing is made in it."""

    __slots__ = ("path",)

    def __init__(self, store: Path) -> None:
        self.path = store / "log"

    def names(self) -> list[str]:
        """Names of all files that may be segments, the youngest last."""
        if not self.path.is_dir():
            return []
        return sorted((path.name for path in self.path.glob("*.log") if path.stem.isdigit()), key=_number_in)

    def file(self, name: str) -> Path:
        """Path of a segment."""
        return self.path / name

    def make(self, first: bytes, size: int) -> str:
        """A new file that begins with `first`, zeros up to `size`; all of it is on disk, its name too. Raises OSError.

        What could not be made whole is taken away again.
        """
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700)
            sync_directory(self.path.parent)
        name = f"{max(map(_number_in, self.names()), default=0) + 1}.log"
        handle = os.open(self.file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            data = memoryview(first.ljust(size, b"\0"))
            for place in range(0, size, _PIECE_BYTES):
                write_all(handle, data[place : place + _PIECE_BYTES], place)
            os.fsync(handle)
        except OSError:
            self.file(name).unlink()
            raise
        finally:
            os.close(handle)
        sync_directory(self.path)
        return name

    def remove(self, names: list[str]) -> None:
        """Take files away. Not synced: should they come back, nobody takes them for part of the log."""
        for name in names:
            self.file(name).unlink(missing_ok=True)

    def segments(self, log: int) -> Iterator[Found]:
        """Every segment of a log with its sound frames. Raises OSError, StorageRefused."""
        for name in self.names():
            with self.file(name).open("rb") as file:
                header = header_of(file.read(BLOCK))
                if header is not None and header.log == log:
                    file.seek(0)
                    data = memoryview(file.read())
                    yield Found(name, header.number, tuple(frame.every(data, epoch(log, header.number))))


def write_all(handle: int, data: memoryview, place: int) -> None:
    """Write all of it at this place. A disk may take less at a time. Raises OSError."""
    while data:
        written = os.pwrite(handle, data, place)
        data, place = data[written:], place + written


def _number_in(name: str) -> int:
    return int(name.partition(".")[0])
