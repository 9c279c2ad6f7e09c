"""What a machine may ask of its driver, and the interface that every machine has.

A machine decides one thing: one quorum read, one quorum write, one Paxos round, one Merkle exchange. It is a
plain object without clock, randomness, IO or tasks. Time comes in as an argument (seconds, monotonic), effects go out
as a list. It lives on after `Finish` to take late answers, until `drained`.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, Protocol, TypeVar

import msgspec

from dynamo.errors import Applied, DynamoError
from dynamo.protocol.messages import Message

Outcome_co = TypeVar("Outcome_co", covariant=True)
Result = TypeVar("Result")


class PeerFailure(Enum):
    """Why a peer gave no answer. `DOWN` promises that nothing happened there; `REFUSED` does if its error says so."""

    DOWN = "down"
    """Not connected: the message was never sent."""
    LOST = "lost"
    """The connection broke after sending."""
    TIMEOUT = "timeout"
    """Sent, and no answer by the deadline."""
    REFUSED = "refused"
    """The peer answered with an error, which says why and whether something may have happened all the same."""


class PeerError(msgspec.Struct, gc=False):
    """A send that brought no answer."""

    failure: PeerFailure
    error: DynamoError | None = None
    """The refusal, where there is one."""

    @property
    def may_have_applied(self) -> bool:
        """Whether the peer may have acted on the message all the same."""
        if self.error is not None:
            return self.error.applied is not Applied.NO
        return self.failure in (PeerFailure.LOST, PeerFailure.TIMEOUT)


class Send(msgspec.Struct, gc=False):
    """Send `message` to node `to` (which may be this node) and feed back what comes of it."""

    to: str
    message: Message
    deadline: float = 0.0
    """Until when an answer is awaited (seconds, monotonic); 0 for the request's own deadline. What a machine sends
    after its decision, such as a hint for a replica that stayed silent, may outlive the request.
    """


class SendAll(msgspec.Struct, gc=False):
    """The same message to several nodes, until the request's own deadline: as many Sends, in that order."""

    to: tuple[str, ...]
    message: Message


class WakeAt(msgspec.Struct, gc=False):
    """Call `on_wakeup` at this time (seconds, monotonic)."""

    when: float


class Finish(msgspec.Struct, Generic[Result], gc=False):
    """The decision: hand it to whoever asked. Emitted exactly once."""

    outcome: Result | DynamoError


Effect = Send | SendAll | WakeAt | Finish[object]
Effects = list[Effect]


class Machine(Protocol[Outcome_co]):
    """What the driver runs. Every input returns effects; unknown or late inputs return none."""

    @property
    def outcome(self) -> Outcome_co | DynamoError | None:
        """None until decided; then never changes."""

    @property
    def drained(self) -> bool:
        """Decided, and nothing that is still to come could make it emit another effect."""

    def start(self, now: float) -> Effects:
        """Begin. Called once, first."""

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        """An answer to what was sent."""

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        """What was sent there brought no answer."""

    def on_wakeup(self, now: float) -> Effects:
        """A time asked for with WakeAt has come."""
