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
from dynamo.storage import identity, set_aside
from dynamo.storage.directory import DataDirectory
from dynamo.storage.engine import LmdbStorage
from dynamo.storage.environment import ENGINE, Environment


def open_store(
    config: Config,
    ring: Ring,
    loop: asyncio.AbstractEventLoop,
    on_fatal: Callable[[DynamoError], None],
    on_commit: Callable[[float, int], None] | None = None,
) -> tuple[LmdbStorage, identity.NodeIdentity]:
    """The store and the identity of the node in `config`. Raises StorageRefused or StorageFull.

    `on_fatal` is called on the loop when the disk cannot be trusted any more; the process should end then. `on_commit`
    as in LmdbStorage. To stop cleanly: end all writing, `identity.close(counter)`, `await storage.close()`.
    """
    directory = DataDirectory(Path(config.node.data_dir))
    try:
        environment, who = _opened(directory, config, ring)
    except BaseException:
        directory.release()
        raise
    return LmdbStorage(environment, loop, on_fatal, on_commit), who


def _opened(directory: DataDirectory, config: Config, ring: Ring) -> tuple[Environment, identity.NodeIdentity]:
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
    environment = set_aside.opened(
        directory,
        section.on_damage,
        lambda: Environment(directory, section.map_size_bytes, lazy=section.durability == "async"),
    )
    try:
        who = identity.settle(
            directory,
            known,
            expected,
            store_version=lambda: environment.version,
            opened_version=environment.opened_version,
            store_is_empty=environment.empty,
        )
    except BaseException:
        environment.close()
        raise
    return environment, who
