"""Which groups the loop writes, and what it tells of them; and a store whose syncs the kernel does."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.errors import DynamoError, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import kernel_sync, log_engine
from dynamo.storage.group import Changes, Group
from dynamo.storage.loop_writer import SIZE_BYTES_MAX, LoopWriter
from tests.contract.log_rig import KernelRig
from tests.contract.storage_rig import PATIENCE_S, numbered, put, run_until_stopped, step, wait, write
from tests.unit.storage.test_open import config_of, opened

RECORDS = Keyspace.RECORDS


class FileSink:
    """Writes nothing, and has a file synced."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.can: bool | Exception = True
        self.counted = 0

    def begin(self, changes: Changes) -> int | None:
        if isinstance(self.can, Exception):
            raise self.can
        return self.file.fileno() if self.can else None

    def ended(self) -> None:
        self.counted += 1

    def given_up(self, problem: Exception) -> StorageRefused:
        return StorageRefused(str(problem))


class Stage:
    """A writer, its loop, and what it has reported."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.sink = FileSink(path / "file")
        self.reports: list[tuple[Group | None, DynamoError | None]] = []
        self.writer = LoopWriter(self.sink, self.loop, self.report)

    def report(self, group: Group | None, failure: DynamoError | None) -> None:
        self.reports.append((group, failure))
        self.loop.stop()


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.writer.close()
    stage.sink.file.close()
    stage.loop.close()


def group_of(*keys: bytes) -> Group:
    group = Group(2**20)
    group.add([(RECORDS, key, b"v") for key in keys], True, lambda _: None)
    group.closed = True
    return group


def test_a_group_counts_before_it_is_reported(stage):
    """And not before the kernel has synced it."""
    group = group_of(b"k")
    assert stage.writer.takes(group)
    assert (stage.sink.counted, stage.reports) == (0, [])
    run_until_stopped(stage.loop)
    assert (stage.sink.counted, stage.reports) == (1, [(group, None)])
    assert 0 < group.commit_s < PATIENCE_S


@pytest.mark.parametrize("can", [False, OSError(errno.ENOSPC, "no room"), MemoryError()])
def test_the_rest_is_left_to_the_thread(stage, can):
    """What takes more than one write, and what fails. The group after it is taken again."""
    stage.sink.can = can
    assert not stage.writer.takes(group_of(b"k"))
    stage.sink.can = True
    assert stage.writer.takes(group_of(b"l"))
    run_until_stopped(stage.loop)
    assert len(stage.reports) == 1


def test_a_group_without_changes_needs_no_disk(stage):
    """The thread answers it in its turn."""
    assert not stage.writer.takes(group_of())


def test_large_values_do_not_keep_the_loop(stage):
    """The thread copies them without the interpreter."""
    most = Group(2**24)
    most.add([(RECORDS, b"k", b"v" * SIZE_BYTES_MAX)], True, lambda _: None)
    more = Group(2**24)
    more.add([(RECORDS, b"k", b"v" * (SIZE_BYTES_MAX + 1))], True, lambda _: None)
    most.closed = more.closed = True
    assert not stage.writer.takes(more)
    assert stage.writer.takes(most)


def test_a_sync_that_the_kernel_does_not_take_is_left_to_the_thread(stage):
    """It writes the group once more, in the same place."""
    stage.sink.file.close()
    stage.sink.file = open("/dev/null", "wb")  # noqa: SIM115, PTH123 - the fixture closes it
    assert not stage.writer.takes(group_of(b"k"))
    assert (stage.sink.counted, stage.reports) == (0, [])


# --- in a store


@pytest.fixture
def rig(tmp_path) -> Iterator[KernelRig]:
    rig = KernelRig(tmp_path / "data")
    while rig.log.place.number == 1:
        put(rig, (RECORDS, b"first", b"v"))  # The first segment is a block or two: it is there at once.
    yield rig
    rig.close()


def test_a_store_of_a_node_waits_in_no_thread(rig):
    """All that fits into the segment: the writer's thread sees none of it."""
    seen = []
    commit = rig.storage._writer.commit
    rig.storage._writer.commit = lambda group: seen.append(group) or commit(group)
    commits = rig.storage.commits
    for _ in range(6):
        put(rig, *numbered(10))
    assert seen == []
    assert rig.storage.commits == commits + 6


def test_each_group_is_synced_in_its_file(rig):
    """Before its waiters hear of it."""
    synced: list[int] = []
    sync = rig.storage._loop_writer._sync
    fdsync = sync._fdsync
    sync._fdsync = lambda handle: synced.append(handle) or fdsync(handle)
    for number in range(3):
        put(rig, *numbered(10))
        assert synced == [rig.log._files.handle] * (number + 1)


async def test_nodes_have_it(tmp_path):
    """In sync mode, on a system that has it; an async store waits for nothing."""
    for durability in ("sync", "async"):
        storage, _ = opened(config_of(tmp_path / durability, durability))
        assert (storage._loop_writer is not None) is (durability == "sync")
        await storage.close()


def test_without_it_the_thread_waits(tmp_path, monkeypatch):
    """A system, or a container, that forbids it."""

    def forbidden(*_: object) -> None:
        raise OSError(errno.EPERM, "io_setup")

    monkeypatch.setattr(kernel_sync.KernelSync, "__init__", forbidden)
    rig = KernelRig(tmp_path / "data")
    assert rig.storage._loop_writer is None
    put(rig, *numbered(10))
    assert len(rig.storage.scan(RECORDS, b"", None, 100)) == 10
    rig.close()


def test_a_failed_sync_ends_all_writing(rig, monkeypatch):
    """The server hears of it once, waiters get StorageRefused; no sync is repeated, no reader sees what may be lost."""
    put(rig, (RECORDS, b"before", b"v"))
    synced = []

    def fails(self: kernel_sync.KernelSync, handle: int) -> None:
        synced.append(handle)
        rig.loop.call_soon(self._ended, SystemError("Input/output error"))

    monkeypatch.setattr(kernel_sync.KernelSync, "begin", fails)
    outcome = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, outcome)
    later = write(rig, (RECORDS, b"l", b"v"))
    wait(rig, later)
    assert isinstance(outcome.error, StorageRefused)
    assert "check the disk" in outcome.error.detail
    assert isinstance(later.error, StorageRefused)
    assert rig.fatal == [outcome.error]
    assert len(synced) == 1
    assert rig.storage.read(RECORDS, b"k") is None
    assert rig.storage.read(RECORDS, b"before") == b"v"


def test_a_store_closes_with_a_sync_under_way(rig, monkeypatch):
    """What was handed over before is durable, as with the thread."""
    monkeypatch.setattr(log_engine, "CHECKPOINT_S", 1000)
    told: list[DynamoError | None] = []
    rig.storage.write([(RECORDS, b"k", b"v")], True, told.append)
    step(rig)
    rig.storage.write([(RECORDS, b"l", b"v")], True, told.append)
    assert rig.storage._loop_writer._group is not None
    rig.reopen()
    assert told == [None, None]
    assert [rig.storage.read(RECORDS, key) for key in (b"k", b"l")] == [b"v", b"v"]
