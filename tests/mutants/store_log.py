"""What keeps an acknowledged write between the log and LMDB, each taken out in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from dynamo.storage import checkpoint, environment, frame, log, segment
from dynamo.storage.group import Changes
from dynamo.storage.kernel_sync import KernelSync
from dynamo.storage.log import Log
from dynamo.storage.log_engine import LogStorage
from dynamo.storage.loop_writer import LoopWriter
from tests.mutants.mutant import Mutant, Taken

UNIT = "tests/unit/storage/"


def no_seal() -> Taken:
    real = Log._framed
    return patch.object(Log, "_framed", lambda self, what: bytearray() if what is None else real(self, what))


def no_header_before_the_seal() -> Taken:
    def head(log: Log, handle: int, number: int) -> None:
        segment.write_all(handle, memoryview(segment.header_block(segment.Header(log.id, number))), 0)

    return patch.object(Log, "_head", head)


def spoilt_too_late() -> Taken:
    real = Log._spoil

    def spoil(log: Log) -> None:
        log.lost_writes()
        real(log)

    return patch.multiple(Log, _spoil=spoil, lost_writes=lambda _: False)


@contextmanager
def one_epoch() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (log, segment, checkpoint):
            stack.enter_context(patch.object(module, "epoch", lambda *_: 1))
        yield


def nothing_known_to_be_synced() -> Taken:
    real = frame.encoded

    def encoded(changes: Changes | None, *, epoch: int, sequence: int, synced: int) -> bytearray:
        return real(changes, epoch=epoch, sequence=sequence, synced=0 * synced)

    return patch.object(frame, "encoded", encoded)


def no_look_at_the_mark() -> Taken:
    real = environment.apply

    def apply(lmdb, trees, tree, changes, before, after):
        with lmdb.begin() as transaction:
            found = environment.mark_in(transaction, tree)
        real(lmdb, trees, tree, changes, found, after)

    return patch.object(environment, "apply", apply)


def no_kernel_sync() -> Taken:
    return patch.object(KernelSync, "begin", lambda self, _: self._loop.call_soon(self._ended, None))


def failed_syncs_pass() -> Taken:
    real = LoopWriter._ended
    return patch.object(LoopWriter, "_ended", lambda self, _: real(self, None))


LOG: tuple[Mutant, ...] = (
    Mutant(
        "kernel-sync",
        "the kernel is not asked to sync what the loop wrote",
        no_kernel_sync,
        (f"{UNIT}test_loop_writer.py::test_each_group_is_synced_in_its_file",),
    ),
    Mutant(
        "kernel-failure",
        "a sync of the kernel that failed is taken for done",
        failed_syncs_pass,
        (f"{UNIT}test_loop_writer.py::test_a_failed_sync_ends_all_writing",),
    ),
    Mutant(
        "log-seal",
        "a segment is left without a seal",
        no_seal,
        (f"{UNIT}test_recovery.py::test_a_missing_segment_is_refused[-1]",),
    ),
    Mutant(
        "log-epoch",
        "files of the log are used again under the same seed",
        one_epoch,
        (f"{UNIT}test_log.py::test_old_frames_in_a_file_that_is_used_again_are_none[sync]",),
    ),
    Mutant(
        "log-synced",
        "a frame does not know what was on disk before it",
        nothing_known_to_be_synced,
        (f"{UNIT}test_recovery.py::test_damage_in_the_middle_is_refused",),
    ),
    Mutant(
        "log-spoil",
        "what did not fit into the log is left there",
        lambda: patch.object(Log, "_spoil", lambda _: None),
        (f"{UNIT}test_log.py::test_what_did_not_fit_is_not_there_later[sync-28-6000]",),
    ),
    Mutant(
        "log-head",
        "a segment is sealed before the header of the next one is on disk",
        no_header_before_the_seal,
        (f"{UNIT}test_power_cut.py::test_a_cut_at_any_moment[sync]",),
    ),
    Mutant(
        "log-spoil-synced",
        "what did not fit into the log is spoilt in memory only",
        spoilt_too_late,
        (f"{UNIT}test_power_cut.py::test_a_cut_at_any_moment[sync]",),
    ),
    Mutant(
        "log-mark",
        "a checkpoint does not look where LMDB is",
        no_look_at_the_mark,
        (f"{UNIT}test_checkpoints.py::test_who_comes_too_late_changes_nothing",),
    ),
    Mutant(
        "log-bound",
        "a memtable takes whatever comes",
        lambda: patch.object(LogStorage, "_is_full", lambda *_: False),
        (f"{UNIT}test_checkpoints.py::test_memory_is_bounded",),
    ),
    Mutant(
        "log-map",
        "what the map may have no room for goes into the log",
        lambda: patch.object(LogStorage, "_room", lambda _: 2**40),
        (f"{UNIT}test_full_map.py::test_a_full_map_refuses_writes_and_serves_reads[log]",),
    ),
)
