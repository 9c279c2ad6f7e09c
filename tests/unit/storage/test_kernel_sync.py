"""Syncs by the kernel, for real where there is a file, and with a kernel of our own where one must fail."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Iterator

import pytest
from caio import linux_aio

from dynamo.storage.kernel_sync import KernelSync
from tests.contract.storage_rig import PATIENCE_S, run_until_stopped


class Heard:
    """A loop, and what came of syncs on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ends: list[Exception | None] = []

    def ended(self, problem: Exception | None) -> None:
        self.ends.append(problem)
        self.loop.stop()


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.loop.close()


@pytest.fixture
def sync(heard) -> Iterator[KernelSync]:
    sync = KernelSync(heard.loop, heard.ended)
    yield sync
    sync.close()


def test_syncs_are_told_one_after_the_other(heard, sync, tmp_path):
    """Of as many files as there are; each time once."""
    for number in range(3):
        with (tmp_path / str(number)).open("wb", buffering=0) as file:
            file.write(b"x" * 4096)
            sync.begin(file.fileno())
            run_until_stopped(heard.loop)
            assert heard.ends == [None] * (number + 1)


def test_a_file_that_is_closed_meanwhile_is_synced_all_the_same(heard, sync, tmp_path):
    """The kernel holds it; so a log may be given up while its last sync runs."""
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"x" * 4096)
        sync.begin(file.fileno())
    run_until_stopped(heard.loop)
    assert heard.ends == [None]


def test_one_at_a_time(sync, tmp_path):
    """Which of two has ended could not be told apart."""
    with (tmp_path / "file").open("wb") as file:
        sync.begin(file.fileno())
        with pytest.raises(AssertionError):
            sync.begin(file.fileno())


def test_what_cannot_be_synced_is_refused(heard, sync, tmp_path):
    """A pipe, or nothing at all; the next file is synced as ever."""
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="EINVAL"):
        sync.begin(writing)
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="EBADF"):
        sync.begin(writing)
    with (tmp_path / "file").open("wb") as file:
        sync.begin(file.fileno())
        run_until_stopped(heard.loop)
    assert heard.ends == [None]


class BrokenDisk:
    """Takes every sync, and each of them fails."""

    lost: Exception | None = None
    """What keeps its end from being heard of."""

    def __init__(self, most: int) -> None:
        self.fileno = os.eventfd(0)

    def submit(self, operation: object) -> None:
        os.eventfd_write(self.fileno, 1)

    def poll(self) -> None:
        os.eventfd_read(self.fileno)

    def process_events(self, most: int) -> int:
        if self.lost is not None:
            raise self.lost
        return 1


class FailedSync:
    """What `get_value` of the library does with an error of the kernel."""

    @classmethod
    def fdsync(cls, _handle: int) -> FailedSync:
        return cls()

    def get_value(self) -> None:
        raise SystemError("Input/output error")


@pytest.mark.parametrize("lost", [None, MemoryError("Input/output error")])
def test_a_failed_sync_is_told(heard, monkeypatch, lost):
    """With what the kernel says; so is one whose end cannot be fetched, as no other event will tell of it."""
    monkeypatch.setattr(BrokenDisk, "lost", lost)
    monkeypatch.setattr(linux_aio, "Context", BrokenDisk)
    monkeypatch.setattr(linux_aio, "Operation", FailedSync)
    sync = KernelSync(heard.loop, heard.ended)
    sync.begin(0)
    run_until_stopped(heard.loop)
    sync.close()
    os.close(sync._context.fileno)
    (problem,) = heard.ends
    assert str(problem) == "Input/output error"


def test_a_system_without_it_is_told_apart(heard, monkeypatch):
    """As where io_setup is forbidden."""

    def forbidden(most: int) -> None:
        raise SystemError(1, "Operation not permitted")

    monkeypatch.setattr(linux_aio, "Context", forbidden)
    with pytest.raises(OSError, match="not permitted"):
        KernelSync(heard.loop, heard.ended)


def test_a_closed_one_tells_nothing(heard, tmp_path):
    """The loop no longer looks, whatever ends."""
    sync = KernelSync(heard.loop, heard.ended)
    with (tmp_path / "file").open("wb") as file:
        sync.begin(file.fileno())
        sync.close()
    assert select.select([sync._context.fileno], [], [], PATIENCE_S)[0], "the sync has ended"
    heard.loop.call_soon(heard.loop.stop)
    heard.loop.run_forever()
    assert heard.ends == []
