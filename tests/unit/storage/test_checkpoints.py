"""What goes from the log into LMDB, while everybody goes on reading and writing, and what happens if it does not."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import keeper, log_engine, recent
from dynamo.storage.applying import Mark, Outrun
from dynamo.storage.checkpoint import Job, Missing, changes_of
from dynamo.storage.frame import BLOCK
from dynamo.storage.group import no_changes
from dynamo.storage.keeper import Keeper
from tests.contract.log_rig import KernelRig, LogRig
from tests.contract.storage_rig import PATIENCE_S, numbered, put, step, wait, write

RECORDS, DIGESTS, META = Keyspace.RECORDS, Keyspace.DIGESTS, Keyspace.META


@pytest.fixture(params=[LogRig, KernelRig], ids=["thread", "kernel"])
def rig(request, tmp_path) -> Iterator[LogRig]:
    rig = request.param(tmp_path / "data")
    yield rig
    rig.close()


def until(rig: LogRig, holds: Callable[[], bool]) -> None:
    """Run the loop until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        rig.loop.call_later(0.002, rig.loop.stop)
        rig.loop.run_forever()


def in_lmdb(rig: LogRig) -> list[bytes]:
    """Keys that LMDB has by itself."""
    rig.environment.refresh()
    return [key for key, _ in rig.environment.scan(RECORDS, b"", None, 100_000)]


class Hold:
    """Checkpoints wait until they are let go; then they are done, or end as told."""

    def __init__(self, monkeypatch) -> None:
        self._go = threading.Event()
        self.begun = 0
        self.outcome: DynamoError | None = None
        real = Keeper._by_child

        def held(keeper: Keeper, job: Job) -> DynamoError | None:
            self.begun += 1
            assert self._go.wait(PATIENCE_S)
            return self.outcome or real(keeper, job)

        monkeypatch.setattr(Keeper, "_by_child", held)

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def hold(monkeypatch) -> Iterator[Hold]:
    hold = Hold(monkeypatch)
    yield hold
    hold.let_go()


def test_what_is_some_seconds_old_is_taken_over(rig, monkeypatch):
    """By another process; nothing is ahead of LMDB then, and readers notice nothing."""
    monkeypatch.setattr(log_engine, "CHECKPOINT_S", 0.05)
    put(rig, *numbered(20), (META, b"m", b"1"))
    assert rig.storage.memtable_bytes() > 0
    assert rig.environment.sizes.keys == 0
    until(rig, lambda: rig.storage.checkpoints == 1)
    assert rig.storage.memtable_bytes() == 0
    assert rig.storage.checkpoint_s > 0
    assert rig.storage.sizes().keys == len(in_lmdb(rig)) == 20
    assert rig.storage._keeper.child not in (None, os.getpid())
    assert rig.storage.read(META, b"m") == b"1"
    put(rig, (RECORDS, b"000", None))
    until(rig, lambda: rig.storage.checkpoints == 2)
    assert b"000" not in in_lmdb(rig)


def test_readers_see_all_that_is_durable_wherever_it_is(rig, hold, monkeypatch):
    """In LMDB, on its way there, and not yet on its way: the newest counts, a removal hides."""
    put(rig, (RECORDS, b"a", b"0"), (RECORDS, b"b", b"0"), (RECORDS, b"c", b"0"), (RECORDS, b"d", b"0"))
    rig.storage.settle()
    put(rig, (RECORDS, b"a", b"1"), (RECORDS, b"b", None), (RECORDS, b"e", b"1"))
    rig.storage._freeze()
    put(rig, (RECORDS, b"a", b"2"), (RECORDS, b"b", b"2"), (RECORDS, b"c", None), (RECORDS, b"f", b"2"))
    expected = [(b"a", b"2"), (b"b", b"2"), (b"d", b"0"), (b"e", b"1"), (b"f", b"2")]
    for _ in range(2):
        assert rig.storage.scan(RECORDS, b"", None, 10) == expected
        assert rig.storage.scan(RECORDS, b"b", b"e", 1) == [(b"b", b"2")]
        for key in b"abcdef":
            value = dict(expected).get(bytes([key]))
            assert rig.storage.read(RECORDS, bytes([key])) == rig.storage.latest(RECORDS, bytes([key])) == value
        assert rig.storage.read(DIGESTS, b"a") is None
        hold.let_go()
        until(rig, lambda: rig.storage.checkpoints == 2)
    assert rig.storage.scan(RECORDS, b"", None, 10) == expected


def test_what_was_taken_over_last_is_read_from_memory(rig, monkeypatch):
    """Not from LMDB, whose binding takes the interpreter; until others were twice, large ones. Newer hides it."""
    monkeypatch.setattr(recent, "TAKEN_IN_MAX", 0)
    put(rig, (RECORDS, b"a", b"1"), (RECORDS, b"b", b"1"), (RECORDS, b"c", b"1"), (RECORDS, b"d", None))
    rig.storage.settle()
    asked = []
    monkeypatch.setattr(rig.storage._recent, "_get", lambda *place: asked.append(place))
    put(rig, (RECORDS, b"b", b"2"), (RECORDS, b"c", None))
    assert [rig.storage.read(RECORDS, bytes([key])) for key in b"abcd"] == [b"1", b"2", None, None]
    assert asked == []
    assert rig.storage.memtable_bytes() == 1, "LMDB has the rest"
    rig.storage.settle()
    assert [rig.storage.read(RECORDS, bytes([key])) for key in b"abc"] == [b"1", b"2", None]
    for number in (3, 4):
        put(rig, (RECORDS, b"e", b"%d" % number))
        rig.storage.settle()
    assert asked == []
    rig.storage.read(RECORDS, b"a")
    assert asked == [(RECORDS, b"a")]


def test_what_passes_the_log_by_is_newer_than_what_lmdb_took_last(rig, monkeypatch):
    """Near the end of the map, where groups are transactions."""
    put(rig, (RECORDS, b"a", b"1"), (RECORDS, b"b", b"1"))
    rig.storage.settle()
    monkeypatch.setattr(rig.storage, "_room", lambda: 0)
    put(rig, (RECORDS, b"a", b"2"), (RECORDS, b"b", None))
    assert [rig.storage.read(RECORDS, key) for key in (b"a", b"b")] == [b"2", None]
    assert in_lmdb(rig) == [b"a"]


def test_a_memtable_takes_a_sixth_of_the_room_in_the_map(rig, hold, monkeypatch):
    """So two of them leave the log open, which would otherwise be passed by."""
    monkeypatch.setattr(rig.storage, "_room", lambda: 6 * 10 * 5000)
    for number in range(11):
        put(rig, (RECORDS, b"%02d" % number, bytes(500)))
    until(rig, lambda: hold.begun == 1)
    put(rig, (RECORDS, b"next", b"v"))
    assert in_lmdb(rig) == [], "it went into the log"
    hold.let_go()
    until(rig, lambda: rig.storage.checkpoints == 1)
    assert len(in_lmdb(rig)) == 10


def test_memory_is_bounded(rig, hold, monkeypatch):
    """While one memtable is on its way and the next is full, writers wait, and are seen to wait."""
    monkeypatch.setattr(log_engine, "COUNT_MAX", 20)
    for change in numbered(21):
        put(rig, change)
    until(rig, lambda: hold.begun == 1)
    for change in numbered(19):
        put(rig, change)
    held = [write(rig, (RECORDS, b"x%d" % number, bytes(5000))) for number in range(10)]
    step(rig)
    rig.loop.call_later(0.05, rig.loop.stop)
    rig.loop.run_forever()
    assert all(outcome.pending for outcome in held)
    assert rig.storage.queued_bytes() > 50_000
    assert rig.storage.latest(RECORDS, b"x9") == bytes(5000)
    assert rig.storage.read(RECORDS, b"x9") is None
    monkeypatch.setattr(log_engine, "QUEUED_BYTES_MAX", 50_000)
    refused = write(rig, (RECORDS, b"y", b"v"))
    wait(rig, refused)
    assert isinstance(refused.error, StorageFull)
    hold.let_go()
    wait(rig, *held)
    assert [outcome.error for outcome in held] == [None] * 10
    assert rig.storage.read(RECORDS, b"x9") == bytes(5000)
    assert rig.storage.read(RECORDS, b"y") is None


@pytest.mark.parametrize("bound", ["SIZE_BYTES_MAX", "LOG_BYTES_MAX", "COUNT_MAX"])
def test_each_bound_starts_a_checkpoint(rig, hold, monkeypatch, bound):
    """Changes, bytes of values, bytes of log."""
    monkeypatch.setattr(log_engine, bound, 30 if bound == "COUNT_MAX" else 30 * BLOCK)
    for number in range(29):
        put(rig, (RECORDS, b"%d" % number, bytes(BLOCK - 200)))
    assert hold.begun == 0
    for number in range(3):
        put(rig, (RECORDS, b"more %d" % number, bytes(BLOCK - 200)))
    until(rig, lambda: hold.begun == 1)


def test_a_child_that_is_killed_is_replaced(rig, monkeypatch):
    """And its work is done, by another one."""
    monkeypatch.setattr(log_engine, "CHECKPOINT_S", 0.02)
    put(rig, *numbered(5))
    until(rig, lambda: rig.storage.checkpoints == 1)
    first = rig.storage._keeper.child
    assert first is not None
    os.kill(first, signal.SIGKILL)
    put(rig, (RECORDS, b"new", b"v"))
    until(rig, lambda: rig.storage.checkpoints == 2)
    assert rig.storage._keeper.child not in (None, first)
    assert b"new" in in_lmdb(rig)
    assert rig.fatal == []


def test_a_child_that_ends_every_time_is_the_end(rig, monkeypatch):
    """It is the disk, then, as when a page of the file cannot be read. Nothing that was acknowledged is lost."""
    monkeypatch.setattr(keeper.Child, "ask", lambda *_: None)
    put(rig, *numbered(5))
    rig.storage._freeze()
    until(rig, lambda: bool(rig.fatal))
    later = write(rig, (RECORDS, b"later", b"v"))
    wait(rig, later)
    assert isinstance(later.error, StorageRefused)
    assert len(rig.fatal) == 1
    assert len(rig.storage.scan(RECORDS, b"", None, 10)) == 5
    assert (rig.path / "store" / "suspect").exists(), "the next start reads every page"
    monkeypatch.undo()
    rig.reopen()
    assert len(rig.storage.scan(RECORDS, b"", None, 10)) == 5


def test_without_a_child_the_node_does_it_itself(rig, monkeypatch):
    """On a machine that lets no process be started."""

    def cannot(*_: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(keeper, "Child", cannot)
    put(rig, *numbered(5))
    rig.storage._freeze()
    until(rig, lambda: rig.storage.checkpoints == 1)
    assert len(in_lmdb(rig)) == 5


def test_a_checkpoint_without_room_is_made_later(rig, hold, monkeypatch):
    """Writes are refused, queued ones, too; reads go on; all that was acknowledged stays, and it heals by itself."""
    monkeypatch.setattr(log_engine, "RETRY_S", 0.05)
    hold.outcome = StorageFull("no room, says the test")
    hold.let_go()
    put(rig, *numbered(5))
    rig.storage._freeze()
    until(rig, lambda: hold.begun > 2)
    refused = [write(rig, (RECORDS, b"k", b"v")), write(rig)]
    wait(rig, *refused)
    assert [type(outcome.error) for outcome in refused] == [StorageFull] * 2
    assert len(rig.storage.scan(RECORDS, b"", None, 10)) == 5
    assert rig.storage.latest(RECORDS, b"k") is None
    hold.outcome = None
    until(rig, lambda: rig.storage.checkpoints == 1)
    put(rig, (RECORDS, b"k", b"v"))
    assert len(rig.storage.scan(RECORDS, b"", None, 10)) == 6
    assert rig.fatal == []


def test_a_full_disk_gets_the_segments_that_wait(rig, monkeypatch):
    """Before it is said that a checkpoint found no room."""
    tries: list[int] = []

    def short(keeper: Keeper, job: Job) -> DynamoError | None:
        tries.append(len(keeper._log.folder.names()))
        return StorageFull("no room") if len(tries) == 1 else keeper._here(job)

    monkeypatch.setattr(Keeper, "_by_child", short)
    put(rig, *numbered(5))
    until(rig, lambda: bool(rig.log.spares))
    rig.storage._freeze()
    until(rig, lambda: rig.storage.checkpoints == 1)
    assert tries == [2, 1]


def test_a_log_that_cannot_be_read_back_is_the_end(rig, monkeypatch):
    """What was acknowledged is gone from the disk while the node runs: nothing more is acknowledged."""
    file = rig.log.folder.file(rig.log.name)  # The second group may lie in the next one, if that was ready by then.
    put(rig, *numbered(5))
    put(rig, *numbered(3))
    with file.open("r+b") as data:
        data.seek(BLOCK + 50)
        data.write(b"\xff\xff")
    rig.storage._freeze()
    until(rig, lambda: bool(rig.fatal))
    assert "the log should have groups 1 to 2, and has [2]" in str(rig.fatal[0])


def test_who_comes_too_late_changes_nothing(rig):
    """A child that outlived its node, with a job that the next start has done: LMDB has gone on since."""
    put(rig, (RECORDS, b"k", b"old"))
    job = rig.storage._next_job(rig.storage._mark.log)
    rig.storage._freeze()
    until(rig, lambda: rig.storage.checkpoints == 1)
    put(rig, (RECORDS, b"k", b"new"))
    rig.storage._freeze()
    until(rig, lambda: rig.storage.checkpoints == 2)
    with pytest.raises(Outrun):
        rig.environment.advance({RECORDS: {b"k": b"old"}}, job.before, job.after)
    rig.environment.refresh()
    assert rig.environment.get(RECORDS, b"k") == b"new"


def test_what_was_done_already_is_not_done_again(rig):
    """A child that died behind its commit: the next one finds the mark, and is done."""
    put(rig, (RECORDS, b"k", b"v"))
    job = rig.storage._next_job(rig.storage._mark.log)
    changes = changes_of(rig.log.folder, job)
    rig.environment.advance(changes, job.before, job.after)
    version = rig.environment.version
    rig.environment.advance({RECORDS: {b"k": b"other"}}, job.before, job.after)
    assert rig.environment.version == version
    rig.storage._freeze()
    until(rig, lambda: rig.storage.checkpoints == 1)
    assert rig.storage.read(RECORDS, b"k") == b"v"


def test_a_job_of_the_wrong_groups_is_none(rig):
    """The numbers must fit, whatever the bytes say."""
    put(rig, (RECORDS, b"k", b"v"))
    job = rig.storage._next_job(1)
    with pytest.raises(Missing):
        changes_of(rig.log.folder, Job(job.before, Mark(1, job.after.applied + 1), job.pieces))


def test_a_settled_store_can_be_written_again(rig, tmp_path):
    """After the stop was noted and before the files are given up: it is in the log, and survives a kill."""
    put(rig, (RECORDS, b"a", b"1"))
    version = rig.storage.settle()
    assert (rig.environment.mark.log, in_lmdb(rig)) == (0, [b"a"])
    assert rig.storage.settle() == version
    put(rig, (RECORDS, b"b", b"1"))
    shutil.copytree(rig.path / "store", tmp_path / "killed" / "store")
    rig.reopen()
    assert len(rig.storage.scan(RECORDS, b"", None, 9)) == 2
    killed = LogRig(tmp_path / "killed")
    assert len(killed.storage.scan(RECORDS, b"", None, 9)) == 2
    killed.close()


def test_closing_waits_for_a_checkpoint(rig, hold):
    """And makes the last one itself: LMDB has everything, the log is gone."""
    put(rig, *numbered(5))
    rig.storage._freeze()
    put(rig, (RECORDS, b"k", b"v"))
    threading.Timer(0.1, hold.let_go).start()
    rig.loop.run_until_complete(rig.storage.close())
    assert rig.log.folder.names() == []
    rig.open()
    assert (rig.environment.sizes.keys, len(in_lmdb(rig))) == (6, 6)


def test_closing_without_room_leaves_the_log(rig, monkeypatch):
    """For the next start; nothing is lost."""
    put(rig, *numbered(5))
    monkeypatch.setattr(Keeper, "_here", lambda *_: StorageFull("no room"))
    with pytest.raises(StorageFull):
        rig.storage.settle()
    rig.loop.run_until_complete(rig.storage.close())
    assert rig.log.folder.names() != []
    monkeypatch.undo()
    rig.open()
    assert len(rig.storage.scan(RECORDS, b"", None, 9)) == 5


def test_a_later_log_follows_where_the_last_one_ended(rig):
    """Groups are numbered through the life of the store, so that a segment from earlier is behind LMDB for good."""
    for number in range(3):
        put(rig, (RECORDS, b"k", b"%d" % number))
    first = rig.log
    rig.reopen()
    assert rig.log.id != first.id
    assert rig.log.sequence == 3
    rig.environment.advance(no_changes(), Mark(rig.log.id, 3), Mark(rig.log.id, 3))


def test_a_checkpoint_that_meets_a_damaged_page_is_the_end(rig):
    """As a commit does without a log: what is on that page cannot be known, and the next start reads every page."""
    put(rig, *numbered(900))
    rig.storage.settle()
    rig.close()
    file = rig.path / "store" / "data.mdb"
    pages = bytearray(file.read_bytes())
    at = pages.rindex(b"value 450") // 4096 * 4096
    pages[at + 10 : at + 12] = b"\xff\xff"
    file.write_bytes(pages)
    again = LogRig(rig.path)
    put(again, *[(RECORDS, key, b"another") for _, key, _ in numbered(900)])
    again.storage._freeze()
    until(again, lambda: bool(again.fatal))
    assert (rig.path / "store" / "suspect").exists()
    assert again.storage.read(RECORDS, b"450") == b"another"
    again.close()
