"""Opening a node's store, in the order that makes a refused start harmless: look first, change after.

Lock the directory, read the identity file and compare it with the configuration, look at the data file's header, open
the engine, and only then settle the identity, which is on disk before the store is handed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from dynamo.config import Config
from dynamo.errors import DynamoError
from dynamo.ring.ring import Ring
from dynamo.storage import identity, recovery, set_aside
from dynamo.storage.directory import DataDirectory
from dynamo.storage.engine import LmdbStorage
from dynamo.storage.environment import ENGINE, Environment
from dynamo.storage.group_commit import GroupCommit
from dynamo.storage.header import Damaged
from dynamo.storage.log import Log
from dynamo.storage.log_engine import LogStorage
from dynamo.storage.recovery import Past
from dynamo.storage.segment import Folder


def open_store(
    config: Config,
    ring: Ring,
    loop: asyncio.AbstractEventLoop,
    on_fatal: Callable[[DynamoError], None],
    on_commit: Callable[[float, int], None] | None = None,
) -> tuple[GroupCommit, identity.NodeIdentity]:
    """The store and the identity of the node in `config`. Raises StorageRefused or StorageFull.

    `on_fatal` is called on the loop when the disk cannot be trusted any more; the process should end then. `on_commit`
    as in GroupCommit. To stop cleanly: end all writing, `identity.close(counter)`, `await storage.close()`.
    """
    directory = DataDirectory(Path(config.node.data_dir))
    try:
        opened = _Opening(directory, config, ring)
    except BaseException:
        directory.release()
        raise
    environment, log = opened.environment, opened.log
    storage = (
        LmdbStorage(environment, loop, on_fatal, on_commit)
        if log is None
        else LogStorage(environment, log, loop, on_fatal, on_commit, kernel_syncs=not log.lazy)
    )
    opened.settles = storage.settle
    return storage, opened.identity


class _Opening:
    """The parts of a store, opened one after the other. Gives up what it has opened if one cannot be."""

    def __init__(self, directory: DataDirectory, config: Config, ring: Ring) -> None:
        self.settles: Callable[[], int]
        expected = identity.Expected(
            cluster=config.cluster.name,
            node=config.node.id,
            engine=ENGINE,
            epoch=ring.epoch,
            placement=identity.placement_digest(ring),
        )
        known = identity.load(directory)
        if known is not None:
            identity.check(known, expected, directory)
        section = config.storage
        folder, lazy = Folder(directory.store), section.durability == "async"
        moves = identity.moves(known, expected)
        try:
            self.environment, past = set_aside.opened(
                directory,
                set_aside.REFUSE if moves else section.on_damage,
                lambda: _looked_at(directory, folder, section.map_size_bytes, lazy=lazy and section.engine != "log"),
            )
        except Damaged:
            # What is damaged has held data: setting it aside would make an empty store of it, which may move.
            identity.refuse_moving(known, expected, directory)
            raise
        try:
            self.identity = identity.settle(
                directory,
                known,
                expected,
                store_version=self._settled,
                opened_version=self.environment.opened_version,
                store_is_empty=self.environment.empty and not past.frames,
                replays=bool(past.frames),
                logs=section.engine == "log" or bool(past.mark.log),
            )
            mark = recovery.replay(self.environment, folder, past)
            self.log: Log | None = None
            if section.engine == "log":
                self.log = recovery.begin(self.environment, folder, mark, lazy=lazy)
            else:
                recovery.forget(self.environment, folder, mark)
        except BaseException:
            self.environment.close()
            raise

    def _settled(self) -> int:
        return self.settles()


def _looked_at(directory: DataDirectory, folder: Folder, map_bytes: int, *, lazy: bool) -> tuple[Environment, Past]:
    environment = Environment(directory, map_bytes, lazy=lazy)
    try:
        return environment, recovery.look(environment, folder)
    except BaseException:
        environment.shut()
        raise
