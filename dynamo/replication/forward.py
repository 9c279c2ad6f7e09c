"""Forwarding: a request that reached a node which should not coordinate it, handed to one that should.

A write goes to a replica of its key; a change of a linearizable key to the node where those of the key queue up.

One hop, never twice. Candidates are tried in order while it is certain that nothing happened. One that stays silent, or
whose connection broke, ends the attempt as unknown: it may be a process that was stopped and finds the request in its
socket when it goes on. If another candidate had made a write meanwhile, and somebody replaced it, it would come back
under a second dot. (A change can be taken over: its name keeps it from taking effect twice. Its sender sees to that.)
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

from dynamo.errors import DynamoError, Internal, QuorumUnavailable, WriteTimeout
from dynamo.protocol.commands import ChangeOutcome, WriteOutcome
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Forward, Forwarded, Message
from dynamo.protocol.paxos import ForwardChange, ForwardedChange

_UNABLE = ("wrong-epoch", "draining", "not-ready", "storage-full", "corrupt-value")
Outcome = TypeVar("Outcome", WriteOutcome, ChangeOutcome)


def of_write(refusal: DynamoError) -> bool:
    """Whether a refusal is that of one node, and another one may take the write."""
    return refusal.code in _UNABLE or refusal.code == "overloaded"


def of_change(refusal: DynamoError) -> bool:
    """The same for a change. A node that is merely busy is not passed over: a second one would only be in its way."""
    unable = refusal.code in _UNABLE or refusal.code == "quorum-unavailable"
    return unable or refusal.members.get("reason") == "stalled"


class Forwarding(Generic[Outcome]):
    """Machine. `candidates` are tried in this order, the next one after a refusal that `try_another` accepts.

    `patience` is until when an answer is awaited, if not until the deadline of the request (seconds, monotonic).
    """

    __slots__ = ("_asked", "_candidates", "_message", "_patience", "_try_another", "exhausted", "outcome", "silent")

    def __init__(
        self,
        candidates: tuple[str, ...],
        message: Forward | ForwardChange,
        deadline: float,
        *,
        try_another: Callable[[DynamoError], bool] = of_write,
        patience: float = inf,
    ) -> None:
        self._candidates = list(candidates)
        self._message = message
        self._patience = min(deadline, patience)
        self._try_another = try_another
        self._asked = ""
        self.exhausted = False
        """Nobody was able to: certainly nothing happened."""
        self.silent = ""
        """Who has the request and did not say what became of it."""
        self.outcome: Outcome | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        return [*self._try_next(None), WakeAt(self._patience)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None:
            return []
        assert isinstance(message, (Forwarded, ForwardedChange)), message
        return self._finish(message.outcome)  # type: ignore[arg-type]  # each request has its own kind of answer

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if error.failure is PeerFailure.DOWN:
            return self._try_next(None)
        refusal = error.error
        if refusal is None or isinstance(refusal, Internal):
            return self._give_up(peer)
        return self._try_next(refusal) if self._try_another(refusal) else self._finish(refusal)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is None and now >= self._patience:
            return self._give_up(self._asked)
        return []

    def _try_next(self, refusal: DynamoError | None) -> Effects:
        if self._candidates:
            self._asked = self._candidates.pop(0)
            return [Send(self._asked, self._message)]
        self.exhausted = True
        return self._finish(refusal or QuorumUnavailable("no replica of this key can be reached; nothing was sent"))

    def _give_up(self, peer: str) -> Effects:
        unknown = WriteTimeout(
            "the replica that was to coordinate this write did not answer; the write may still appear, "
            "and repeating it with the same Idempotency-Key is safe"
        )
        self.silent = peer
        return self._finish(unknown)

    def _finish(self, outcome: Outcome | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
