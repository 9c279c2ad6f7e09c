"""The Storage and Identity ports on a simulated disk: what was not synced is lost in a crash.

Three layers, oldest first: what is *synced* survives a crash; what is *committed* is shown to readers; what is *latest*
includes every batch that was handed over. Batches wait in a queue; one group of them at a time is committed, synced if
any of them wants it, and reported, each step after a seeded delay. A crash in the middle of a sync keeps or loses the
whole group; so does a sync that fails, after which the store refuses everything. On a full disk the group fails, and
with it everything queued behind, since that was computed from it. Bits that flip at rest are on the disk and in what
readers see, and nobody is told.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, StorageSizes
from dynamo.simulation.world import Life, World

MAP_BYTES = 2**30
Done = Callable[[DynamoError | None], None]
Maps = dict[Keyspace, dict[bytes, bytes]]


class DiskHabits(msgspec.Struct):
    """How a disk behaves now."""

    sync_s: float = 0.002
    """Mean time of one group commit, which varies from half to twice that."""
    stall: float = 0.0
    """Share of group commits that take up to `stall_s` longer."""
    stall_s: float = 1.0
    full: bool = False
    """Whether commits fail for want of room."""
    broken: bool = False
    """Whether the next sync fails: nobody knows what is on the disk, and the store answers nothing but refusals."""
    forgets_incarnation: bool = True
    """Deliberately wrong if False: the node keeps its incarnation after a crash. For tests of the checker only."""


class _Batch(msgspec.Struct):
    changes: tuple[Change, ...]
    durable: bool
    done: Done


class PlatterCopy(msgspec.Struct):
    """An old copy of a data directory: the store and the identity file."""

    synced: Maps
    incarnation: str = ""
    counter: int = 0
    stopped_cleanly: bool = False
    store: str = ""
    starts: int = 0


class Platter:
    """What outlives a node: its synced bytes and who it was. One per node, handed from life to life."""

    def __init__(self, node: str, habits: DiskHabits) -> None:
        self.node = node
        self.habits = habits
        self.synced: Maps = {space: {} for space in Keyspace}
        self.incarnation = ""
        self.counter = 0
        self.stopped_cleanly = False
        self.store = ""
        """Name of the store; empty for a disk on which no node ever started."""
        self.starts = 0
        self.harmed: list[tuple[float, Keyspace, bytes, bytes]] = []
        """Each bit that flipped: when, where, and what was there before."""
        self.on_synced: Callable[[str, Keyspace, bytes, bytes | None], None] = _unseen
        """Called with the node and each change that becomes durable."""
        self.on_replaced: Callable[[str], None] = _replaced
        """Called with the node when it has got another disk."""

    def copy(self) -> PlatterCopy:
        """What a copy of the data directory would hold, made now."""
        return PlatterCopy(
            {space: dict(held) for space, held in self.synced.items()},
            self.incarnation,
            self.counter,
            self.stopped_cleanly,
            self.store,
            self.starts,
        )

    def put_back(self, copy: PlatterCopy) -> None:
        """The disk is as it was when the copy was made. No life may be running on it."""
        self.synced = {space: dict(held) for space, held in copy.synced.items()}
        self.incarnation, self.counter, self.stopped_cleanly = copy.incarnation, copy.counter, copy.stopped_cleanly
        self.store, self.starts = copy.store, copy.starts
        self.on_replaced(self.node)

    def wipe(self) -> None:
        """An empty disk. No life may be running on it."""
        self.put_back(PlatterCopy({space: {} for space in Keyspace}))


class SimulatedStorage:
    """The Storage port of one life of a node."""

    def __init__(self, world: World, life: Life, platter: Platter) -> None:
        self._world = world
        self._life = life
        self._platter = platter
        self._dice: Random = world.stream("disk", life.node, life.number)
        self._committed: Maps = {space: dict(platter.synced[space]) for space in Keyspace}
        self._latest: Maps = {space: dict(platter.synced[space]) for space in Keyspace}
        self._keys: dict[Keyspace, list[bytes]] = {space: sorted(platter.synced[space]) for space in Keyspace}
        self._queue: list[_Batch] = []
        self._group: list[_Batch] = []
        self._unsynced: list[Change] = []
        self._syncing = False
        self._is_committed = False
        """Whether the group has been committed, and is only to be reported."""
        self._refuses = False
        self.on_broken: Callable[[], None] = _nothing
        """Called when a sync has failed; the node is to end."""

    # -- the port --------------------------------------------------------------------------------------------------

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        return self._committed[space].get(key)

    def latest(self, space: Keyspace, key: bytes) -> bytes | None:
        return self._latest[space].get(key)

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        keys, found = self._keys[space], self._committed[space]
        first = bisect_left(keys, start)
        beyond = len(keys) if end is None else bisect_left(keys, end)
        return [(key, found[key]) for key in keys[first : min(beyond, first + limit)]]

    def write(self, changes: Sequence[Change], durable: bool, done: Done) -> None:  # noqa: FBT001  # the port's order
        if not self._life.alive:
            return
        batch = _Batch(tuple(changes), durable, done)
        if self._refuses:
            self._world.after(0.0, self._life.do, self._tell, batch, _refusal())
            return
        for space, key, value in batch.changes:
            _apply(self._latest[space], key, value)
        self._queue.append(batch)
        if not self._group:
            self._begin()

    def sizes(self) -> StorageSizes:
        used = sum(len(key) + len(value) for space in self._committed.values() for key, value in space.items())
        return StorageSizes(len(self._committed[Keyspace.RECORDS]), used, MAP_BYTES)

    def queued_bytes(self) -> int:
        waiting = (change for batch in (*self._group, *self._queue) for change in batch.changes)
        return sum(len(key) + len(value or b"") for _, key, value in waiting)

    # -- the writer ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Take all that waits as one group."""
        self._group, self._queue = self._queue, []
        self._is_committed = False
        habits = self._platter.habits
        delay_s = habits.sync_s * self._dice.uniform(0.5, 2.0)
        if self._dice.random() < habits.stall:
            delay_s += self._dice.uniform(0.0, habits.stall_s)
        self._syncing = any(batch.durable for batch in self._group)
        self._world.after(delay_s, self._life.do, self._commit)

    def _commit(self) -> None:
        """The group is on disk (or refused). Readers see it a moment before its writers hear of it."""
        if self._platter.habits.broken and any(batch.changes for batch in self._group):
            self._break()
            return
        if self._platter.habits.full and any(batch.changes for batch in self._group):
            self._world.after(self._dice.uniform(0.0, 0.001), self._life.do, self._report_full)
            return
        for batch in self._group:
            for space, key, value in batch.changes:
                self._show(space, key, value)
            self._unsynced.extend(batch.changes)
        self._is_committed = True
        if self._syncing:
            self._sync()
        self._world.note(f"{self._life.node} commits {len(self._group)}{' synced' if self._syncing else ''}")
        self._world.after(self._dice.uniform(0.0, 0.001), self._life.do, self._report)

    def _report(self) -> None:
        group, self._group = self._group, []
        if self._queue:
            self._begin()
        for batch in group:
            self._tell(batch, None)

    def _report_full(self) -> None:
        failed = self._group + self._queue
        self._group, self._queue = [], []
        self._latest = {space: dict(self._committed[space]) for space in Keyspace}
        self._world.note(f"{self._life.node} has no room for {len(failed)}")
        for batch in failed:
            self._tell(batch, StorageFull("the simulated disk is full; nothing was written"))

    def _tell(self, batch: _Batch, error: DynamoError | None) -> None:
        """A waiter that raises is a bug of its own, and keeps no other from being told."""
        if not self._life.alive:
            return
        try:
            batch.done(error)
        except Exception as problem:  # noqa: BLE001  # reported, and held against the run
            self._world.loop.call_exception_handler({"message": "a waiter raised", "exception": problem})

    def _break(self) -> None:
        """The sync has failed: the group may be on the disk, or not. A later start finds out."""
        self.crash()
        self._refuses = True
        failed = self._group + self._queue
        self._group, self._queue = [], []
        self._latest = {space: dict(self._committed[space]) for space in Keyspace}
        self._world.note(f"{self._life.node} can no longer trust its disk")
        self.on_broken()
        for batch in failed:
            self._tell(batch, _refusal())

    def _show(self, space: Keyspace, key: bytes, value: bytes | None) -> None:
        known = self._committed[space]
        if value is not None and key not in known:
            insort(self._keys[space], key)
        elif value is None and key in known:
            del self._keys[space][bisect_left(self._keys[space], key)]
        _apply(known, key, value)

    def _sync(self) -> None:
        for space, key, value in self._unsynced:
            _apply(self._platter.synced[space], key, value)
            self._platter.on_synced(self._platter.node, space, key, value)
        self._unsynced.clear()

    # -- faults ----------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Power is gone. A group that was being written may have reached the disk, all of it or nothing."""
        if self._group and not self._refuses and not self._platter.habits.full and self._dice.random() < 0.5:
            if not self._is_committed:
                self._unsynced.extend(change for batch in self._group for change in batch.changes)
            self._sync()

    def rot(self, space: Keyspace, dice: Random) -> bytes | None:
        """Flip one bit in some value that lies on the disk, unnoticed; the key, or None if there was nothing to harm.

        The store shows the damage at once, as a mapped file does. What is about to be written over is spared, since
        nobody could tell such damage from none.
        """
        known, synced = self._committed[space], self._platter.synced[space]
        at_rest = [k for k in self._keys[space] if synced.get(k) == known[k] == self._latest[space].get(k) and known[k]]
        if not at_rest:
            return None
        key = dice.choice(at_rest)
        sound = known[key]
        harmed = _flipped(sound, dice.randrange(8 * len(sound)))
        for layer in (known, synced, self._latest[space]):
            layer[key] = harmed
        self._platter.harmed.append((self._world.now(), space, key, sound))
        self._world.note(f"{self._life.node} has a flipped bit under {key.hex()}")
        return key

    @property
    def idle(self) -> bool:
        """Nothing is being written and nothing waits."""
        return not self._group and not self._queue


class SimulatedIdentity:
    """The Identity port of one life: another incarnation after every end that was not clean."""

    def __init__(self, world: World, life: Life, platter: Platter) -> None:
        self._platter = platter
        self._life = life
        self._dice = world.stream("identity", life.node, life.number)
        self.run = self._dice.randbytes(4).hex()
        platter.store = platter.store or self._dice.randbytes(8).hex()
        platter.starts += 1
        keeps = platter.stopped_cleanly or not platter.habits.forgets_incarnation
        platter.stopped_cleanly = False
        if not platter.incarnation or not keeps:
            self._take_another()

    @property
    def incarnation(self) -> str:
        return self._platter.incarnation

    @property
    def counter(self) -> int:
        return self._platter.counter

    @property
    def store(self) -> str:
        return self._platter.store

    @property
    def starts(self) -> int:
        return self._platter.starts

    def renew(self) -> None:
        if self._platter.habits.full:
            raise StorageFull("the simulated disk is full; the incarnation could not be renewed")
        if self._life.alive:
            self._take_another()

    def close(self, counter: int) -> None:
        if self._life.alive:
            self._platter.counter = counter
            self._platter.stopped_cleanly = True

    def _take_another(self) -> None:
        self._platter.incarnation = self._dice.randbytes(4).hex()
        self._platter.counter = 0


def _refusal() -> StorageRefused:
    return StorageRefused("the simulated disk failed to sync; what it holds is not known")


def _nothing() -> None:
    pass


def _replaced(node: str) -> None:
    pass


def _unseen(node: str, space: Keyspace, key: bytes, value: bytes | None) -> None:
    pass


def _flipped(data: bytes, bit: int) -> bytes:
    harmed = bytearray(data)
    harmed[bit // 8] ^= 1 << (bit % 8)
    return bytes(harmed)


def _apply(space: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        space.pop(key, None)
    else:
        space[key] = value
