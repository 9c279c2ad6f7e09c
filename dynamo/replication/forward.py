"""Forwarding: a write that reached a node which is no replica of its key, handed to one that is.

One hop, never twice. Candidates are tried in order while it is certain that nothing happened. One that stays silent, or
whose connection broke, ends the attempt as unknown: it may be a process that was stopped and finds the request in its
socket when it goes on. If another candidate had made the write meanwhile, and somebody replaced it, it would come back
under a second dot.
"""

from __future__ import annotations

from dynamo.errors import DynamoError, Internal, QuorumUnavailable, WriteTimeout
from dynamo.protocol.commands import WriteOutcome
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Forward, Forwarded, Message

_TRY_ANOTHER = ("wrong-epoch", "draining", "overloaded", "not-ready", "storage-full", "corrupt-value")


class Forwarding:
    """Machine. `candidates` are the live primaries in preference order."""

    __slots__ = ("_candidates", "_deadline", "_forward", "outcome")

    def __init__(self, candidates: tuple[str, ...], forward: Forward, deadline: float) -> None:
        self._candidates = list(candidates)
        self._forward = forward
        self._deadline = deadline
        self.outcome: WriteOutcome | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        return [*self._try_next(None), WakeAt(self._deadline)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None:
            return []
        assert isinstance(message, Forwarded), message
        return self._finish(message.outcome)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if error.failure is PeerFailure.DOWN:
            return self._try_next(None)
        refusal = error.error
        if refusal is None:
            return self._finish(self._unknown())
        if refusal.code in _TRY_ANOTHER:
            return self._try_next(refusal)
        return self._finish(self._unknown() if isinstance(refusal, Internal) else refusal)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is None and now >= self._deadline:
            return self._finish(self._unknown())
        return []

    def _try_next(self, refusal: DynamoError | None) -> Effects:
        if self._candidates:
            return [Send(self._candidates.pop(0), self._forward)]
        return self._finish(refusal or QuorumUnavailable("no replica of this key can be reached; nothing was sent"))

    def _unknown(self) -> DynamoError:
        return WriteTimeout(
            "the replica that was to coordinate this write did not answer; the write may still appear, "
            "and repeating it with the same Idempotency-Key is safe"
        )

    def _finish(self, outcome: WriteOutcome | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
