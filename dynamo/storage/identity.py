"""Who this node is: the file `identity.toml` in its data directory, and when it must take another name.

The actor of a dot is the node's id with its incarnation. Going on under an incarnation is safe only if the store
remembers every dot that was minted under it (see `versioning/clock.py`), that is, after a clean stop of this very
store. So the file says whether the last stop was clean, and the store's transaction number at that moment; a store that
crashed, was wiped, or was put back from another time, gets a new incarnation. That is always safe; it costs an entry in
the clocks of the keys written later.

    file      store                           the node
    missing   empty                           is new
    missing   not empty                       refuses: whose data these are, and which dots they hold, is not known
    there     empty                           takes a new incarnation
    there     after a crash                   takes a new incarnation
    there     clean, earlier transaction      refuses: it was put back from an older copy, without this file
    there     clean, later transaction        takes a new incarnation
    there     clean, same transaction         goes on after its last counter
    there     clean, with a log behind it     takes a new incarnation: something was written after that stop

A file of another cluster, node, engine or format is refused, and so is an older epoch. Another assignment of partitions
is refused under the same epoch, and under a later one unless the store is empty: nothing moves the data, so they would
be looked for where they are not, and a replica that never saw a linearizable key would vote on it. The file is marked
unclean, on disk, before the first dot.

A copy of the whole directory cannot be told from here, since its file is a copy, too. So the file numbers the starts of
the store, which has a name of its own, and the other nodes remember the highest number that they were shown
(`membership/store_ages.py`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator

import msgspec
from xxhash import xxh3_64_hexdigest

from dynamo.errors import StorageRefused
from dynamo.ring.ring import Ring
from dynamo.storage.directory import DataDirectory

FILE = "identity.toml"
FORMAT = 1
LOG = "+log-1"
"""Behind the engine's name while what was acknowledged may lie in a log: whoever knows none must not open the store."""
_START_EMPTY = "start with an empty one, which the other nodes fill"
WHAT_TO_DO = (
    "An older copy must not take part: it would bring back what was deleted since. Move the data directory away and "
    + _START_EMPTY
)
_COMMENT = "# Written by the node. Not to be edited, nor copied to another node.\n"


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says and the file must agree with."""

    cluster: str
    node: str
    engine: str
    epoch: int
    placement: str
    """Of `placement_digest`."""


class IdentityRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's content."""

    format: int
    cluster: str
    node: str
    engine: str
    epoch: int
    placement: str
    incarnation: str
    counter: int
    """Last counter minted under the incarnation; counts only if the stop was clean."""
    clean: bool
    store_version: int
    """Transaction number of the store at the clean stop."""
    store: str = ""
    """Sixteen hex digits, drawn with the store; empty in files of versions that had none."""
    starts: int = 0
    """How often a node has started on this store."""


def placement_digest(ring: Ring) -> str:
    """Equal for rings that keep every partition on the same nodes. Addresses and weights may differ.

    Nodes without a host label are digested as before there were labels: stores of that time start as they are.
    """
    members = [(m.id, m.zone, m.host_label) if m.host_label else (m.id, m.zone) for m in ring.members]
    return xxh3_64_hexdigest(msgspec.msgpack.encode((members, ring.owners)))


def load(directory: DataDirectory) -> IdentityRecord | None:
    """The file's content, None if there is no file. Raises StorageRefused if it cannot be read."""
    path = directory.path / FILE
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        if tree.get("format") == FORMAT:
            return msgspec.convert(tree, IdentityRecord)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.ValidationError) as problem:
        raise StorageRefused(
            f"{path} is damaged ({problem}): put back all of the data directory, from one copy made since its last "
            f"start, or {_START_EMPTY}"
        ) from problem
    raise StorageRefused(f"{path} has format {tree.get('format')!r}, this version knows {FORMAT}: use a later version")


def check(known: IdentityRecord, expected: Expected, directory: DataDirectory) -> None:
    """Compare what the file says with what the configuration says. Raises StorageRefused."""
    for problem in _contradictions(known, expected):
        raise StorageRefused(f"the data directory {directory.path} {problem}")


def _contradictions(known: IdentityRecord, expected: Expected) -> Iterator[str]:
    if known.cluster != expected.cluster:
        yield (
            f"belongs to cluster {known.cluster!r}, not {expected.cluster!r}: correct cluster.name, or set "
            "node.data_dir to another place"
        )
    if known.node != expected.node:
        yield (
            f"belongs to node {known.node!r}, not {expected.node!r}: correct node.id, or set node.data_dir to "
            "another place"
        )
    if known.engine not in (expected.engine, expected.engine + LOG):
        yield f"was written by engine {known.engine!r}, and this version uses {expected.engine!r}"
    if known.epoch > expected.epoch:
        yield (
            f"has run with epoch {known.epoch} of the topology, and the configuration has the older {expected.epoch}: "
            "take over the [cluster] section of the other nodes"
        )
    if known.epoch == expected.epoch and moves(known, expected):
        yield _other_placement(known)


def moves(known: IdentityRecord | None, expected: Expected) -> bool:
    """Whether the configuration keeps partitions on other nodes than the store was written under."""
    return known is not None and known.placement != expected.placement


def refuse_moving(known: IdentityRecord | None, expected: Expected, directory: DataDirectory) -> None:
    """For a store with data: no epoch makes up for data that nobody has moved. Raises StorageRefused."""
    if known is not None and moves(known, expected):
        raise StorageRefused(f"the data directory {directory.path} {_other_placement(known)}")


def _other_placement(known: IdentityRecord) -> str:
    return (
        f"has run with other members, zones, host labels, weights or partitions (epoch {known.epoch}): the members of "
        "a cluster with data cannot be changed yet, whatever the epoch, as nothing would move the data. Take back the "
        "change of the [cluster] section. To have other members, write every bucket out of the cluster as it was with "
        "`dynamo kv export`, and into a new one, which begins with empty data directories, with `dynamo kv import`; if "
        "nothing is to be kept, move the data directories of all its nodes away"
    )


def _reason_for_new(known: IdentityRecord, store_version: int, store_is_empty: bool, replays: bool) -> str | None:  # noqa: FBT001 - facts
    """Why the incarnation of the file must not go on; None if it may."""
    if store_is_empty:
        return "the store is empty"
    if not known.clean:
        return "the last stop was not clean"
    if known.store_version != store_version or replays:
        return "the store is not the one of the last stop"
    return None


class NodeIdentity:
    """`ports.Identity`. Made by `settle`."""

    __slots__ = ("_directory", "_record", "_store_version", "reason", "run")

    def __init__(
        self, directory: DataDirectory, record: IdentityRecord, store_version: Callable[[], int], reason: str
    ) -> None:
        self._directory = directory
        self._record = record
        self._store_version = store_version
        self.reason = reason
        """For the log: why the node has this incarnation."""
        self.run = _fresh()
        self._save()

    @property
    def incarnation(self) -> str:
        return self._record.incarnation

    @property
    def counter(self) -> int:
        return self._record.counter

    @property
    def store(self) -> str:
        return self._record.store

    @property
    def starts(self) -> int:
        return self._record.starts

    def renew(self) -> None:
        """Take another incarnation, on disk before this returns. Raises StorageRefused or StorageFull."""
        assert not self._record.clean, "a closed identity is not used any more"
        former, self._record = self._record, _replaced(self._record, incarnation=_fresh(), counter=0)
        try:
            self._save()
        except Exception:
            self._record = former
            raise
        self.reason = "it was renewed while running"

    def close(self, counter: int) -> None:
        """Record a clean stop, while the store is still open but nothing is written any more.

        Whatever is written afterwards costs the next run a new incarnation. Raises StorageRefused or StorageFull: then
        the next start takes a new incarnation, too.
        """
        assert self._directory.locked, "the identity is closed before the store"
        assert not self._record.clean, "an identity is closed once"
        assert counter >= self._record.counter, "counters only grow"
        version = self._store_version()
        engine = self._record.engine.removesuffix(LOG)
        self._record = _replaced(self._record, clean=True, counter=counter, store_version=version, engine=engine)
        self._save()

    def _save(self) -> None:
        self._directory.replace(FILE, _COMMENT + "".join(_lines(self._record)))


def settle(
    directory: DataDirectory,
    known: IdentityRecord | None,
    expected: Expected,
    *,
    store_version: Callable[[], int],
    opened_version: int,
    store_is_empty: bool,
    replays: bool = False,
    logs: bool = False,
) -> NodeIdentity:
    """The identity by the table above, marked unclean on disk when this returns. Raises StorageRefused, StorageFull.

    `opened_version` is LMDB's; `replays` says that a log goes on behind it, which is a later transaction. `logs`: the
    store has a log, from now until it is closed.
    """
    if known is None and not store_is_empty:
        raise StorageRefused(
            f"the data directory {directory.path} has data but no {FILE}: put back the file from the same copy as the "
            f"store, or move the directory away and {_START_EMPTY}"
        )
    if not store_is_empty:
        refuse_moving(known, expected, directory)
    if known is not None and known.clean and not store_is_empty and opened_version < known.store_version:
        raise StorageRefused(
            f"the store in {directory.path} is older than its last stop ({opened_version} transactions, there were "
            f"{known.store_version}): it was put back from a copy. {WHAT_TO_DO}"
        )
    reason = "the node is new" if known is None else _reason_for_new(known, opened_version, store_is_empty, replays)
    goes_on = known is not None and reason is None
    keeps_store = known is not None and not store_is_empty
    record = IdentityRecord(
        format=FORMAT,
        **msgspec.structs.asdict(msgspec.structs.replace(expected, engine=expected.engine + LOG * logs)),
        incarnation=known.incarnation if known and goes_on else _fresh(),
        counter=known.counter if known and goes_on else 0,
        clean=False,
        store_version=0,
        store=(known.store if known and keeps_store else "") or os.urandom(8).hex(),
        starts=(known.starts if known and keeps_store else 0) + 1,
    )
    return NodeIdentity(directory, record, store_version, reason or "the last stop was clean")


def _fresh() -> str:
    return os.urandom(4).hex()


def _replaced(record: IdentityRecord, **fields: object) -> IdentityRecord:
    return msgspec.structs.replace(record, **fields)


def _lines(record: IdentityRecord) -> Iterator[str]:
    for name, value in msgspec.structs.asdict(record).items():
        yield f"{name} = {_toml(value)}\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str)
    # A JSON string is a TOML string, but for one control character.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
