"""The end of the log that is written to: frames, segments one after the other, and a disk that takes no more."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.errors import StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import log as log_module
from dynamo.storage import replay
from dynamo.storage.frame import BLOCK, SEAL, changes_of
from dynamo.storage.group import Changes
from dynamo.storage.log import Log, Place
from dynamo.storage.segment import Folder, Header, header_block

ID = 77


def change(number: int, size: int = 10) -> Changes:
    return {Keyspace.RECORDS: {b"%03d" % number: b"x" * size}}


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def log(request, tmp_path) -> Iterator[Log]:
    folder = Folder(tmp_path)
    log = Log(folder, ID, folder.make(header_block(Header(ID, 1)), BLOCK), 10, lazy=request.param)
    yield log
    log.close()


def keys(log: Log, applied: int = 10) -> list[bytes]:
    """What a start would replay."""
    made = replay.plan(log.folder.segments(ID), applied)
    assert made.damage is None, made.damage
    return [key for frame in made.frames for key in changes_of(frame)[Keyspace.RECORDS]]


def spare(log: Log, blocks: int) -> None:
    log.spares.append(log.folder.make(b"", blocks * BLOCK))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_groups_are_appended(log):
    """Numbered from where LMDB is; each takes whole blocks."""
    log.commit(change(0))
    assert (log.sequence, log.place) == (11, Place(1, 2 * BLOCK))
    log.commit(change(1, BLOCK))
    assert (log.sequence, log.place) == (12, Place(1, 4 * BLOCK))
    assert keys(log) == [b"000", b"001"]
    assert keys(log, 11) == [b"001"]


def test_a_group_is_one_write(log, monkeypatch):
    """And in sync mode one wait for the disk."""
    calls: list[str] = []
    for name in ("pwrite", "fsync", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: calls.append(name) or real(*args))
    log.commit(change(0))
    assert calls == ["pwrite"] if log.lazy else ["pwrite", "fdatasync"]


def test_what_is_begun_counts_when_it_has_ended(log):
    """Until then the next frame would take its place."""
    spare(log, 8)
    log.commit(change(0))
    assert log.begin(change(1)) == log._files.handle
    assert (log.sequence, log.place) == (11, Place(2, 2 * BLOCK))
    log.begin(change(2))
    log.ended()
    assert (log.sequence, log.place, keys(log)) == (12, Place(2, 3 * BLOCK), [b"000", b"002"])


def test_what_does_not_fit_is_not_begun(log):
    """To go on in the next segment takes more than one write."""
    spare(log, 4)
    assert log.begin(change(0)) is None
    assert (log.place, len(log.spares), keys(log)) == (Place(1, BLOCK), 1, [])


def test_the_log_goes_on_in_the_next_segment(log):
    """When a frame and the seal behind it do not fit any more; the one before is sealed, and its end is known."""
    spare(log, 4)
    log.commit(change(0))
    assert log.place == Place(2, 2 * BLOCK)
    spare(log, 4)
    log.commit(change(1))
    log.commit(change(2))
    assert log.place == Place(3, 2 * BLOCK)
    assert [(c.number, c.last) for c in log.closed] == [(1, 10), (2, 12)]
    assert keys(log) == [b"000", b"001", b"002"]
    kinds = [[frame.kind for frame in found.frames] for found in log.folder.segments(ID)]
    assert [each[-1:] for each in kinds] == [[SEAL], [SEAL], [0]]


def test_a_segment_grows_while_there_is_no_other(log):
    """Nobody waits; another one is asked for once."""
    asked: list[None] = []
    log.want_spare = lambda: asked.append(None)
    for number in range(5):
        log.commit(change(number))
    assert (log.place.number, len(asked)) == (1, 1)
    assert keys(log) == [b"%03d" % number for number in range(5)]


def test_another_segment_is_asked_for_again(log):
    """There was no room for it. Otherwise the one in hand would grow for ever, as it is never used again."""
    asked: list[None] = []
    log.want_spare = lambda: asked.append(None)
    for turn in range(3):
        log.commit(change(turn))
        log.commit(change(turn))
        assert len(asked) == turn + 1
        assert log.recycle(log.sequence) == []


def test_a_group_larger_than_any_segment(log):
    """It lies in one all the same."""
    spare(log, 4)
    log.commit(change(0, 20 * BLOCK))
    log.commit(change(1))
    assert keys(log) == [b"000", b"001"]


def test_files_are_used_again(log):
    """When LMDB has what they hold; old frames in them are none, and what is too large or too much is removed."""
    for number in range(12):
        spare(log, 4)
        log.commit(change(number, 2000))
    oldest = log.closed[0].name
    assert log.recycle(9) == []
    gone = log.recycle(log.sequence)
    assert oldest in log.spares
    assert len(log.spares) <= log_module.SPARES_MAX
    log.folder.remove(gone)
    first = log.sequence
    for number in range(20, 30):
        log.commit(change(number, 2000))
    assert keys(log, first) == [b"%03d" % number for number in range(20, 30)]


def test_old_frames_in_a_file_that_is_used_again_are_none(log):
    """They lie there until they are overwritten, sound in every byte."""
    spare(log, 9)
    for number in range(7):
        log.commit(change(number))
    spare(log, 4)
    log.commit(change(7))
    log.recycle(18)
    log.spares.popleft()
    log.commit(change(8))
    log.commit(change(9))
    assert log.place == Place(4, 2 * BLOCK)
    frames = {found.number: [frame.sequence for frame in found.frames] for found in log.folder.segments(ID)}
    assert frames[4] == [20]


def failing_writes(monkeypatch, code: int, taken: int) -> None:
    """The next write takes some bytes, the one after it none."""
    real, calls = os.pwrite, []

    def pwrite(handle: int, data: memoryview, place: int) -> int:
        calls.append(place)
        if len(calls) == 1 and taken:
            return real(handle, data[:taken], place)
        monkeypatch.undo()
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize(
    ("code", "taken"),
    [(errno.EROFS, 0), (errno.EDQUOT, 3000), (errno.EFBIG, 3000), *((errno.ENOSPC, n) for n in (0, 40, BLOCK, 6000))],
)
def test_what_did_not_fit_is_not_there_later(log, monkeypatch, code, taken):
    """However much of it was written: also when only zeros are missing. The next group takes its place."""
    log.commit(change(0))
    failing_writes(monkeypatch, code, taken)
    with pytest.raises(OSError, match=r".") as problem:
        log.commit(change(1, 5000))
    assert isinstance(log.excused(problem.value), StorageFull)
    assert keys(log) == [b"000"]
    log.commit(change(2))
    assert keys(log) == [b"000", b"002"]


@pytest.mark.parametrize("code", [errno.EIO, errno.EBADF])
def test_other_errors_are_not_excused(log, monkeypatch, code):
    """The disk may have lost what it had taken."""
    failing_writes(monkeypatch, code, 0)
    with pytest.raises(OSError, match=r".") as problem:
        log.commit(change(1))
    assert log.excused(problem.value) is None
    assert log.excused(ValueError("a bug")) is None
    assert "check the disk" in log.given_up(problem.value).detail


def test_no_room_is_not_excused_if_a_sync_failed_with_it(log, monkeypatch):
    """Asked through a file that was not written through: the kernel tells each of them once."""
    failing_writes(monkeypatch, errno.ENOSPC, 0)
    with pytest.raises(OSError, match=r".") as problem:
        log.commit(change(1))

    def fdatasync(handle: int) -> None:
        assert handle == log._files.probe
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    assert log.excused(problem.value) is None


def test_a_switch_that_fails_is_made_again(log, monkeypatch):
    """The segment in hand is not lost, nor the group that is sent again."""
    spare(log, 4)
    failing_writes(monkeypatch, errno.ENOSPC, 0)
    with pytest.raises(OSError, match=r".") as problem:
        log.commit(change(0))
    assert isinstance(log.excused(problem.value), StorageFull)
    assert (log.place, len(log.spares)) == (Place(1, BLOCK), 1)
    log.commit(change(1))
    assert log.place == Place(2, 2 * BLOCK)
    assert keys(log) == [b"001"]


@pytest.mark.parametrize("opens", [0, 1])
def test_a_segment_that_cannot_be_opened_is_not_there(log, monkeypatch, opens):
    """As when all files of the process are in use: the one in hand grows, and nothing stays open."""
    spare(log, 4)
    real, calls = os.open, itertools.count()

    def full(*args: object) -> int:
        if next(calls) >= opens:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(*args)

    before = open_files()
    monkeypatch.setattr(os, "open", full)
    log.commit(change(0))
    monkeypatch.setattr(os, "open", real)
    assert (log.place.number, open_files()) == (1, before)
    log.commit(change(1))
    assert log.place == Place(2, 2 * BLOCK)
    assert keys(log) == [b"000", b"001"]


def test_frames_say_what_was_on_disk_before_them(log):
    """One below their own number in sync mode; what was synced last in async mode, where a loss of power leaves it."""
    log.commit(change(0))
    log.commit(change(1))
    log.sync()
    log.commit(change(2))
    log.commit(change(3))
    (segment,) = log.folder.segments(ID)
    assert [frame.synced for frame in segment.frames] == ([10, 10, 12, 12] if log.lazy else [10, 11, 12, 13])
