"""QuorumWrite: one record to N replicas, decided at W durable acknowledgements.

The coordinator is one of the replicas and has minted the dot; its own storing is under way when the machine starts and
is reported like any other answer. All other replicas are sent the record at once. After the decision the machine goes
on taking answers, whatever the client does; what it has sent is never taken back.

Invariant decided here: an acknowledged write is durable on W distinct nodes (asserted at Finish; checked again in
`checker/convergence`). Failure is honest: `write-timeout` (unknown) as soon as one replica may have stored it, a
definite error only if every one of them said that it did not.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import Applied, DynamoError, QuorumUnavailable, WriteTimeout
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Message, Store, Stored
from dynamo.replication.quorum import Tally, WriteQuorum


class Acks(msgspec.Struct, gc=False):
    """Durable acknowledgements at the moment of the decision."""

    primaries: int
    fallbacks: int


class QuorumWrite:
    """Machine. `replicas` are the primaries, `coordinator` among them."""

    __slots__ = ("_coordinator", "_deadline", "_possible", "_refusals", "_replicas", "_store", "_tally", "outcome")

    def __init__(
        self, coordinator: str, replicas: tuple[str, ...], store: Store, quorum: WriteQuorum, deadline: float
    ) -> None:
        assert coordinator in replicas, "only a replica coordinates a write"
        self._coordinator = coordinator
        self._replicas = replicas
        self._store = store
        self._deadline = deadline
        self._tally = Tally(quorum.needed, len(replicas))
        self._refusals: list[DynamoError] = []
        self._possible = False
        self.outcome: Acks | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        sends: Effects = [Send(peer, self._store) for peer in self._replicas if peer != self._coordinator]
        sends.append(WakeAt(self._deadline))
        return sends

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        assert isinstance(message, Stored), message
        return self._decide() if self._tally.count(peer, vote=True) else []

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if not self._tally.count(peer, vote=False):
            return []
        if error.error is not None and error.error.applied is Applied.NO:
            self._refusals.append(error.error)
        elif error.failure is not PeerFailure.DOWN:
            self._possible = True
        return self._decide()

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is None and now >= self._deadline:
            return self._finish(self._timeout("not enough replicas acknowledged before the deadline"))
        return []

    def _decide(self) -> Effects:
        if self.outcome is not None:
            return []
        if self._tally.met:
            assert self._tally.yes >= self._tally.needed, "an acknowledged write is durable on W nodes"
            return self._finish(Acks(self._tally.yes, 0))
        if not self._tally.impossible:
            return []
        if self._tally.yes or self._possible:
            return self._finish(self._timeout("too many replicas failed for the write to reach its quorum"))
        if self._tally.complete:
            return self._finish(self._refusal())
        return []  # Nobody has stored it so far. If the others did not either, that is worth waiting for.

    def _refusal(self) -> DynamoError:
        if self._refusals:
            return self._refusals[0]
        needed = self._tally.needed
        return QuorumUnavailable("no replica of this key could be reached; nothing was sent", required=needed)

    def _timeout(self, why: str) -> WriteTimeout:
        return WriteTimeout(
            f"{why}: {self._tally.yes} of the {self._tally.needed} needed; the write may still appear, "
            "and repeating it with the same Idempotency-Key is safe",
            received=self._tally.yes,
            required=self._tally.needed,
        )

    def _finish(self, outcome: Acks | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
