"""The engine `log`: every group is one write to a log, and LMDB is brought up to it now and then, by another process.

    queued groups          in memory only; `latest` sees them
    active memtable        durable in the log
    frozen memtable        the same, and the child is taking it into LMDB; None most of the time
    recent                 what LMDB took or was asked for lately, found here sooner (`recent.py`)
    LMDB                   read in one snapshot, which is replaced when the child is done

What is read is looked for in this order. The active memtable is frozen when it has come to a bound, or is some seconds
old. When LMDB has it, the segments of the log are used again.

Bounds. A group waits, at the head of the queue, while the active memtable is full and the frozen one not done; so the
queue grows, and whoever looks at `queued_bytes` refuses work (`node/replica.py`), and behind that bound the store does.

Memory: two memtables and two generations of what is recent, so at most 96 MiB of values that were written, 32 MiB of
others beside them, and some 100 MiB for what Python needs to hold them; less where values are small, or writes few.
The child holds a copy of each page of LMDB that changes, some 256 MiB at most, where every change is on another one.

Room in LMDB's map. What was acknowledged must fit into it. What lies in the memtables may come to a third of what is
left, were every change a page: another third is for the copies of pages that LMDB changes, and one for the copies that
the transaction before has given up and the next may use again. A group that is beyond that waits until LMDB has
everything, and then goes past the log, as a transaction of its own. So near its end the map is filled to the last page
that is not reserved, and what makes the store no larger is taken even then.

If a checkpoint finds no room all the same, nothing is lost: log and memtables stay, reads go on, writes are refused,
and it is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from dynamo.errors import DynamoError, StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, StorageSizes
from dynamo.storage import merge
from dynamo.storage.applying import Mark
from dynamo.storage.checkpoint import Job, Piece
from dynamo.storage.environment import Environment
from dynamo.storage.frame import BLOCK
from dynamo.storage.group import Done, Group, no_changes
from dynamo.storage.group_commit import GroupCommit
from dynamo.storage.keeper import Keeper, Outcome
from dynamo.storage.log import Log
from dynamo.storage.log_sink import LogSink
from dynamo.storage.loop_writer import LoopWriter
from dynamo.storage.memtable import Memtable
from dynamo.storage.recent import Recent
from dynamo.telemetry import logs

journal = logs.Log("storage")

COUNT_MAX = 64_000
"""Changes that a memtable takes. With half as many, each costs LMDB half as much again, and is found less often."""
SIZE_BYTES_MAX = 24 * 2**20
"""Bytes of values that it takes."""
LOG_BYTES_MAX = 32 * 2**20
"""Bytes of the log that it may stand for: what so many changes take under load, and little enough for a small disk."""
CHECKPOINT_S = 5.0
"""How old it becomes."""
RETRY_S = 1.0
"""After a checkpoint that found no room."""
QUEUED_BYTES_MAX = 256 * 2**20
"""What waits for a checkpoint, as it is weighed, before the store itself refuses more."""


class LogStorage(GroupCommit):
    """`ports.Storage`; see GroupCommit for the arguments. LMDB has everything that came before the log.

    `kernel_syncs`: where the system can, the loop writes to the log and the kernel syncs it (`loop_writer.py`); in sync
    mode only.
    """

    def __init__(
        self,
        environment: Environment,
        log: Log,
        loop: asyncio.AbstractEventLoop,
        on_fatal: Callable[[DynamoError], None],
        on_commit: Callable[[float, int], None] | None = None,
        *,
        kernel_syncs: bool = False,
    ) -> None:
        self._environment = environment
        self._log = log
        self._keeper = Keeper(environment, log)
        self._active = Memtable()
        self._frozen: Memtable | None = None
        self._recent = Recent(environment.get)
        self._job: Job | None = None
        """What takes the frozen one over."""
        self._outcome: Outcome | None = None
        self._began = 0.0
        self._mark = Mark(log.id, log.sequence)
        """How far LMDB has come."""
        self._start = log.place
        """Where the active one begins in the log."""
        self._full: StorageFull | None = None
        """Why the last checkpoint failed, if it did."""
        self._due: asyncio.TimerHandle | None = None
        self._overdue = False
        self._sink = LogSink(log, environment)
        super().__init__(self._sink, loop, on_fatal, on_commit, environment.reserve_bytes // 4)
        self._loop_writer: LoopWriter | None = None
        if kernel_syncs:
            try:
                self._loop_writer = LoopWriter(self._sink, loop, self._reported)
            except OSError as problem:
                journal.info("a thread waits for the disk", problem=str(problem))

    # --- reading

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        pairs = self._active.changes[space]
        if key in pairs:
            return pairs[key]
        if self._frozen is not None:
            pairs = self._frozen.changes[space]
            if key in pairs:
                return pairs[key]
        return self._recent.read(space, key)

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        tables = [table for table in (self._frozen, self._active) if table is not None and table.changes[space]]
        if not tables:
            return self._in_lmdb(space, start, end, limit)
        return merge.scan(self._in_lmdb, tables, space, start, end, limit)

    def _in_lmdb(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        return self._recent.shown(space, self._environment.scan(space, start, end, limit))

    def sizes(self) -> StorageSizes:
        """As of the last checkpoint."""
        return self._environment.sizes

    def memtable_bytes(self) -> int:
        return self._active.size_bytes + (0 if self._frozen is None else self._frozen.size_bytes)

    def log_bytes(self) -> int:
        """As long as the log is on disk, what waits to be used again included."""
        return self._log.size_bytes()

    # --- writing

    def write(self, changes: Sequence[Change], durable: bool, done: Done) -> None:  # noqa: FBT001 - as in the port
        if self._frozen is not None and self.queued_bytes() > QUEUED_BYTES_MAX:
            self._loop.call_soon(done, StorageFull("too much waits for the disk of this node: try again later"))
        else:
            super().write(changes, durable, done)

    def _write_out(self, group: Group) -> None:
        if self._loop_writer is None or not self._loop_writer.takes(group):
            super()._write_out(group)

    def _admit(self, group: Group) -> bool:
        if self._full is not None:
            raise self._full
        if not self._mark.log:
            self._go_on_after_the_end()
        share = self._room() // 3
        if self._is_full(group, share // 2):
            if self._frozen is not None:
                return False
            self._freeze()
        ahead = self._active.weight + (0 if self._frozen is None else self._frozen.weight)
        self._sink.direct = ahead + group.weight > share
        if self._sink.direct and ahead:
            if self._frozen is None:
                self._freeze()
            return False
        return True

    def _is_full(self, group: Group, weight_max: int) -> bool:
        active = self._active
        return active.count > 0 and (
            active.count + group.count > COUNT_MAX
            or active.weight + group.weight > weight_max
            or active.size_bytes + group.size_bytes > SIZE_BYTES_MAX
            or self._log.written_bytes > LOG_BYTES_MAX
        )

    def _room(self) -> int:
        """Bytes by which the store may grow."""
        sizes = self._environment.sizes
        return sizes.map_bytes - self._environment.reserve_bytes - sizes.used_bytes

    def _show(self, group: Group) -> None:
        if self._sink.direct:
            self._recent.clear()
            self._environment.refresh()
        elif group.changes:
            self._active.add(group)
            if self._due is None and not self._overdue:
                self._due = self._loop.call_later(CHECKPOINT_S, self._age)
        if self._overdue and self._frozen is None:
            self._freeze()

    def _failed(self, failure: DynamoError) -> None:
        super()._failed(failure)
        if isinstance(failure, StorageFull) and self._frozen is None:
            self._freeze()  # What LMDB has taken over makes room in the log.

    # --- checkpoints

    def _age(self) -> None:
        self._due = None
        if self._in_flight or self._frozen is not None:
            self._overdue = True  # Where the log ends is known between two groups only.
        else:
            self._freeze()

    def _freeze(self) -> None:
        """Have the active memtable taken over. Nothing is in the writer's hands, and nothing is frozen."""
        assert not self._in_flight
        assert self._frozen is None
        self._overdue = False
        if self._active.count and not self._broken:
            self._turn(self._mark.log)
            self._submit()

    def _turn(self, log: int) -> None:
        """Begin another memtable; the job is to take over the one that there was."""
        self._job = self._next_job(log)
        self._start, self._log.written_bytes = self._log.place, 0
        self._frozen, self._active = self._active, Memtable()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _next_job(self, log: int) -> Job:
        """All that the log has and LMDB has not, if nothing is frozen."""
        first, last = self._start, self._log.place
        names = {segment.number: (segment.name, segment.end) for segment in self._log.closed}
        names[last.number] = (self._log.name, last.offset)
        pieces = [
            Piece(names[number][0], number, first.offset if number == first.number else BLOCK, names[number][1])
            # Where it begins can be the end of a segment that is used again by now.
            for number in range(max(first.number, min(names)), last.number + 1)
        ]
        return Job(self._mark, Mark(log, self._log.sequence), pieces)

    def _submit(self) -> None:
        assert self._job is not None
        self._began = time.perf_counter()
        self._outcome = self._keeper.checkpoint(self._job, lambda: self._loop.call_soon_threadsafe(self._checkpointed))

    def _checkpointed(self) -> None:
        """The child has answered. Does nothing if that was taken notice of already."""
        if self._outcome is None or not self._outcome.done():
            return
        failure, self._outcome = self._outcome.result(), None
        if failure is None:
            self._taken_over()
        elif isinstance(failure, StorageFull):
            if self._full is None:
                journal.error("the log cannot be taken into LMDB, writes are refused", problem=failure.detail)
            self._full = failure
            self._loop.call_later(RETRY_S, self._retry)
        else:
            self._failed(failure)
            self._see_to_the_end()
        self._go_on()

    def _taken_over(self) -> None:
        assert self._job is not None
        assert self._frozen is not None
        self._recent.took(self._frozen)
        self._mark, self._job, self._frozen, self._full = self._job.after, None, None, None
        self._environment.refresh()
        self._environment.measure()
        self._keeper.remove(self._log.recycle(self._mark.applied))
        self.checkpoints += 1
        self.checkpoint_s += time.perf_counter() - self._began
        if self._overdue and not self._in_flight:
            self._freeze()

    def _retry(self) -> None:
        if self._job is not None and self._outcome is None and not self._broken:
            self._submit()

    # --- the end

    def settle(self) -> int:
        while self._outcome is not None:
            self._outcome.result()
            self._checkpointed()
        assert not self._groups, "a store is settled when nothing is queued"
        if self._job is not None:
            self._finish_job()
        if self._active.count or self._mark.log:
            self._turn(0)
            self._finish_job()
        return self._environment.version

    def _finish_job(self) -> None:
        assert self._job is not None
        if self._broken and self._refusal is not None:
            raise self._refusal
        self._began = time.perf_counter()
        failure = self._keeper.finish(self._job).result()
        if failure is not None:
            raise failure
        self._taken_over()

    def _go_on_after_the_end(self) -> None:
        """Something is written after all, when the log had been ended."""
        mark = Mark(self._log.id, self._mark.applied)
        try:
            self._environment.advance(no_changes(), self._mark, mark)
        except Exception as problem:
            raise self._environment.excused(problem) or self._environment.given_up(problem) from problem
        self._mark = mark

    def _finish(self) -> None:
        if self._due is not None:
            self._due.cancel()
        try:
            self.settle()
        except DynamoError as failure:
            journal.warning("the log stays for the next start", problem=failure.detail)
        self._job = None
        if self._loop_writer is not None:
            self._loop_writer.close()
        self._keeper.stop()
        self._log.close()
        if not self._mark.log:
            self._log.folder.remove(self._log.folder.names())
        self._environment.close()
