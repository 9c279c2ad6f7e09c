"""This node as an acceptor: it promises, accepts and shows what it has accepted (`consensus/acceptor.py` decides).

Three rules are kept here, and the safety of every linearizable key rests on them:
- What is answered is on disk: a promise before its Promised, an accepted register before its Accepted. A repeat of
  something that still waits for the disk waits with it. An Inspect shows durable state only.
- A state that is damaged reads as nothing to nobody. This node does not vote on such a key, and the others go on.
- This node votes only where it knows what it has promised before (`node/franchise.py`).

What is chosen of all this others find out, and say (`node/learning.py`).

Source: research note, sections 1.2 to 1.5.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.consensus import acceptor
from dynamo.consensus.forgetting import floor_after
from dynamo.layout import ballot as states
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import Floor
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.node.floors import Floors
from dynamo.node.franchise import Franchise
from dynamo.node.records import as_ours
from dynamo.node.replica import Replica
from dynamo.node.store_ages import StoreAgeBook
from dynamo.node.unlearned import Unlearned
from dynamo.ports import Change, Respond, Storage
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import Refused
from dynamo.protocol.paxos import (
    Accept,
    Accepted,
    ForgetKey,
    Forgotten,
    Inspect,
    Inspected,
    Prepare,
    Promised,
    Rejected,
)
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.ballot import ZERO


class Acceptors:
    """One per node. Each method responds once, now or later.

    They raise NotReady, CorruptValue, Overloaded, ModeConflict and WrongEpoch: then this node has not voted.
    """

    def __init__(
        self,
        franchise: Franchise,
        storage: Storage,
        replica: Replica,
        ages: StoreAgeBook,
        floors: Floors,
        unlearned: Unlearned,
        metrics: Metrics,
    ) -> None:
        self._franchise = franchise
        self._storage = storage
        self._replica = replica
        self._ages = ages
        self._floors = floors
        self._unlearned = unlearned
        self._metrics = metrics

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {
            Prepare: self.prepare,
            Accept: self.accept,
            Inspect: self.inspect,
            ForgetKey: self.forget,
        }

    def prepare(self, message: Prepare, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Promised once the promise is on disk, or with Rejected."""
        stored, floor = self._begin(message.bucket, message.key)
        self._replica.refuse_when_deep()
        state = self._state(stored)
        promised = acceptor.promise(state, floor, message.ballot)
        if promised is None:
            self._reject("prepare", message.ballot, state, floor, respond)
            return
        answer = Promised(message.ballot, *acceptor.shown(promised, floor))
        self._keep(stored, state, promised, answer, respond)

    def accept(self, message: Accept, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Accepted once the register is on disk, with the promise of `next`; or with Rejected."""
        stored, floor = self._begin(message.bucket, message.key)
        self._replica.refuse_when_deep()
        state = self._state(stored)
        accepted = acceptor.accept(state, floor, message.ballot, message.register, message.next)
        if accepted is None:
            self._reject("accept", message.ballot, state, floor, respond)
            return
        if accepted is not state:
            self._unlearned.add(stored, message.ballot, message.register)
        self._keep(stored, state, accepted, Accepted(message.ballot), respond)

    def inspect(self, message: Inspect, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Inspected, from what is on disk."""
        stored, floor = self._begin(message.bucket, message.key)
        data = self._storage.read(Keyspace.BALLOTS, stored)
        accepted, register = acceptor.shown(states.decode(data) if data else None, floor)
        is_known = accepted != ZERO and accepted == message.known
        respond(Inspected(accepted, b"" if is_known else register, self._ages.stores))

    def forget(self, message: ForgetKey, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Forgotten once nothing of the key is left on disk, or it is clear that it must stay."""
        stored, floor = self._begin(message.bucket, message.key)
        state = self._state(stored)
        after = floor_after(state, floor, message.ballot)
        changes: tuple[Change, ...] = ()
        if after is not None:
            partition, _, _ = split_record_key(stored)
            # In one batch: without the floor, whatever was promised and decided would be open again.
            changes = ((Keyspace.BALLOTS, stored, None), self._floors.raised(partition, after))
            self._unlearned.drop(stored)
            self._metrics.forgotten_keys.value += 1
        gone = state is None or after is not None

        def settled(error: Exception | None) -> None:
            respond(Forgotten(gone) if error is None else self._failed(error))

        self._storage.write(changes, True, settled)

    # --- inside

    def _begin(self, bucket: str, key: bytes) -> tuple[bytes, Floor]:
        """Where the key's state lies, and what was forgotten around it; raises if this node must not vote on it."""
        partition, stored = self._franchise.check(bucket, key)
        return stored, self._floors.of(partition)

    def _state(self, stored: bytes) -> AcceptorState | None:
        """The newest state, to compute the next one from; None if there is none. Raises CorruptValue."""
        data = self._storage.latest(Keyspace.BALLOTS, stored)
        return states.decode(data) if data else None

    def _keep(
        self,
        stored: bytes,
        old: AcceptorState | None,
        new: AcceptorState,
        answer: Promised | Accepted,
        respond: Respond,
    ) -> None:
        """Answer once the state is on disk; one that was there before may still be on its way to it."""

        def settled(error: Exception | None) -> None:
            if error is not None:
                respond(self._failed(error))
                return
            # Of now: what is said from here on may not be in what a node was told that lost its disk meanwhile.
            answer.stores = self._ages.stores
            respond(answer)

        changes = () if new is old else ((Keyspace.BALLOTS, stored, states.encode(new)),)
        self._storage.write(changes, True, settled)  # the port's order

    def _failed(self, error: Exception) -> Refused:
        """The answer where the store has failed."""
        problem = as_ours(error)
        self._replica.lost_batch(problem)
        return refusal(problem)

    def _reject(
        self, phase: str, asked: tuple[int, str, int], state: AcceptorState | None, floor: Floor, respond: Respond
    ) -> None:
        self._metrics.paxos.rejections[phase].value += 1
        respond(Rejected(asked, acceptor.highest(state, floor)))
