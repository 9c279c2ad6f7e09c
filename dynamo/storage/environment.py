"""The LMDB environment of a node: opened with the settings that crash safety rests on, read and committed to.

Settings, with their reasons (LMDB 0.9, `mdb_env_open`):
- `sync` always on. Without it a power cut may keep a header and lose the pages it points to: a corrupt file, not just a
  lost write.
- `metasync` off in lazy mode only. Pages are then still synced before the header that names them is written, so the
  file stays consistent; but the header may be lost with the power, and with it the last transaction.
- `writemap` off: a stray write of the process must not reach the file, and a full disk must be an error, not a signal.
- `readahead` off: keys are hashed over the partitions, so the neighbours of a cold page are not wanted.
- `lock` on: offline tools (`python -m lmdb`) may look at a running store.
- engine 0.9 by name: the file formats of LMDB 0.9 and 1.0 differ, and the default can be changed from outside.

A share of the map is kept free of growth. LMDB changes copies of pages, so it needs free ones even to remove a key, and
those that a transaction gives up can only be reused by the next but one: a map filled to the last page would be stuck.

A page that cannot be read from the device ends the process by a signal, as with any mapped file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import lmdb

from dynamo.errors import CorruptValue, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import StorageSizes
from dynamo.storage import header, judging
from dynamo.storage.applying import MARK_TREE, Mark, apply, mark_in, open_trees, put_all
from dynamo.storage.directory import NO_ROOM, DataDirectory, sync_directory
from dynamo.storage.group import Changes
from dynamo.storage.judging import DAMAGE, code
from dynamo.storage.set_aside import suspect
from dynamo.telemetry.logs import Log

log = Log("storage")

ENGINE = "lmdb-0.9"
"""Recorded in the identity file. Part of the disk format."""
ENGINE_MAJOR = 0
_READERS_MAX = 64
"""This process holds one; the rest is for offline tools."""
_RESERVE_SHARE = 16
"""One in so many parts of the map is reserved."""
_RESERVE_BYTES_MIN = 256 * 2**10
_RESERVE_BYTES_MAX = 64 * 2**20

_DAMAGE_AT_OPEN = (*DAMAGE, lmdb.InvalidError, lmdb.IncompatibleError, lmdb.BadTxnError)


class Environment:
    """Opened by the constructor, which keeps the data directory locked. Raises StorageRefused or StorageFull.

    `commit`, `sync` and `lost_writes` belong to one thread, everything else to another one.
    """

    def __init__(self, directory: DataDirectory, map_bytes: int, *, lazy: bool) -> None:
        assert directory.locked, "a store is opened by the owner of its directory"
        self.directory = directory
        self.lazy = lazy
        self._suspect = False
        file = directory.store / "data.mdb"
        header.check(file)
        try:
            self._lmdb = engine(directory.store, map_bytes, lazy=lazy)
            try:
                self._prepare(file)
            except BaseException:
                self._lmdb.close()
                raise
        except (lmdb.Error, OSError) as problem:
            if code(problem) in NO_ROOM:
                raise StorageFull(f"the store in {directory.path} cannot be opened: free disk space") from problem
            if isinstance(problem, _DAMAGE_AT_OPEN):
                raise header.Damaged(file, str(problem)) from problem
            raise header.unreadable(file, str(problem)) from problem

    def _prepare(self, file: Path) -> None:
        self.opened_version = self.version
        with self._lmdb.begin(write=True) as transaction:
            self._trees = open_trees(self._lmdb, transaction)
            self._mark_tree = self._lmdb.open_db(MARK_TREE, transaction)
        self._lmdb.reader_check()
        self.map_bytes = self._lmdb.info()["map_size"]
        self.reserve_bytes = min(_RESERVE_BYTES_MAX, max(_RESERVE_BYTES_MIN, self.map_bytes // _RESERVE_SHARE))
        self._snapshot = self._lmdb.begin()
        self._get = self._snapshot.get
        self.sizes = self._measured(self._snapshot)
        """As of the last commit. Pages of all trees: those free for reuse do not count, nor the few that list them."""
        self.empty = all(self._snapshot.stat(tree)["entries"] == 0 for tree in self._trees.values())
        """Whether no keyspace held any key when the store was opened."""
        # The engine syncs what is in its file, never the file's name.
        sync_directory(self.directory.store)
        sync_directory(self.directory.path)
        self._probe_fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)

    # --- reading

    def refresh(self) -> None:
        """Let reads see what is committed by now. Until the next call they see exactly this state."""
        self._snapshot.abort()
        self._snapshot = self._lmdb.begin()
        self._get = self._snapshot.get

    def measure(self) -> None:
        """Bring `sizes` up to what reads see, after another process has committed."""
        self.sizes = self._measured(self._snapshot)

    def get(self, space: Keyspace, key: bytes) -> bytes | None:
        """The value of a key. Raises CorruptValue if the page that should hold it is damaged."""
        try:
            return self._get(key, None, self._trees[space])
        except DAMAGE as problem:
            raise self._damaged(space, problem) from problem

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in key order, at most `limit`. Raises CorruptValue."""
        found: list[tuple[bytes, bytes]] = []
        if limit <= 0:
            return found
        try:
            with self._snapshot.cursor(self._trees[space]) as cursor:
                if not cursor.set_range(start):
                    return found
                for pair in cursor.iternext():
                    if end is not None and pair[0] >= end:
                        break
                    found.append(pair)
                    if len(found) == limit:
                        break
        except DAMAGE as problem:
            raise self._damaged(space, problem) from problem
        return found

    def _damaged(self, space: Keyspace, problem: lmdb.Error) -> CorruptValue:
        # The engine gives up a snapshot that met damage. The new one may show a commit that is about to be reported.
        self.refresh()
        if not self._suspect:
            self._suspect = True
            suspect(self.directory.store, str(problem))
            log.error(
                "a page of the store is damaged",
                keyspace=space.value,
                problem=str(problem),
                advice='requests that need it go to other replicas; restart with storage.on_damage = "set-aside"',
            )
        return CorruptValue(
            f"a page of {space.value} cannot be read: {problem}. Other replicas answer for it; restart this node with "
            'storage.on_damage = "set-aside" to have it filled by them'
        )

    @property
    def version(self) -> int:
        """Number of the last committed transaction: equal versions of one store are equal stores."""
        return self._lmdb.info()["last_txnid"]

    # --- writing, by the writer's thread

    def commit(self, changes: Mapping[Keyspace, Mapping[bytes, bytes | None]]) -> None:
        """Apply all changes or none. On disk when this returns; in lazy mode only after `sync`. Raises lmdb.Error.

        Changes that make the store larger end with MapFullError before they touch the reserve.
        """
        with self._lmdb.begin(write=True) as transaction:
            put_all(transaction, self._trees, changes)
            sizes = self._measured(transaction)
            if sizes.used_bytes > max(self.map_bytes - self.reserve_bytes, self.sizes.used_bytes):
                raise lmdb.MapFullError("what is left of the map is reserved for removals")
        self.sizes = sizes

    def _measured(self, transaction: lmdb.Transaction[bytes]) -> StorageSizes:
        stats = {space: transaction.stat(tree) for space, tree in self._trees.items()}
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats.values())
        records = stats[Keyspace.RECORDS]
        return StorageSizes(records["entries"], pages * records["psize"], self.map_bytes)

    def sync(self) -> None:
        """Make everything committed durable. Raises lmdb.Error."""
        self._lmdb.sync(True)

    def excused(self, problem: Exception) -> StorageFull | None:
        """As `judging.excused`, of this environment."""
        return judging.excused(problem, self.directory.path, self.lost_writes)

    def given_up(self, problem: Exception) -> StorageRefused:
        """What every later write is answered after an error that is not excused."""
        if isinstance(problem, DAMAGE):
            suspect(self.directory.store, str(problem))
        return judging.given_up(problem, self.directory.path)

    def lost_writes(self) -> bool:
        """Whether a sync failed: see `judging.lost_writes`."""
        return judging.lost_writes(self._lmdb, self._probe_fd)

    # --- the log in front of it

    @property
    def mark(self) -> Mark:
        """How far LMDB has come in the log."""
        with self._lmdb.begin() as transaction:
            return mark_in(transaction, self._mark_tree)

    def advance(self, changes: Changes, before: Mark, after: Mark) -> None:
        """Take over what the log has, or note that another log begins. On disk when this returns, in any mode.

        Raises applying.Outrun, lmdb.Error.
        """
        apply(self._lmdb, self._trees, self._mark_tree, changes, before, after)
        if self.lazy:
            self.sync()

    def shut(self) -> None:
        """Give up the files, and keep the directory. No call may follow."""
        self._snapshot.abort()
        self._lmdb.close()
        os.close(self._probe_fd)

    def close(self) -> None:
        """Give up the files and the directory. No call may follow but this one."""
        if self.directory.locked:
            self.shut()
            self.directory.release()


def engine(store: Path, map_bytes: int, *, lazy: bool) -> lmdb.Environment:
    """LMDB with the settings above; makes the folder if it is missing. Raises lmdb.Error."""
    return lmdb.open(
        str(store),
        map_size=map_bytes,
        mode=0o700,
        metasync=not lazy,
        readahead=False,
        max_readers=_READERS_MAX,
        max_dbs=2 * len(Keyspace),
        max_spare_txns=1,
        lib_version=ENGINE_MAJOR,
    )
