"""The files of the log: which are part of it, and what is made of the others."""

from __future__ import annotations

import errno
import os

import pytest

from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import frame, segment
from dynamo.storage.frame import BLOCK
from dynamo.storage.group import Changes
from dynamo.storage.segment import Folder, Header, epoch, header_block, header_of

HEADER = Header(0x0123456789ABCDEF, 5)


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


def test_the_header_is_pinned():
    """Golden bytes, and the seed that comes of it."""
    block = header_block(HEADER)
    assert len(block) == BLOCK
    assert (
        block.rstrip(b"\0").hex() == "444b566c6f670d0a0100000000100000efcdab89674523010500000000000000fafbfccf955b3005"
    )
    assert header_of(block) == HEADER
    assert epoch(*HEADER) == 0xC931BB103F1CB0E1


def test_no_header_is_no_segment():
    """Zeros, a torn one, another file: it is not part of the log."""
    block = bytearray(header_block(HEADER))
    assert header_of(bytes(BLOCK)) is None
    assert header_of(b"") is None
    assert header_of(b"\xff" * BLOCK) is None
    for place in range(40):
        harmed = bytearray(block)
        harmed[place] ^= 4
        assert header_of(bytes(harmed)) is None, place


def test_a_later_format_is_refused(monkeypatch):
    """It is not taken for damage, which an operator may have set aside."""
    monkeypatch.setattr(segment, "FORMAT", 2)
    block = header_block(HEADER)
    monkeypatch.undo()
    with pytest.raises(StorageRefused, match="use a later version"):
        header_of(block)


def test_files_are_made_whole(folder, tmp_path):
    """Zeros behind what they begin with; each with another name; for nobody else to read."""
    first = folder.make(header_block(HEADER), 3 * BLOCK)
    second = folder.make(b"", BLOCK)
    assert folder.names() == [first, second] == ["1.log", "2.log"]
    assert folder.file(first).read_bytes() == header_block(HEADER) + bytes(2 * BLOCK)
    assert folder.file(second).stat().st_mode & 0o077 == 0
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0
    folder.remove([first, "9.log"])
    assert folder.names() == [second]
    assert folder.make(b"", BLOCK) == "3.log"


def test_a_file_is_filled_piece_by_piece(folder, monkeypatch):
    """What the kernel keeps it in must not be larger than what is written to it later by far."""
    sizes = []
    real = os.pwrite

    def seen(handle: int, data: bytes, place: int) -> int:
        sizes.append(len(data))
        return real(handle, data, place)

    monkeypatch.setattr(segment.os, "pwrite", seen)
    name = folder.make(header_block(HEADER), 2**17 + BLOCK)
    assert folder.file(name).read_bytes() == header_block(HEADER) + bytes(2**17)
    assert sizes == [2**16, 2**16, BLOCK]


def test_a_file_that_finds_no_room_is_taken_away(folder, monkeypatch):
    """A full disk must not be left fuller."""

    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(segment.os, "pwrite", no_room)
    with pytest.raises(OSError, match="No space"):
        folder.make(b"", BLOCK)
    assert folder.names() == []


def test_only_segments_of_the_log_are_read(folder):
    """Those of another log, and files that are none, lie there and mean nothing."""
    for log, number in ((1, 1), (1, 2), (2, 1)):
        changes: Changes = {Keyspace.META: {b"k": b"v"}}
        group = frame.encoded(changes, epoch=epoch(log, number), sequence=number, synced=0)
        folder.make(header_block(Header(log, number)) + group, 4 * BLOCK)
    folder.make(b"", BLOCK)
    (folder.path / "notes.txt").write_text("of an operator")
    (folder.path / "copy of 1.log").write_bytes(folder.file("1.log").read_bytes())
    found = list(folder.segments(1))
    assert [(each.name, each.number, [f.sequence for f in each.frames]) for each in found] == [
        ("1.log", 1, [1]),
        ("2.log", 2, [2]),
    ]
    assert list(folder.segments(3)) == []


def test_a_short_write_is_gone_on_with(folder, monkeypatch):
    """A disk may take less at a time than it is given."""
    name = folder.make(b"", BLOCK)
    real = os.pwrite
    monkeypatch.setattr(segment.os, "pwrite", lambda fd, data, place: real(fd, data[:1000], place))
    with folder.file(name).open("r+b") as file:
        segment.write_all(file.fileno(), memoryview(b"x" * BLOCK), 0)
    assert folder.file(name).read_bytes() == b"x" * BLOCK
