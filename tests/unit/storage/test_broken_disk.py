"""A disk that cannot be trusted, and pages that cannot be read."""

from __future__ import annotations

import errno

import pytest

from dynamo.errors import CorruptValue, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from tests.contract.lmdb_rig import LmdbRig, error
from tests.contract.storage_rig import Outcome, numbered, put, wait, write
from tests.unit.storage.gate import Gate, failing

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_sync_ends_all_writing(rig, code):
    """Pages may be lost. The server hears of it once, waiters and later writers get StorageRefused."""
    failing(rig, code)
    rig.lose_writes()
    put_before = write(rig, (RECORDS, b"k", b"v"))
    behind = write(rig)
    wait(rig, put_before, behind)
    assert isinstance(put_before.error, StorageRefused)
    assert isinstance(behind.error, StorageRefused)
    assert rig.fatal == [put_before.error]
    rig.make_room()
    later = write(rig, (RECORDS, b"l", b"v"))
    wait(rig, later)
    assert isinstance(later.error, StorageRefused)
    assert len(rig.fatal) == 1
    assert rig.storage.read(RECORDS, b"k") is None


@pytest.mark.parametrize("problem", [error("mdb_put: MDB_PANIC", -30795), ValueError("a bug")])
def test_any_other_error_of_the_writer_ends_all_writing(rig, problem):
    """What is not understood is not passed over."""
    gate = Gate(rig)
    gate.failure = problem
    gate.open()
    outcome = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, outcome)
    assert isinstance(outcome.error, StorageRefused)
    assert rig.fatal == [outcome.error]


def test_the_server_hears_of_it_before_the_waiters(rig):
    """So that it can stop answering."""
    order = []
    rig.storage._on_fatal = lambda _: order.append("server")
    failing(rig, errno.EBADF)
    outcome = Outcome(rig, lambda _: order.append("waiter"))
    rig.storage.write([(RECORDS, b"k", b"v")], True, outcome)
    wait(rig, outcome)
    assert order == ["server", "waiter"]


def test_a_waiter_that_fails_does_not_leave_the_others_waiting(rig):
    """Its error goes to the loop's handler."""
    caught = []
    rig.loop.set_exception_handler(lambda _, context: caught.append(context["exception"]))
    outcomes = [Outcome(rig), Outcome(rig, lambda _: 1 // 0), Outcome(rig)]
    for outcome in outcomes:
        rig.storage.write([(RECORDS, b"k", b"v")], True, outcome)
    wait(rig, *outcomes)
    assert [type(problem) for problem in caught] == [ZeroDivisionError]


def test_a_damaged_page_is_a_damaged_value(new_rig):
    """Whoever reads that page hears of it, everyone else reads on."""
    rig = new_rig()
    put(rig, *numbered(900))
    rig.close()
    damage(rig, b"value 450")
    rig = new_rig()
    for _ in range(2):
        with pytest.raises(CorruptValue):
            rig.storage.read(RECORDS, b"450")
        assert rig.storage.read(RECORDS, b"000") == b"value 0"
        with pytest.raises(CorruptValue):
            rig.storage.scan(RECORDS, b"", None, 1000)
        assert rig.storage.scan(RECORDS, b"000", None, 1) == [(b"000", b"value 0")]


def test_a_damaged_root_is_refused_at_the_start(new_rig):
    """Nothing of a keyspace could be read."""
    rig = new_rig()
    put(rig, (RECORDS, b"k", b"value"))
    rig.close()
    damage(rig, b"kvalue")
    with pytest.raises(StorageRefused, match="damaged or foreign"):
        new_rig()


def damage(rig: LmdbRig, content: bytes) -> None:
    """Overwrite the head of the page that holds this."""
    file = rig.path / "store" / "data.mdb"
    pages = file.read_bytes()
    at = pages.rindex(content) // 4096 * 4096
    file.write_bytes(pages[: at + 10] + b"\xff\xff" + pages[at + 12 :])


def test_a_disk_that_becomes_read_only_refuses_writes_until_it_is_writable(rig):
    """As a full one does: nothing is lost by it, reads go on, and no restart is needed."""
    kept = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, kept)
    failing(rig, errno.EROFS)
    refused = write(rig, (RECORDS, b"l", b"v"))
    wait(rig, refused)
    assert isinstance(refused.error, StorageFull)
    assert "read-only" in refused.error.detail
    assert rig.storage.read(RECORDS, b"k") == b"v"
    rig.make_room()
    later = write(rig, (RECORDS, b"l", b"v"))
    wait(rig, later)
    assert later.error is None
    assert rig.fatal == []
