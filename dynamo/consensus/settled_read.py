"""Reading one key without a ballot. Signatures first; the machine follows."""

from __future__ import annotations

import msgspec

from dynamo.errors import DynamoError
from dynamo.protocol.effects import Effects, PeerError
from dynamo.protocol.messages import Message
from dynamo.versioning.ballot import Ballot


class Contended(DynamoError):
    """What is newest could not be settled without a ballot: a READ change can. Never leaves the node."""

    code = "contended"
    title = "A round is needed"
    retryable = True


class SettledState(msgspec.Struct, gc=False):
    """What is chosen."""

    register: bytes
    """Byte form; empty for a key that was never written. `change.read_outcome` makes an outcome of it."""
    ballot: Ballot
    trips: int
    """1: a majority said the same at once; 2: the newest was replayed to those that lacked it."""


class SettledRead:
    """Machine[SettledState]. Fails with Contended, ReadTimeout or QuorumUnavailable."""

    def __init__(self, node: str, order: tuple[str, ...], bucket: str, key: bytes, deadline: float) -> None:
        self.outcome: SettledState | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        raise NotImplementedError

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        raise NotImplementedError

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        raise NotImplementedError

    def on_wakeup(self, now: float) -> Effects:
        raise NotImplementedError
