"""This node's memory of the stores of the others, and the age of its own: kept in META, so that it survives a restart.

A peer's age is judged when it connects, and noted if there is no objection. The note is not awaited: if this node
crashes before it is on disk, the others have theirs. Only a node that lost its disk must be sure of it before it votes
again in linearizable buckets (`node/voting.py`), and waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.errors import CorruptValue, DynamoError, NotReady
from dynamo.layout import note
from dynamo.layout.keyspaces import Keyspace
from dynamo.membership.store_ages import StoreAges
from dynamo.ports import Identity, Respond, Storage
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import StoreAge, TellStores
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
        self._stores = 0
        """Hash of it; 0 once it has changed."""
        self._kept: dict[str, str] = {}
        """The present store of each node as it is on disk."""
        self.first: dict[str, None] = {}
        """Nodes that have on disk that they know this one by its present store, and never knew it by another."""

    def load(self) -> None:
        """Read what earlier runs noted."""
        self._stores = 0
        self._reaps = self._queued = int.from_bytes(self._storage.read(Keyspace.META, _REAPS) or b"", "big")
        for key, data in self._storage.scan(Keyspace.META, _PREFIX, _PREFIX[:-1] + b"0", _PAGE):
            self._restore(key[len(_PREFIX) :].decode(), data)

    def _restore(self, node: str, data: bytes) -> None:
        """Of a damaged note nothing is known but that there was one."""
        try:
            stores = note.decode(data, _decoder, "store age")
        except CorruptValue as problem:
            log.warning("the note of a peer's store is damaged", peer=node, problem=problem.detail)
            self._ages.forget(node, self._node)
        else:
            self._ages.restore(node, stores)
        self._kept[node] = self._ages.of(node)[-1].store

    @property
    def mine(self) -> StoreAge:
        """The age of this node's store."""
        who = self._identity
        return StoreAge(self._node, who.store, who.starts, who.run, self._reaps)

    def all(self) -> list[StoreAge]:
        """What this node tells others: its own age, and the last ones it knows of the others."""
        return [self.mine, *self._ages.present()]

    @property
    def stores(self) -> int:
        """Hash of which store each node has at present, this one among them, as far as that is on this node's disk;
        never 0. Votes count together only if they agree in it (`consensus/tally.py`).

        Of the moment of the call: an answer that waited for the disk must carry the one of when it is sent.
        """
        if self._stores == 0:
            known = sorted((self._kept | {self._node: self._identity.store}).items())
            self._stores = xxh3_64_intdigest(msgspec.msgpack.encode(known)) or 1
        return self._stores

    def histories(self) -> list[list[StoreAge]]:
        """The stores of each node, this one among them, as far as this node knows them; the present one last."""
        return [[self.mine], *self._ages.all()]

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

    def learn(self, told: Iterable[list[StoreAge]]) -> None:
        """Note what another node knows: its `histories`."""
        for stores in told:
            if stores and stores[0].node != self._node and self._ages.told(stores):
                self._keep(stores[0].node)

    def keep_on(self) -> None:
        """Try anew to put on disk what it did not take."""
        self.when_kept(self._nodes(), _log_failure)

    def _nodes(self) -> list[str]:
        return [stores[0].node for stores in self._ages.all()]

    def tell(self, message: TellStores, deadline: float, trace: str, respond: Respond) -> None:
        """Answer TellStores."""
        self.learn(message.stores)
        self.when_kept(
            self._nodes(), lambda error: respond(TellStores(self.histories()) if error is None else refusal(error))
        )

    def answered(self, peer: str, answer: TellStores) -> None:
        """What a peer answered that was told this node's `histories`."""
        self.learn(answer.stores)
        if [age.store for stores in answer.stores for age in stores if age.node == self._node] == [self.mine.store]:
            self.first[peer] = None

    def check_present(self, node: str, store: str) -> None:
        """Raises NotReady if this is not the present store of a node, as this one knows it."""
        stores = self._ages.of(node)
        if not stores or stores[-1].store != store:
            raise NotReady(f"{self._node} does not know yet that {node} runs on store {store}")

    def when_kept(self, nodes: list[str], done: Callable[[DynamoError | None], None]) -> None:
        """Call `done` once the present stores of these nodes are on disk; perhaps before this returns."""
        stale = [node for node in nodes if (stores := self._ages.of(node)) and self._kept.get(node) != stores[-1].store]
        if stale:
            self._write(stale, done)
        else:
            done(None)

    def _write(self, nodes: list[str], done: Callable[[DynamoError | None], None]) -> None:
        """Put what is known of these nodes on disk."""
        present = {node: self._ages.of(node)[-1].store for node in nodes}

        def settled(error: DynamoError | None) -> None:
            if error is None:
                self._kept.update(present)
                self._stores = 0
            done(error)

        self._storage.write([self._change(node) for node in nodes], True, settled)

    def agree(self, done: Callable[[bool], None]) -> None:
        """Count one more consent to a removal; `done` says whether it is on disk, with all that was written before."""
        self._queued += 1
        number = self._queued

        def settled(error: DynamoError | None) -> None:
            if error is None:
                self._reaps = max(self._reaps, number)
            else:
                self._queued = self._reaps
            done(error is None)

        self._storage.write(((Keyspace.META, _REAPS, number.to_bytes(8, "big")),), True, settled)

    def _keep(self, node: str) -> None:
        self._write([node], _log_failure)

    def _change(self, node: str) -> tuple[Keyspace, bytes, bytes]:
        return (Keyspace.META, _PREFIX + node.encode(), note.encode(self._ages.of(node)))


def _log_failure(error: DynamoError | None) -> None:
    if error is not None:
        log.warning("the age of a peer's store could not be kept", problem=error.detail)
