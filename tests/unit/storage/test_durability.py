"""When a commit is synced, in both modes, and what must never be switched off."""

from __future__ import annotations

import errno
import threading

import pytest

from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import writer
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import put, wait, write

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


def counted_syncs(rig: LmdbRig) -> list[str]:
    syncs: list[str] = []
    real = rig.sink.sync

    def sync() -> None:
        syncs.append(threading.current_thread().name)
        real()

    rig.sink.sync = sync
    return syncs


def test_async_mode_syncs_what_must_be_durable(lazy_rig, monkeypatch):
    """And only that; a barrier that must be durable covers what was written before it."""
    monkeypatch.setattr(writer, "IDLE_SYNC_S", 3600.0)
    syncs = counted_syncs(lazy_rig)
    wait(lazy_rig, write(lazy_rig, (RECORDS, b"a", b"1"), durable=False))
    assert syncs == []
    wait(lazy_rig, write(lazy_rig, durable=True))
    assert len(syncs) == 1
    wait(lazy_rig, write(lazy_rig, (RECORDS, b"a", b"2"), durable=True))
    assert len(syncs) == 2
    wait(lazy_rig, write(lazy_rig, durable=True))
    assert len(syncs) == 2


def test_async_mode_syncs_when_idle_and_when_closed(new_rig, monkeypatch):
    """That is the bound of what can be lost."""
    rig = new_rig(lazy=True)
    synced = threading.Event()
    rig.sink.sync = synced.set
    wait(rig, write(rig, (RECORDS, b"a", b"1"), durable=False))
    assert synced.wait(20)
    monkeypatch.setattr(writer, "IDLE_SYNC_S", 3600.0)
    synced.clear()
    wait(rig, write(rig, (RECORDS, b"a", b"2"), durable=False))
    assert not synced.is_set()
    rig.close()
    assert synced.is_set()


def test_a_failed_sync_behind_the_acknowledgement_ends_all_writing(lazy_rig):
    """The acknowledged write may be lost, so the server must hear of it, and nothing more is acknowledged."""
    heard = []

    def on_fatal(problem) -> None:
        heard.append(problem)
        lazy_rig.loop.stop()

    def sync() -> None:
        raise lazy_rig.error(errno.EIO)

    lazy_rig.storage._on_fatal = on_fatal
    lazy_rig.sink.sync = sync
    wait(lazy_rig, write(lazy_rig, (RECORDS, b"a", b"1"), durable=False))
    late = lazy_rig.loop.call_later(20, lazy_rig.loop.stop)
    while not heard and lazy_rig.loop.time() < late.when():
        lazy_rig.loop.run_forever()
    late.cancel()
    assert [type(problem) for problem in heard] == [StorageRefused]
    later = write(lazy_rig, (RECORDS, b"b", b"1"))
    wait(lazy_rig, later)
    assert isinstance(later.error, StorageRefused)
    assert len(heard) == 1


def test_sync_mode_needs_no_extra_sync(rig):
    """Each commit is synced by the engine itself."""
    syncs = counted_syncs(rig)
    put(rig, (RECORDS, b"a", b"1"))
    assert syncs == []


@pytest.mark.parametrize("lazy", [False, True])
def test_no_mode_can_corrupt_the_file(new_rig, lazy):
    """Pages are synced before the header that names them; only the header's own sync may be left out, if no log needs
    it.
    """
    rig = new_rig(lazy=lazy)
    flags = rig.environment._lmdb.flags()
    assert (flags["sync"], flags["writemap"], flags["lock"], flags["readahead"]) == (True, False, True, False)
    assert flags["metasync"] is not (lazy and not isinstance(rig, LogRig))
