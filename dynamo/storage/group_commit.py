"""Group commit, the loop's side: what the two engines of a store have in common.

The loop collects batches in a group; while one group is in the writer's hands the next one fills. So under load many
batches share one wait for the disk, and an idle store commits each at once. A busy one leaves a millisecond between two
groups: who waits then waits longer for a processor, and has more of it if there are fewer groups. Groups that are not
durable yet are the overlay that `latest` looks through, newest first; it needs no bookkeeping of its own.

An engine says where a durable group is shown (`_show`): before anyone is told of it, and before the next is handed
over. So a reader sees what was acknowledged (never what is written but not synced), and its own write as soon as that
is acknowledged. An engine may also hold a group back until there is room for it, or refuse it (`_admit`).

Durability. In `sync` mode every group is synced: what was acknowledged survives power loss. So a batch that need not be
durable would cost a sync of its own: it waits up to RIDE_S for one that must be, and shares its sync. In `async` mode a
batch that is not `durable` is acknowledged when it is in the page cache, where it survives the process. With the power
the last groups can be lost, until a durable one follows or IDLE_SYNC_S has passed.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from dynamo.errors import DynamoError, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, StorageSizes
from dynamo.storage.group import GROUP_WEIGHT_MAX, Done, Group
from dynamo.storage.writer import Sink, Writer

T = TypeVar("T")

BUSY_CHANGES = 32
"""After a group of so many changes the next one waits for more to join it."""
GATHER_S = 0.001
"""So long. Each group is a write, a sync, and a turn of the loop to hear of it."""
RIDE_S = 0.005
"""How long a group that need not be durable waits for a batch that must be."""


class GroupCommit(ABC):
    """Most of `ports.Storage`, used from the thread of `loop` only. `sink` makes groups durable, in another thread
    unless an engine knows a better way (`_write_out`).

    `on_fatal` is called on the loop at most once, when the disk can no longer be trusted (see `writer.py`). Every later
    write fails with StorageRefused. The process should then end without answering anyone, since a start decides anew
    which of the last writes exist. `on_commit` is called on the loop after each commit, with the seconds that it took
    and the number of batches that shared it.
    """

    def __init__(
        self,
        sink: Sink,
        loop: asyncio.AbstractEventLoop,
        on_fatal: Callable[[DynamoError], None],
        on_commit: Callable[[float, int], None] | None,
        group_weight_max: int,
    ) -> None:
        self._lazy = sink.lazy
        self._loop = loop
        self._on_fatal = on_fatal
        self._on_commit = on_commit
        self._groups: deque[Group] = deque()
        """Oldest first; the first one may be with the writer, the last one may still be open."""
        self._in_flight = False
        self._hand_over_is_due = False
        self._ride: asyncio.TimerHandle | None = None
        """Set while the first group waits for a batch to share a sync with."""
        self._refusal: DynamoError | None = None
        """Answer to every further write, if the store is closing or broken."""
        self._broken = False
        self._idle: asyncio.Future[None] | None = None
        self.commits = 0
        """Groups that were committed."""
        self.batches = 0
        """Batches in them."""
        self.checkpoints = 0
        """How often a log was taken over into LMDB; of the engine that has one."""
        self.checkpoint_s = 0.0
        """How long that took, all together."""
        self._group_weight_max = min(GROUP_WEIGHT_MAX, group_weight_max)
        self._writer = Writer(sink, self._report)

    # --- what an engine adds

    @abstractmethod
    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        """What is durably stored under a key (async mode: what was acknowledged). Raises CorruptValue."""

    @abstractmethod
    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in key order, at most `limit`, as `read` sees them. Raises CorruptValue."""

    @abstractmethod
    def sizes(self) -> StorageSizes:
        """How full the store is; may lag by a few seconds."""

    @abstractmethod
    def _show(self, group: Group) -> None:
        """Let reads see a group, which is durable now."""

    def _admit(self, group: Group) -> bool:
        """Whether a group can be handed over now. If not, the engine calls `_go_on` later. Raises StorageFull."""
        return True

    @abstractmethod
    def settle(self) -> int:
        """Have LMDB hold everything that was acknowledged; its version then. Nothing is queued; may block.

        Raises StorageFull or StorageRefused.
        """

    @abstractmethod
    def _finish(self) -> None:
        """Give up the files. Nothing is queued, and the writer's thread has ended."""

    # --- reading

    def latest(self, space: Keyspace, key: bytes) -> bytes | None:
        """The same as `read` with every batch applied that was handed to `write` and has not failed."""
        for group in reversed(self._groups):
            pairs = group.changes.get(space)
            if pairs is not None and key in pairs:
                return pairs[key]
        return self.read(space, key)

    def queued_bytes(self) -> int:
        """Of all groups that wait or are being written, as they are weighed (a change counts a page at least)."""
        return sum(group.weight for group in self._groups)

    def memtable_bytes(self) -> int:
        """Of the values that are durable in a log and not in LMDB yet."""
        return 0

    def log_bytes(self) -> int:
        """Of a log that holds them."""
        return 0

    # --- writing

    def write(self, changes: Sequence[Change], durable: bool, done: Done) -> None:  # noqa: FBT001 - as in the port
        """Queue a batch; see `ports.Storage.write`. `done` is never called before this returns."""
        if self._refusal is not None:
            self._loop.call_soon(done, self._refusal)
            return
        if not self._groups or self._groups[-1].closed:
            self._groups.append(Group(self._group_weight_max))
        self._groups[-1].add(changes, durable, done)
        if not self._in_flight:
            self._see_to_hand_over()

    async def close(self) -> None:
        """Refuse further writes, let the queued ones finish, give up files and lock. May be called once."""
        assert self._idle is None, "a store is closed once"
        self._refusal = self._refusal or StorageRefused("the store is closing")
        self._idle = self._loop.create_future()
        if not self._groups:
            self._idle.set_result(None)
        elif not self._in_flight:
            self._hand_over()
        await self._idle
        self._writer.stop()
        self._finish()

    def _see_to_hand_over(self) -> None:
        """The first group waits, and nothing is in the writer's hands."""
        if self._may_ride(self._groups[0]):
            if self._ride is None:
                self._ride = self._loop.call_later(RIDE_S, self._hand_over)
        elif not self._hand_over_is_due:
            # At the end of this tick, so that all of its writes share the first group.
            self._hand_over_is_due = True
            self._loop.call_soon(self._hand_over)

    def _may_ride(self, group: Group) -> bool:
        """Whether a group may wait for a batch that must be durable: nobody waits for it, and it has room."""
        return not (group.durable or group.closed or self._lazy or self._refusal is not None)

    def _hand_over(self) -> None:
        self._hand_over_is_due = False
        if self._ride is not None:
            self._ride.cancel()
            self._ride = None
        if not self._groups or self._in_flight:
            return
        try:
            admitted = self._admit(self._groups[0])
        except DynamoError as refusal:
            self._failed(refusal)
            self._see_to_the_end()
            return
        if admitted:
            self._in_flight = True
            self._groups[0].closed = True
            self._write_out(self._groups[0])

    def _write_out(self, group: Group) -> None:
        """Have a group written, and reported once."""
        self._writer.commit(group)

    def _report(self, group: Group | None, failure: DynamoError | None) -> None:
        """Called by the writer's thread."""
        self._loop.call_soon_threadsafe(self._reported, group, failure)

    def _reported(self, group: Group | None, failure: DynamoError | None) -> None:
        if group is not None:
            assert self._in_flight, "the writer has one group at a time"
            self._in_flight = False
        if self._broken:
            return  # Everyone has been told.
        if failure is None:
            assert group is self._groups[0], "groups are reported in order"
            self._committed()
        else:
            self._failed(failure)
        self._see_to_the_end()

    def _see_to_the_end(self) -> None:
        if self._idle is not None and not self._groups and not self._idle.done():
            self._idle.set_result(None)

    def _committed(self) -> None:
        group = self._groups.popleft()
        self._show(group)
        if self._groups:
            if group.count >= BUSY_CHANGES and not self._groups[0].closed and self._idle is None:
                self._wait_for_more()
            else:
                self._go_on()
        self.commits += 1
        self.batches += len(group.dones)
        if self._on_commit is not None:
            self._on_commit(group.commit_s, len(group.dones))
        self._tell(group, None)

    def _wait_for_more(self) -> None:
        if not self._hand_over_is_due:
            self._hand_over_is_due = True
            self._loop.call_later(GATHER_S, self._hand_over)

    def _go_on(self) -> None:
        """Nothing is in the writer's hands any more, or a group that was held back may go."""
        if not self._groups or self._in_flight:
            return
        if self._may_ride(self._groups[0]):
            self._see_to_hand_over()
        else:
            self._hand_over()

    def _failed(self, failure: DynamoError) -> None:
        """Everything queued was computed from what failed. Forget it first: a waiter may write again at once."""
        failed, self._groups = self._groups, deque()
        if isinstance(failure, StorageRefused):
            self._broken = True
            self._refusal = failure
            self._call(self._on_fatal, failure)
        for group in failed:
            self._tell(group, failure)

    def _tell(self, group: Group, outcome: DynamoError | None) -> None:
        for done in group.dones:
            self._call(done, outcome)

    def _call(self, callback: Callable[[T], None], argument: T) -> None:
        try:
            callback(argument)
        except Exception as problem:  # noqa: BLE001 - one waiter's bug must not leave the others waiting
            self._loop.call_exception_handler({"message": "a waiter of the store failed", "exception": problem})
