"""What lies in a store, read from outside: of a stopped node, or beside a running one. Changes nothing.

LMDB lets other processes look, and the log lies in files. While a node runs, its segments can be used again between the
look at LMDB and the look at the log; then groups seem to be missing, and both are looked at once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.applying import MARK_TREE, Mark, mark_in, together
from dynamo.storage.environment import ENGINE_MAJOR
from dynamo.storage.replay import plan
from dynamo.storage.segment import Folder

if TYPE_CHECKING:
    from lmdb import _Database as Tree

ATTEMPTS = 20
Content = dict[Keyspace, dict[bytes, bytes]]


def content(data: Path) -> Content:
    """All that the store in a data directory holds, by keyspace; nothing where there is no store yet.

    Raises StorageRefused if the log has damage.
    """
    store = data / "store"
    if not (store / "data.mdb").exists():
        return {space: {} for space in Keyspace}
    damage: str | None = None
    for _ in range(ATTEMPTS):
        found, mark = _in_lmdb(store)
        if not mark.log:
            return found
        try:
            ahead = plan(Folder(store).segments(mark.log), mark.applied)
        except FileNotFoundError:
            continue  # A segment that LMDB had all of was removed meanwhile.
        damage = ahead.damage
        if damage is None and _in_lmdb(store)[1] == mark:
            for space, pairs in together(ahead.frames).items():
                changed = found[space] | pairs
                found[space] = {key: value for key, value in changed.items() if value is not None}
            return found
    raise StorageRefused(f"the store in {data} cannot be read from outside: {damage or 'it changes too fast'}")


def _in_lmdb(store: Path) -> tuple[Content, Mark]:
    # Opened anew each time: an environment that stays open would take part in how the node recovers after a kill.
    environment = lmdb.open(
        str(store), readonly=True, max_dbs=2 * len(Keyspace), readahead=False, lib_version=ENGINE_MAJOR
    )
    try:
        trees = {space: _tree(environment, space.value.encode()) for space in Keyspace}
        marks = _tree(environment, MARK_TREE)
        with environment.begin() as transaction:
            found = {space: {} if tree is None else dict(transaction.cursor(tree)) for space, tree in trees.items()}
            return found, Mark() if marks is None else mark_in(transaction, marks)
    finally:
        environment.close()


def _tree(environment: lmdb.Environment, name: bytes) -> Tree | None:
    try:
        return environment.open_db(name, create=False)
    except lmdb.NotFoundError:
        return None
