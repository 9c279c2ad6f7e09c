"""From the log into LMDB: one synced transaction for many groups, and the mark that says how far LMDB has come.

The mark lies in a tree of its own, beside the keyspaces, and changes in the transaction that makes it true. A
transaction begins by looking at it. So work that is done twice, by a process that was killed in between, is done once;
and whoever outlives its node finds that the next one has gone on, and changes nothing.

Never unsynced: a header that reaches the disk before its pages would make a corrupt file, which no log repairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

import lmdb
import msgspec

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.frame import Frame, changes_of
from dynamo.storage.group import Changes

if TYPE_CHECKING:
    from lmdb import _Database as Tree

MARK_TREE = b"log"
_KEY = b"mark"
_key_of = itemgetter(0)


class Mark(msgspec.Struct, frozen=True):
    """How far LMDB has come. Its fields by name are part of the disk format."""

    log: int = 0
    """Which log goes on behind it; 0: none, LMDB has everything."""
    applied: int = 0
    """Number of the last group that LMDB has."""


class Outrun(Exception):
    """LMDB is at another point of the log than was expected: somebody else has taken over."""


def open_trees(environment: lmdb.Environment, transaction: lmdb.Transaction[bytes]) -> dict[Keyspace, Tree]:
    """The trees of all keyspaces, made if missing."""
    return {space: environment.open_db(space.value.encode(), transaction) for space in Keyspace}


def put_all(
    transaction: lmdb.Transaction[bytes],
    trees: Mapping[Keyspace, Tree],
    changes: Mapping[Keyspace, Mapping[bytes, bytes | None]],
) -> None:
    """Change all of these in a transaction, in key order: so a page is touched once and not again later, and a cursor
    that stands on the page of the next key finds it without going down the tree.
    """
    for space, pairs in changes.items():
        tree = trees[space]
        kept = [(key, value) for key, value in pairs.items() if value is not None]
        if len(kept) < len(pairs):
            for key in sorted(key for key, value in pairs.items() if value is None):
                transaction.delete(key, b"", tree)
        with transaction.cursor(tree) as cursor:
            cursor.putmulti(sorted(kept, key=_key_of))


def mark_in(transaction: lmdb.Transaction[bytes], tree: Tree) -> Mark:
    """The mark as a transaction sees it."""
    data = transaction.get(_KEY, None, tree)
    return Mark() if data is None else msgspec.msgpack.decode(data, type=Mark)


def set_mark(transaction: lmdb.Transaction[bytes], tree: Tree, mark: Mark) -> None:
    """Put the mark."""
    transaction.put(_KEY, msgspec.msgpack.encode(mark), True, True, False, tree)


def apply(
    environment: lmdb.Environment,
    trees: Mapping[Keyspace, Tree],
    tree: Tree,
    changes: Changes,
    before: Mark,
    after: Mark,
) -> None:
    """Take LMDB from one mark to another. On disk when this returns. Raises Outrun, lmdb.Error."""
    with environment.begin(write=True) as transaction:
        found = mark_in(transaction, tree)
        if found not in (before, after):
            raise Outrun(f"LMDB is at {found}, not at {before}")
        if found != after:
            put_all(transaction, trees, changes)
            set_mark(transaction, tree, after)


def together(frames: Iterable[Frame]) -> Changes:
    """What all of these come to, the last change of each key."""
    changes: Changes = {space: {} for space in Keyspace}
    for frame in frames:
        for space, pairs in changes_of(frame).items():
            changes[space].update(pairs)
    return changes
