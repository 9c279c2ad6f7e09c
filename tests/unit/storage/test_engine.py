"""What LMDB's store does beyond the contract: grouping, exact visibility, closing."""

from __future__ import annotations

import errno
import threading

import pytest

from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from tests.contract.storage_rig import numbered, put, step, wait, write
from tests.unit.storage.gate import Gate, failing, in_flight

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


def test_writes_of_one_tick_share_one_commit(rig):
    """A hundred batches, one transaction, one sync."""
    outcomes = [write(rig, change) for change in numbered(100)]
    wait(rig, *outcomes)
    assert (rig.storage.commits, rig.storage.batches) == (1, 100)


def test_what_arrives_during_a_commit_shares_the_next(rig):
    """However many ticks it took to arrive."""
    gate = Gate(rig)
    outcomes = [in_flight(rig, gate)]
    for change in numbered(50):
        outcomes.append(write(rig, change))
        step(rig)
    gate.open()
    wait(rig, *outcomes)
    assert gate.passed == [1, 50]
    assert (rig.storage.commits, rig.storage.batches) == (2, 51)


def test_a_lone_write_does_not_wait_for_company(rig):
    """One after the other: as many commits as writes."""
    for change in numbered(5):
        put(rig, change)
    assert (rig.storage.commits, rig.storage.batches) == (5, 5)


def test_what_need_not_be_durable_rides_along(rig):
    """It waits a moment for a batch that must be, before or behind it, and shares its sync."""
    for _ in range(5):
        riding = write(rig, (DIGESTS, b"d", b"1"), durable=False)
        wait(rig, write(rig, (RECORDS, b"k", b"v")), riding)
    assert (rig.storage.commits, rig.storage.batches) == (5, 10)
    gate = Gate(rig)
    outcomes = [in_flight(rig, gate), write(rig, (DIGESTS, b"d", b"2"), durable=False)]
    gate.open()
    wait(rig, outcomes[0])
    assert outcomes[1].pending
    wait(rig, write(rig, (RECORDS, b"k", b"w")), outcomes[1])
    assert (rig.storage.commits, rig.storage.batches) == (7, 13)


def test_what_need_not_be_durable_waits_for_nobody_for_long(rig):
    """Alone it is committed all the same, and when the store closes at once."""
    wait(rig, write(rig, (DIGESTS, b"d", b"1"), durable=False))
    assert rig.storage.commits == 1
    told: list[Exception | None] = []
    rig.storage.write([(DIGESTS, b"d", b"2")], False, told.append)  # the port's order
    rig.reopen()
    assert told == [None]
    assert rig.storage.read(DIGESTS, b"d") == b"2"


def test_a_group_is_bounded(rig, monkeypatch):
    """What is too heavy for one transaction is split between batches, never within one."""
    monkeypatch.setattr(rig.storage, "_group_weight_max", 10 * 4096)
    gate = Gate(rig)
    gate.open()
    outcomes = [write(rig, change) for change in numbered(25)]
    heavy = write(rig, *[(RECORDS, b"h%03d" % number, b"v") for number in range(30)])
    wait(rig, *outcomes, heavy)
    assert all(outcome.error is None for outcome in [*outcomes, heavy])
    assert gate.passed == [10, 10, 5 + 30]


def test_a_commit_is_observed(rig):
    """Seconds and batches, once for each group."""
    wait(rig, *[write(rig, change) for change in numbered(3)])
    put(rig, *numbered(5))
    assert [batches for _, batches in rig.commits] == [3, 1]
    assert all(0 < seconds < 20 for seconds, _ in rig.commits)


def test_nothing_is_shown_before_it_is_acknowledged(rig):
    """Even when it is on disk already: the waiter hears first, or at the same moment."""
    committed = threading.Event()
    real = rig.sink.commit

    def commit(changes) -> None:
        real(changes)
        committed.set()

    rig.sink.commit = commit
    outcome = write(rig, (RECORDS, b"k", b"v"))
    step(rig)
    assert committed.wait(20)
    assert outcome.pending
    assert rig.storage.read(RECORDS, b"k") is None
    assert rig.storage.scan(RECORDS, b"", None, 10) == []
    wait(rig, outcome)
    assert rig.storage.read(RECORDS, b"k") == b"v"


def test_latest_looks_through_all_queued_groups(rig):
    """The one in flight, the one behind it, the newest first; a removal hides what is below."""
    put(rig, (RECORDS, b"a", b"0"), (RECORDS, b"b", b"0"), (RECORDS, b"c", b"0"))
    gate = Gate(rig)
    first = write(rig, (RECORDS, b"a", b"1"), (RECORDS, b"b", None))
    step(rig)
    second = write(rig, (RECORDS, b"a", b"2"))
    assert [rig.storage.latest(RECORDS, key) for key in (b"a", b"b", b"c", b"d")] == [b"2", None, b"0", None]
    assert rig.storage.latest(DIGESTS, b"a") is None
    assert rig.storage.read(RECORDS, b"a") == rig.storage.read(RECORDS, b"b") == b"0"
    gate.open()
    wait(rig, first, second)
    assert [rig.storage.latest(RECORDS, key) for key in (b"a", b"b", b"c")] == [b"2", None, b"0"]


def test_the_reader_keeps_no_page_from_reuse(rig):
    """Overwriting one key for ever needs a bounded file, although reads run all the time."""
    for number in range(50):
        put(rig, (RECORDS, b"k", b"%03d" % number * 4000))
        assert rig.storage.read(RECORDS, b"k") is not None
    grown = (rig.path / "store" / "data.mdb").stat().st_size
    for number in range(300):
        put(rig, (RECORDS, b"k", b"%03d" % number * 4000))
        assert rig.storage.scan(RECORDS, b"", None, 1)
    assert (rig.path / "store" / "data.mdb").stat().st_size == grown


def test_sizes_follow_what_lmdb_has(rig):
    """Records, and bytes in whole pages; both shrink again. With a log in front they wait until it is taken over."""
    assert (rig.storage.sizes().keys, rig.storage.sizes().used_bytes) == (0, 0)
    put(rig, *[(RECORDS, b"%03d" % number, b"x" * 4000) for number in range(10)], (DIGESTS, b"d", b"1"))
    rig.storage.settle()
    sizes = rig.storage.sizes()
    assert (sizes.keys, sizes.map_bytes) == (10, rig.map_bytes)
    assert 10 * 4096 < sizes.used_bytes < 30 * 4096
    put(rig, *[(RECORDS, b"%03d" % number, None) for number in range(10)])
    rig.storage.settle()
    assert rig.storage.sizes().keys == 0
    assert rig.storage.sizes().used_bytes == 4096


def test_a_key_that_cannot_be_stored_is_a_bug_of_the_caller(rig):
    """It is refused where it comes from, before it can spoil the group of others."""
    for key in (b"", b"k" * 512):
        with pytest.raises(AssertionError):
            rig.storage.write([(RECORDS, key, b"v")], True, lambda _: None)
    put(rig, (RECORDS, b"k", b"v"))


def test_closing_waits_for_what_is_queued(new_rig):
    """In flight and behind: all are told before the files are given up, and are there afterwards."""
    rig = new_rig()
    gate = Gate(rig)
    outcomes = [in_flight(rig, gate), *[write(rig, change) for change in numbered(5)]]
    closing = rig.loop.create_task(rig.storage.close())
    step(rig)
    refused = write(rig, (RECORDS, b"late", b"v"))
    step(rig)
    assert isinstance(refused.error, StorageRefused)
    assert not closing.done()
    assert all(outcome.pending for outcome in outcomes)
    gate.open()
    wait(rig, *outcomes)
    rig.loop.run_until_complete(closing)
    assert all(outcome.error is None for outcome in outcomes)
    rig.open()
    assert len(rig.storage.scan(RECORDS, b"", None, 10)) == 6


def test_closing_ends_the_thread_and_gives_up_the_directory(new_rig):
    """Another store can open at once."""
    rig = new_rig()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("store-writer") == 1
    rig.loop.run_until_complete(rig.storage.close())
    assert "store-writer" not in [thread.name for thread in threading.enumerate()]
    rig.open()


def test_a_broken_store_closes(rig):
    """With its waiters told; nothing is left to wait for."""
    failing(rig, errno.EBADF)
    wait(rig, write(rig, (RECORDS, b"k", b"v")))
    assert len(rig.fatal) == 1
    rig.reopen()
    assert rig.storage.read(RECORDS, b"k") is None
