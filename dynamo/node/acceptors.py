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
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout import ballot as states
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import Floor
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.node.floors import Floors
from dynamo.node.franchise import Franchise
from dynamo.node.replica import Replica
from dynamo.node.store_ages import StoreAgeBook
from dynamo.node.unlearned import Unlearned
from dynamo.ports import Change, Respond, Storage
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import Refused, Votes
from dynamo.protocol.paxos import (
    Accept,
    Accepted,
    AcceptMany,
    ForgetKey,
    Forgotten,
    Inspect,
    Inspected,
    Prepare,
    Promised,
    Rejected,
)
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.ballot import ZERO, Ballot

_States = dict[bytes, AcceptorState]
"""By stored key: what is to be on disk before an answer."""


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
            AcceptMany: self.accept_many,
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
            respond(self._rejected("prepare", message.ballot, state, floor))
            return
        answer = Promised(message.ballot, *acceptor.shown(promised, floor))
        self._keep({} if promised is state else {stored: promised}, answer, respond)

    def accept(self, message: Accept, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Accepted once the register is on disk, with the promise of `next`; or with Rejected."""
        self._replica.refuse_when_deep()
        fresh: _States = {}
        rejected = self._vote(message, fresh)
        if rejected is not None:
            respond(rejected)
        else:
            self._keep(fresh, Accepted(message.ballot), respond)

    def accept_many(self, message: AcceptMany, deadline: float, trace: str, respond: Respond) -> None:
        """The same for several keys: answer with Votes, once all that could be accepted is on disk."""
        self._replica.refuse_when_deep()
        fresh: _States = {}
        others: dict[int, Rejected | Refused] = {}
        for place, accept in enumerate(message.accepts):
            try:
                rejected = self._vote(accept, fresh)
            except DynamoError as error:
                self._metrics.corrupt_records.value += isinstance(error, CorruptValue)
                others[place] = refusal(error)
            else:
                if rejected is not None:
                    others[place] = rejected
        self._keep(fresh, Votes(len(message.accepts), 0, others), respond)

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

        def settled(error: DynamoError | None) -> None:
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

    def _vote(self, accept: Accept, fresh: _States) -> Rejected | None:
        """Accept, by adding to the states that are to be on disk before that is said, or say why not."""
        stored, floor = self._begin(accept.bucket, accept.key)
        state = fresh.get(stored) or self._state(stored)
        accepted = acceptor.accept(state, floor, accept.ballot, accept.register, accept.next)
        if accepted is None:
            return self._rejected("accept", accept.ballot, state, floor)
        if accepted is not state:
            fresh[stored] = accepted
            self._unlearned.add(stored, accept.ballot, accept.register)
        return None

    def _keep(self, fresh: _States, answer: Promised | Accepted | Votes, respond: Respond) -> None:
        """Answer once the states are on disk; those that were there before may still be on their way to it."""

        def settled(error: DynamoError | None) -> None:
            if error is not None:
                respond(self._failed(error))
                return
            # Of now: what is said from here on may not be in what a node was told that lost its disk meanwhile.
            answer.stores = self._ages.stores
            respond(answer)

        changes = [(Keyspace.BALLOTS, stored, states.encode(state)) for stored, state in fresh.items()]
        self._storage.write(changes, True, settled)  # the port's order

    def _failed(self, error: DynamoError) -> Refused:
        """The answer where the store has failed."""
        self._replica.lost_batch(error)
        return refusal(error)

    def _rejected(self, phase: str, asked: Ballot, state: AcceptorState | None, floor: Floor) -> Rejected:
        self._metrics.paxos.rejections[phase].value += 1
        return Rejected(asked, acceptor.highest(state, floor))
