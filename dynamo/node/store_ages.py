"""This node's memory of the stores of the others, and the age of its own: kept in META, so that it survives a restart.

A peer's age is judged when it connects, and noted if there is no objection. The note is not awaited: if this node
crashes before it is on disk, the others have theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.errors import CorruptValue
from dynamo.layout import note
from dynamo.layout.keyspaces import Keyspace
from dynamo.membership.store_ages import StoreAges
from dynamo.ports import Identity, Storage
from dynamo.protocol.messages import StoreAge
from dynamo.telemetry.logs import Log

log = Log("node")

_PREFIX = b"store-age/"
_REAPS = b"store-reaps"
_PAGE = 1000
_decoder = msgspec.msgpack.Decoder(list[StoreAge])


class StoreAgeBook:
    """One per node."""

    def __init__(self, node: str, identity: Identity, storage: Storage) -> None:
        self._node = node
        self._identity = identity
        self._storage = storage
        self._ages = StoreAges()
        self._reaps = 0
        self._queued = 0
        """The same with what waits for the disk. Never told: a crash may still undo it."""
        self._on_disk: dict[str, str] = {}
        """By node: the store that its note on this disk names."""
        self._stores = 0
        """Hash of it; 0 once it has changed."""

    def load(self) -> None:
        """Read what earlier runs noted."""
        self._reaps = self._queued = int.from_bytes(self._storage.read(Keyspace.META, _REAPS) or b"", "big")
        for key, data in self._storage.scan(Keyspace.META, _PREFIX, _PREFIX[:-1] + b"0", _PAGE):
            self._restore(key[len(_PREFIX) :].decode(), data)
        self._on_disk = {age.node: age.store for age in self._ages.present()}
        self._stores = 0

    def _restore(self, node: str, data: bytes) -> None:
        """A damaged note is left out: the others have theirs."""
        try:
            self._ages.restore(node, note.decode(data, _decoder, "store age"))
        except CorruptValue as problem:
            log.warning("the note of a peer's store is damaged", peer=node, problem=problem.detail)

    @property
    def mine(self) -> StoreAge:
        """The age of this node's store."""
        who = self._identity
        return StoreAge(self._node, who.store, who.starts, who.run, self._reaps)

    @property
    def stores(self) -> int:
        """Hash of which store each node has, as far as that is on this node's disk, never 0. Votes of two nodes count
        together only if they agree in it (`consensus/tally.py`).
        """
        if self._stores == 0:
            known = sorted((self._on_disk | {self._node: self._identity.store}).items())
            self._stores = xxh3_64_intdigest(msgspec.msgpack.encode(known)) or 1
        return self._stores

    def all(self) -> list[StoreAge]:
        """What this node tells others: its own age, and the last ones it knows of the others."""
        return [self.mine, *self._ages.present()]

    def judge(self, shown: StoreAge | None) -> str:
        """Why the node that shows this must not take part; empty if it may, which is then noted."""
        if shown is None or shown.node == self._node:
            return ""
        objection = self._ages.objection(shown)
        if not objection and self._ages.met(shown):
            self._keep(shown.node)
        return objection

    def hear(self, told: Iterable[StoreAge]) -> None:
        """Note what another node knows."""
        for age in told:
            if age.node != self._node and self._ages.heard(age):
                self._keep(age.node)

    def agree(self, done: Callable[[bool], None]) -> None:
        """Count one more consent to a removal; `done` says whether it is on disk, with all that was written before."""
        self._queued += 1
        number = self._queued

        def settled(error: Exception | None) -> None:
            if error is None:
                self._reaps = max(self._reaps, number)
            else:
                self._queued = self._reaps
            done(error is None)

        self._storage.write(((Keyspace.META, _REAPS, number.to_bytes(8, "big")),), True, settled)

    def _keep(self, node: str) -> None:
        stores = self._ages.of(node)

        def settled(error: Exception | None) -> None:
            if error is not None:
                log.warning("the age of a peer's store could not be kept", problem=str(error))
            elif self._on_disk.get(node) != stores[-1].store:
                self._on_disk[node], self._stores = stores[-1].store, 0

        self._storage.write(((Keyspace.META, _PREFIX + node.encode(), note.encode(stores)),), True, settled)
