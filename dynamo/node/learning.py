"""What was chosen enters the key's ordinary record, where weaker reads, listings, read repair and anti-entropy find it.

No byte gets there that was not chosen, and nothing is decided by it. Whoever says that something is chosen names the
ballot; what this node has accepted in that ballot is it, since a ballot has one register. If it has accepted something
else by now, that is newer, and its coordinator will tell.

Several keys are shown with one batch, as they come. A key that cannot be shown now does not hold up the others: it is
as if the word of it had been lost, and that is the settler's business.

Source: research note, section 1.3 (step 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dynamo.consensus.record import digest_of, encode_shown
from dynamo.errors import DynamoError
from dynamo.layout import ballot as states
from dynamo.layout import register as registers
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.node.franchise import Franchise
from dynamo.node.records import Records, Replacement
from dynamo.node.replica import Replica
from dynamo.node.unlearned import Unlearned
from dynamo.ports import Respond, Storage
from dynamo.protocol.codec import refusal
from dynamo.protocol.paxos import Learn, Learned, LearnMany
from dynamo.telemetry.logs import Log
from dynamo.versioning.ballot import Ballot

log = Log("node")

_Newer = dict[bytes, Replacement]
"""By stored key."""


class Learning:
    """One per node. Each method responds once, now or later.

    They raise NotReady, CorruptValue, ModeConflict and WrongEpoch: then nothing was learnt.
    """

    def __init__(
        self, franchise: Franchise, storage: Storage, records: Records, replica: Replica, unlearned: Unlearned
    ) -> None:
        self._franchise = franchise
        self._storage = storage
        self._records = records
        self._replica = replica
        self._unlearned = unlearned

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {Learn: self.learn, LearnMany: self.learn_many}

    def learn(self, message: Learn, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Learned once the record is in the store, or there is nothing to be shown."""
        _, stored = self._franchise.check(message.bucket, message.key)
        found = self._newer(stored, message.ballot)
        self._show({} if found is None else {stored: found}, respond)

    def learn_many(self, message: LearnMany, deadline: float, trace: str, respond: Respond) -> None:
        """The same for all that can be shown now."""
        newer: _Newer = {}
        for stored, ballot in message.chosen:
            if stored in newer:
                continue
            try:
                found = self._newer(stored, ballot)
            except DynamoError as problem:
                log.debug("a chosen value was not learnt", problem=problem.detail)
            else:
                if found is not None:
                    newer[stored] = found
        self._show(newer, respond)

    def _newer(self, stored: bytes, ballot: Ballot) -> Replacement | None:
        """The record of what was accepted in this ballot, if it was, and if the store shows something older."""
        data = self._unlearned.take(stored, ballot) or self._accepted(stored, ballot)
        if not data:
            return None
        face = registers.face(data)
        if face.value is None and registers.is_unwritten(registers.decode(data)):
            return None  # the tombstone of before says the same
        shown, before = self._records.shown(stored)
        if face.version <= shown:
            return None
        return Replacement(stored, encode_shown(face), digest_of(face.version, face.value is None), before)

    def _accepted(self, stored: bytes, ballot: Ballot) -> bytes:
        """The register that was accepted in this ballot, if it is not at hand; empty if that was another one."""
        _, bucket, key = split_record_key(stored)
        _, stored = self._franchise.check(bucket, key)
        data = self._storage.latest(Keyspace.BALLOTS, stored)
        state = states.decode(data) if data else None
        if state is None or state.accepted != ballot or state.value is None:
            return b""
        self._unlearned.drop(stored)
        return state.value

    def _show(self, newer: _Newer, respond: Respond) -> None:
        if not newer:
            respond(Learned())
            return
        in_doubt = self._records.quarantine.open
        doubts = [in_doubt[stored] for stored in newer if stored in in_doubt]

        def settled(error: DynamoError | None) -> None:
            if error is None:
                for doubt in doubts:
                    self._records.quarantine.replaced(doubt)
                respond(Learned())
            else:
                self._replica.lost_batch(error)
                self._not_learnt(newer)
                respond(refusal(error))

        self._records.replace_all_unsynced(newer.values(), settled)

    def _not_learnt(self, keys: Iterable[bytes]) -> None:
        for stored in keys:
            if stored not in self._unlearned:
                self._unlearned.add(stored)
