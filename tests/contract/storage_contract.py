"""What every implementation of `ports.Storage` keeps: one suite, run on each through a rig.

A test file names a subclass of StorageContract with a fixture `new_rig` that makes a StorageRig, and `rig` that yields
one. The tests are plain functions: the rig owns the loop, so that a virtual one does as well as a real one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from dynamo.errors import StorageFull
from dynamo.layout.keyspaces import STORED_KEY_BYTES_MAX, Keyspace, successor
from tests.contract.storage_model import StorageModel
from tests.contract.storage_rig import Outcome, StorageRig, numbered, put, step, wait, write

RECORDS, DIGESTS, META = Keyspace.RECORDS, Keyspace.DIGESTS, Keyspace.META


class StorageContract:
    """Inherit, name the class Test..., give it the fixtures `rig` and `new_rig`."""

    def test_an_absent_key_is_none(self, rig: StorageRig):
        """Neither kind of read invents a value."""
        assert rig.storage.read(RECORDS, b"absent") is None
        assert rig.storage.latest(RECORDS, b"absent") is None

    def test_a_reader_sees_a_write_once_it_is_acknowledged(self, rig: StorageRig):
        """Before, only the next writer sees it."""
        outcome = write(rig, (RECORDS, b"k", b"v"))
        assert rig.storage.read(RECORDS, b"k") is None
        assert rig.storage.scan(RECORDS, b"", None, 10) == []
        assert rig.storage.latest(RECORDS, b"k") == b"v"
        wait(rig, outcome)
        assert outcome.error is None
        assert rig.storage.read(RECORDS, b"k") == b"v"
        assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"k", b"v")]
        assert rig.storage.latest(RECORDS, b"k") == b"v"

    def test_a_reader_sees_a_write_inside_its_acknowledgement(self, rig: StorageRig):
        """The callback itself may already answer a client."""
        seen: list[bytes | None] = []
        outcome = Outcome(rig, lambda _: seen.append(rig.storage.read(RECORDS, b"k")))
        rig.storage.write([(RECORDS, b"k", b"v")], True, outcome)
        wait(rig, outcome)
        assert seen == [b"v"]

    def test_a_batch_spans_keyspaces(self, rig: StorageRig):
        """The same key in two keyspaces is two keys, and one batch changes both."""
        put(rig, (RECORDS, b"k", b"record"), (DIGESTS, b"k", b"digest"))
        assert rig.storage.read(RECORDS, b"k") == b"record"
        assert rig.storage.read(DIGESTS, b"k") == b"digest"
        assert rig.storage.read(META, b"k") is None

    def test_a_removal_removes(self, rig: StorageRig):
        """The next writer misses the key at once, a reader after the acknowledgement."""
        put(rig, (RECORDS, b"k", b"v"))
        outcome = write(rig, (RECORDS, b"k", None))
        assert rig.storage.latest(RECORDS, b"k") is None
        assert rig.storage.read(RECORDS, b"k") == b"v"
        wait(rig, outcome)
        assert outcome.error is None
        assert rig.storage.read(RECORDS, b"k") is None
        assert rig.storage.scan(RECORDS, b"", None, 10) == []

    def test_removing_an_absent_key_is_fine(self, rig: StorageRig):
        """It changes nothing and is acknowledged."""
        put(rig, (RECORDS, b"absent", None))
        assert rig.storage.read(RECORDS, b"absent") is None

    def test_in_a_batch_the_last_change_of_a_key_counts(self, rig: StorageRig):
        """Changes apply in their order."""
        put(rig, (RECORDS, b"a", b"1"), (RECORDS, b"a", None), (RECORDS, b"b", b"1"), (RECORDS, b"b", b"2"))
        assert rig.storage.read(RECORDS, b"a") is None
        assert rig.storage.read(RECORDS, b"b") == b"2"

    def test_batches_apply_and_are_told_in_order(self, rig: StorageRig):
        """Fifty writes of one key: the last wins, and the waiters hear in the order of writing."""
        told: list[int] = []
        outcomes = []
        for number in range(50):
            outcome = Outcome(rig, lambda _, number=number: told.append(number))
            rig.storage.write([(RECORDS, b"k", b"%d" % number)], True, outcome)
            outcomes.append(outcome)
            if number % 7 == 0:
                step(rig)
        wait(rig, *outcomes)
        assert told == list(range(50))
        assert rig.storage.read(RECORDS, b"k") == b"49"

    def test_an_empty_batch_is_a_barrier(self, rig: StorageRig):
        """When it is told, all that was written before is readable."""
        before = write(rig, *numbered(20))
        barrier = write(rig)
        wait(rig, barrier)
        assert barrier.error is None
        assert before.told == [None]
        assert len(rig.storage.scan(RECORDS, b"", None, 100)) == 20

    def test_a_barrier_on_an_idle_store_is_told(self, rig: StorageRig):
        """It needs nothing to wait for."""
        barrier = write(rig)
        wait(rig, barrier)
        assert barrier.error is None

    def test_a_batch_that_need_not_be_durable_is_told_and_read(self, rig: StorageRig):
        """It keeps its place in the order."""
        first = write(rig, (RECORDS, b"k", b"1"), durable=False)
        second = write(rig, (RECORDS, b"k", b"2"), durable=True)
        third = write(rig, (RECORDS, b"l", b"3"), durable=False)
        wait(rig, first, second, third)
        assert [first.error, second.error, third.error] == [None, None, None]
        assert rig.storage.read(RECORDS, b"k") == b"2"
        assert rig.storage.read(RECORDS, b"l") == b"3"

    def test_a_write_from_an_acknowledgement_is_ordered_after_it(self, rig: StorageRig):
        """A waiter may write again from its callback, on the state that it was told of."""
        second = Outcome(rig)

        def again(error: Exception | None) -> None:
            assert error is None
            rig.storage.write([(RECORDS, b"k", (rig.storage.latest(RECORDS, b"k") or b"") + b"2")], True, second)

        first = Outcome(rig, again)
        rig.storage.write([(RECORDS, b"k", b"1")], True, first)
        wait(rig, first, second)
        assert second.error is None
        assert rig.storage.read(RECORDS, b"k") == b"12"

    def test_scans_follow_key_order_and_bounds(self, rig: StorageRig):
        """From start, up to but without end, at most limit; bytes sort as bytes."""
        keys = [b"\x00", b"\x00\x00", b"\x01", b"a", b"a\x00", b"a\xff", b"b", b"\xff", b"\xff\xff"]
        put(rig, *[(RECORDS, key, b"of " + key) for key in reversed(keys)], (DIGESTS, b"a", b"other"))

        def found(start: bytes, end: bytes | None, limit: int = 100) -> list[bytes]:
            pairs = rig.storage.scan(RECORDS, start, end, limit)
            assert all(value == b"of " + key for key, value in pairs)
            return [key for key, _ in pairs]

        assert found(b"", None) == keys
        assert found(b"a", b"b") == [b"a", b"a\x00", b"a\xff"]
        assert found(b"a\x01", b"b\x00") == [b"a\xff", b"b"]
        assert found(b"a", None, 2) == [b"a", b"a\x00"]
        assert found(b"\xff\xff", None) == [b"\xff\xff"]
        assert found(b"\xff\xff\x00", None) == []
        assert found(b"b", b"b") == []
        assert found(b"c", b"a") == []
        assert found(b"", None, 0) == []

    def test_a_scan_goes_on_where_it_stopped(self, rig: StorageRig):
        """Pages of any size, joined by `successor`, give every key once."""
        put(rig, *numbered(25))
        for size in (1, 4, 25, 26):
            start, pages = b"", []
            while page := rig.storage.scan(RECORDS, start, None, size):
                pages += page
                start = successor(page[-1][0])
            assert pages == [(key, value) for _, key, value in numbered(25)]

    def test_the_longest_key_is_stored_and_passed_over(self, rig: StorageRig):
        """Its successor is longer than any key may be, and still a place to scan from."""
        key = b"\xff" * STORED_KEY_BYTES_MAX
        put(rig, (RECORDS, key, b"v"))
        assert rig.storage.read(RECORDS, key) == b"v"
        assert rig.storage.scan(RECORDS, key, None, 10) == [(key, b"v")]
        assert rig.storage.scan(RECORDS, successor(key), None, 10) == []

    @pytest.mark.parametrize("size", [0, 1, 4096, 2**20, 16 * 2**20])
    def test_values_of_any_size(self, rig: StorageRig, size: int):
        """From empty (which is not absent) to the largest record."""
        value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        put(rig, (RECORDS, b"k", value))
        assert rig.storage.read(RECORDS, b"k") == value
        assert rig.storage.latest(RECORDS, b"k") == value

    def test_a_clean_stop_keeps_everything(self, rig: StorageRig):
        """Another store on the same data shows the same, whatever was asked of durability."""
        put(rig, *numbered(10), (META, b"m", b"1"))
        wait(rig, write(rig, (RECORDS, b"000", None), (META, b"m", b"2"), durable=False))
        rig.reopen()
        assert rig.storage.scan(RECORDS, b"", None, 100) == [(key, value) for _, key, value in numbered(10)[1:]]
        assert rig.storage.read(META, b"m") == b"2"
        assert rig.storage.latest(META, b"m") == b"2"

    def test_sizes_count_records(self, rig: StorageRig):
        """Records, not the keys of other keyspaces; bytes used lie within the map."""
        put(rig, *numbered(7), (DIGESTS, b"d", b"1"))
        rig.reopen()
        sizes = rig.storage.sizes()
        assert sizes.keys == 7
        assert 0 < sizes.used_bytes <= sizes.map_bytes

    def test_what_waits_is_weighed(self, rig: StorageRig):
        """As long as a batch is not done it counts, at least its own bytes; afterwards nothing does."""
        assert rig.storage.queued_bytes() == 0
        first = write(rig, (RECORDS, b"k", bytes(10_000)))
        assert 10_000 <= rig.storage.queued_bytes() < 20_000
        second = write(rig, (RECORDS, b"l", bytes(10_000)))
        assert 20_000 <= rig.storage.queued_bytes() < 40_000
        wait(rig, first, second)
        assert rig.storage.queued_bytes() == 0

    # --- no room

    def test_without_room_a_batch_fails_whole_and_reads_go_on(self, rig: StorageRig):
        """StorageFull, nothing of the batch, and the next writer starts from what is there."""
        put(rig, (RECORDS, b"k", b"old"))
        rig.fill()
        outcome = write(rig, (RECORDS, b"k", b"new"), (RECORDS, b"l", b"new"))
        assert rig.storage.latest(RECORDS, b"k") == b"new"
        wait(rig, outcome)
        assert isinstance(outcome.error, StorageFull)
        assert rig.storage.read(RECORDS, b"k") == rig.storage.latest(RECORDS, b"k") == b"old"
        assert rig.storage.read(RECORDS, b"l") is rig.storage.latest(RECORDS, b"l") is None
        assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"k", b"old")]

    def test_batches_behind_a_failed_one_fail_too(self, rig: StorageRig):
        """They were computed from it: in the same tick, while it is on its way, and a barrier."""
        rig.fill()
        outcomes = [write(rig, (RECORDS, b"a", b"1")), write(rig, (RECORDS, b"b", b"2"))]
        step(rig)
        assert all(outcome.pending for outcome in outcomes)
        outcomes += [write(rig, (RECORDS, b"a", b"12")), write(rig)]
        wait(rig, *outcomes)
        assert [type(outcome.error) for outcome in outcomes] == [StorageFull] * 4
        assert rig.storage.latest(RECORDS, b"a") is None
        rig.make_room()
        put(rig, (RECORDS, b"c", b"3"))
        assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"c", b"3")]

    def test_batches_before_a_failed_one_stand(self, rig: StorageRig):
        """What was acknowledged does not go away, and room can come back again and again."""
        for turn in range(3):
            put(rig, (RECORDS, b"k", b"%d" % turn))
            rig.fill()
            outcome = write(rig, (RECORDS, b"k", b"lost"))
            wait(rig, outcome)
            assert isinstance(outcome.error, StorageFull)
            rig.make_room()
            assert rig.storage.read(RECORDS, b"k") == rig.storage.latest(RECORDS, b"k") == b"%d" % turn

    def test_a_waiter_may_try_again_from_its_failure(self, rig: StorageRig):
        """The failed changes are forgotten before anyone is told, and the new batch is not failed with the old ones."""
        retried = Outcome(rig)
        seen: list[bytes | None] = []

        def again(error: Exception | None) -> None:
            assert isinstance(error, StorageFull)
            seen.append(rig.storage.latest(RECORDS, b"k"))
            rig.make_room()
            rig.storage.write([(RECORDS, b"k", b"second try")], True, retried)

        rig.fill()
        failed = Outcome(rig, again)
        rig.storage.write([(RECORDS, b"k", b"first try")], True, failed)
        behind = write(rig, (RECORDS, b"k", b"behind"))
        wait(rig, failed, behind, retried)
        assert seen == [None]
        assert isinstance(behind.error, StorageFull)
        assert retried.error is None
        assert rig.storage.read(RECORDS, b"k") == b"second try"

    # --- against a model

    def test_it_behaves_as_a_dictionary_with_a_queue(self, new_rig: Callable[[], StorageRig]):
        """Any interleaving of writes, failures, partial progress and restarts, against two dictionaries."""

        class Machine(StorageModel):
            make_rig = staticmethod(new_rig)

        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=20, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
        )
