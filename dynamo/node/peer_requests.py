"""What peers ask of this node, and who answers: one handler for each kind of message, exactly one answer each."""

from __future__ import annotations

from collections.abc import Callable

from dynamo.errors import DynamoError, Internal
from dynamo.node.buckets import BucketBook
from dynamo.node.reaping import Reaping
from dynamo.ports import Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import (
    Buckets,
    MayReap,
    Message,
    Ping,
    Pong,
    Reap,
    ShareBuckets,
    Status,
    StatusReport,
)
from dynamo.telemetry.metrics import Metrics

Handler = Callable[..., None]
"""Takes a message, its deadline, its trace and where to respond."""


class PeerRequests:
    """One per node. Its own handlers are those of messages that need no file of their own."""

    def __init__(
        self, buckets: BucketBook, reaping: Reaping, status: Callable[[], StatusReport], metrics: Metrics
    ) -> None:
        self._buckets = buckets
        self._reaping = reaping
        self._status = status
        self._metrics = metrics
        self.handlers: dict[type, Handler] = {
            ShareBuckets: self._on_share_buckets,
            MayReap: self._on_may_reap,
            Reap: self._on_reap,
            Ping: self._on_ping,
            Status: self._on_status,
        }

    def dispatch(self, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        """Have a message handled; an error that is raised over it is the answer to it."""
        handler = self.handlers.get(type(message))
        if handler is None:
            respond(refusal(Internal(f"a request cannot be a {type(message).__name__}")))
            return
        try:
            handler(message, deadline, trace, respond)
        except DynamoError as error:
            self._count(error)
            respond(refusal(error))

    def _on_share_buckets(self, message: ShareBuckets, deadline: float, trace: str, respond: Respond) -> None:
        def settled(error: DynamoError | None) -> None:
            if error is not None:
                respond(refusal(error))
            elif message.digest and message.digest != self._buckets.digest():
                respond(Buckets(self._buckets.everything()))
            else:
                respond(Buckets(merged))

        merged = self._buckets.learn(message.buckets, settled)

    def _on_may_reap(self, message: MayReap, deadline: float, trace: str, respond: Respond) -> None:
        self._reaping.vote(message, respond)

    def _on_reap(self, message: Reap, deadline: float, trace: str, respond: Respond) -> None:
        self._reaping.remove(message, respond)

    def _on_ping(self, message: Ping, deadline: float, trace: str, respond: Respond) -> None:
        respond(Pong())

    def _on_status(self, message: Status, deadline: float, trace: str, respond: Respond) -> None:
        respond(self._status())

    def _count(self, error: DynamoError) -> None:
        if error.code == "corrupt-value":
            self._metrics.corrupt_records.value += 1
        elif error.code == "clock-drift":
            self._metrics.clock_drift_refusals.value += 1
