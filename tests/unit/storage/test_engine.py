"""What LMDB's store does beyond the contract: grouping, exact visibility, failures of the disk, closing."""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Callable, Iterator

import pytest

from dynamo.errors import CorruptValue, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import writer
from tests.contract.lmdb_rig import LmdbRig, error
from tests.contract.storage_contract import Outcome, numbered, put, step, wait, write

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


@pytest.fixture
def new_rig(tmp_path) -> Iterator[Callable[..., LmdbRig]]:
    """Opens stores on the same data; the last one is closed in any case."""
    rigs: list[LmdbRig] = []

    def new(**options: object) -> LmdbRig:
        for rig in rigs:
            rig.close()
        rigs.append(LmdbRig(tmp_path / "data", **options))
        return rigs[-1]

    yield new
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(new_rig) -> LmdbRig:
    return new_rig()


@pytest.fixture
def lazy_rig(new_rig) -> LmdbRig:
    return new_rig(lazy=True)


class Gate:
    """Holds the writer before each commit until it is opened; counts what passes."""

    def __init__(self, rig: LmdbRig) -> None:
        self._open = threading.Event()
        self._commit = rig.environment.commit
        self.reached = threading.Event()
        self.passed: list[int] = []
        self.failure: Exception | None = None
        rig.environment.commit = self.commit

    def commit(self, changes) -> None:
        self.reached.set()
        assert self._open.wait(20)
        if self.failure is not None:
            raise self.failure
        self._commit(changes)
        self.passed.append(sum(map(len, changes.values())))

    def open(self) -> None:
        self._open.set()


def in_flight(rig: LmdbRig, gate: Gate, key: bytes = b"first") -> Outcome:
    """A batch that the writer has taken and cannot finish yet."""
    outcome = write(rig, (RECORDS, key, b"v"))
    step(rig)
    assert gate.reached.wait(20)
    return outcome


def failing(rig: LmdbRig, code: int) -> None:
    def commit(changes) -> None:
        raise error("mdb_txn_commit: made up", code)

    rig.environment.commit = commit


# --- grouping


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


# --- visibility


def test_nothing_is_shown_before_it_is_acknowledged(rig):
    """Even when it is on disk already: the waiter hears first, or at the same moment."""
    committed = threading.Event()
    real = rig.environment.commit

    def commit(changes) -> None:
        real(changes)
        committed.set()

    rig.environment.commit = commit
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


def test_sizes_follow_each_commit(rig):
    """Records, and bytes in whole pages; both shrink again."""
    assert (rig.storage.sizes().keys, rig.storage.sizes().used_bytes) == (0, 0)
    put(rig, *[(RECORDS, b"%03d" % number, b"x" * 4000) for number in range(10)], (DIGESTS, b"d", b"1"))
    sizes = rig.storage.sizes()
    assert (sizes.keys, sizes.map_bytes) == (10, rig.map_bytes)
    assert 10 * 4096 < sizes.used_bytes < 30 * 4096
    put(rig, *[(RECORDS, b"%03d" % number, None) for number in range(10)])
    assert rig.storage.sizes().keys == 0
    assert rig.storage.sizes().used_bytes == 4096


def test_a_key_that_cannot_be_stored_is_a_bug_of_the_caller(rig):
    """It is refused where it comes from, before it can spoil the group of others."""
    for key in (b"", b"k" * 512):
        with pytest.raises(AssertionError):
            rig.storage.write([(RECORDS, key, b"v")], True, lambda _: None)
    put(rig, (RECORDS, b"k", b"v"))


# --- no room


def test_a_full_map_refuses_writes_and_serves_reads(new_rig):
    """Real, on a map of one MiB: the batch fails whole, and what was acknowledged stays."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    refused = write(rig, (RECORDS, b"small", b"v"), (RECORDS, b"large", b"x" * 2**20))
    wait(rig, refused)
    assert isinstance(refused.error, StorageFull)
    assert "storage.map_size_bytes" in refused.error.detail
    assert rig.storage.read(RECORDS, b"small") is None
    assert rig.storage.scan(RECORDS, b"", None, 10_000) == stored
    assert rig.fatal == []


@pytest.mark.parametrize("seed", range(4))
def test_a_full_map_takes_removals_and_then_writes(new_rig, seed):
    """Even the first one, in any order, each with the leaf that it changes; then the room is used again."""
    rig = new_rig(map_bytes=2**20)
    dice = random.Random(seed)
    stored = fill_the_map(rig, dice)
    dice.shuffle(stored)
    for key, _ in stored[:100]:
        put(rig, (RECORDS, key, None), (DIGESTS, key[:1], dice.randbytes(8)))
    for key, value in stored[:50]:
        put(rig, (RECORDS, key, value))
    assert rig.storage.scan(RECORDS, b"", None, 10_000) == sorted(stored[:50] + stored[100:])


def test_a_full_map_takes_what_needs_no_more_room(new_rig):
    """A value can be replaced by one of its size, or by a tombstone."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    for key, value in stored[:20]:
        put(rig, (RECORDS, key, value[::-1]))
        put(rig, (RECORDS, key, b"gone"))
    assert rig.storage.read(RECORDS, stored[0][0]) == b"gone"


def test_a_full_map_is_enlarged_by_a_restart(new_rig):
    """As its error says."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    rig.map_bytes = 2**22
    rig.reopen()
    put(rig, (RECORDS, b"z", b"x" * 2**20))
    assert rig.storage.scan(RECORDS, b"", b"z", 10_000) == stored
    assert rig.storage.sizes().map_bytes == 2**22


def fill_the_map(rig: LmdbRig, dice: random.Random | None = None) -> list[tuple[bytes, bytes]]:
    """Write until there is no room for one more; the pairs that were acknowledged, in order. Dice vary them."""
    stored: list[tuple[bytes, bytes]] = []
    for count in (32, 4, 1):
        while True:
            pairs = [(b"%06d" % number, b"x" * 3000) for number in range(len(stored), len(stored) + count)]
            if dice is not None:
                pairs = [(dice.randbytes(8), dice.randbytes(dice.randrange(1000))) for _ in range(count)]
            outcome = write(rig, *[(RECORDS, *pair) for pair in pairs], (DIGESTS, pairs[0][0][:1], b"8 bytes."))
            wait(rig, outcome)
            if outcome.error is not None:
                assert isinstance(outcome.error, StorageFull)
                break
            stored += pairs
            assert len(stored) < 4000
    return sorted(stored)


def test_a_group_that_fails_takes_the_queued_one_with_it(rig):
    """The queued one was computed from it; a later one is not."""
    gate = Gate(rig)
    gate.failure = error("mdb_txn_commit: No space left on device", errno.ENOSPC)
    outcomes = [in_flight(rig, gate), write(rig, (RECORDS, b"second", b"v")), write(rig)]
    gate.open()
    wait(rig, *outcomes)
    assert [type(outcome.error) for outcome in outcomes] == [StorageFull] * 3
    assert rig.storage.latest(RECORDS, b"second") is None
    gate.failure = None
    put(rig, (RECORDS, b"third", b"v"))
    assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"third", b"v")]
    assert rig.fatal == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_write_that_finds_no_room_is_not_the_end(rig, code):
    """EIO stands here for a write that fell short: no sync failed."""
    failing(rig, code)
    outcome = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, outcome)
    assert isinstance(outcome.error, StorageFull)
    assert rig.fatal == []
    rig.make_room()
    put(rig, (RECORDS, b"k", b"v"))


# --- a disk that cannot be trusted


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_sync_ends_all_writing(rig, code):
    """Pages may be lost. The server hears of it once, waiters and later writers get StorageRefused."""
    failing(rig, code)
    rig.environment.lost_writes = lambda: True
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
    failing(rig, errno.EROFS)
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


# --- async mode


def counted_syncs(rig: LmdbRig) -> list[str]:
    syncs: list[str] = []
    real = rig.environment.sync

    def sync() -> None:
        syncs.append(threading.current_thread().name)
        real()

    rig.environment.sync = sync
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
    rig.environment.sync = synced.set
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
        raise error("mdb_env_sync: Input/output error", errno.EIO)

    lazy_rig.storage._on_fatal = on_fatal
    lazy_rig.environment.sync = sync
    wait(lazy_rig, write(lazy_rig, (RECORDS, b"a", b"1"), durable=False))
    late = lazy_rig.loop.call_later(20, lazy_rig.loop.stop)
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
    """Pages are synced before the header that names them; only the header's own sync may be left out."""
    flags = new_rig(lazy=lazy).environment._lmdb.flags()
    assert (flags["sync"], flags["writemap"], flags["lock"], flags["readahead"]) == (True, False, True, False)
    assert flags["metasync"] is not lazy


# --- closing


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
    failing(rig, errno.EROFS)
    wait(rig, write(rig, (RECORDS, b"k", b"v")))
    assert len(rig.fatal) == 1
    rig.reopen()
    assert rig.storage.read(RECORDS, b"k") is None
