"""What another node asks of this one as a keeper of records: its own copies, and the hints it keeps for others."""

from __future__ import annotations

from collections.abc import Callable

from dynamo.errors import DynamoError
from dynamo.node.hint_book import HintBook
from dynamo.node.replica import Replica
from dynamo.ports import Clock, Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import Fetch, Fetched, Scan, Store, Stored
from dynamo.telemetry.metrics import Metrics


class ReplicaAnswers:
    """One per node. Each method responds once, now or later, and raises what replica and hint book raise.

    A deadline of 0 means that this node asks itself.
    """

    def __init__(self, replica: Replica, hints: HintBook, clock: Clock, metrics: Metrics, *, timed: bool) -> None:
        self._replica = replica
        self._hints = hints
        self._monotonic = clock.monotonic
        self._metrics = metrics
        self._timed = timed
        """Whether peers are told when what they are told was so."""

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {Fetch: self.fetch, Store: self.store, Scan: self.scan}

    def fetch(self, message: Fetch, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Fetched."""
        if message.hint_for:
            respond(Fetched(self._hints.fetch(message.hint_for, message.bucket, message.key)))
            return
        record = self._replica.fetch(message.bucket, message.key, for_repair=message.for_repair)
        if message.for_repair and deadline:
            self._metrics.repair_bytes_sent.value += len(record)
        respond(Fetched(record, int(self._monotonic() * 1e6) if self._timed and deadline else 0))

    def store(self, message: Store, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Stored."""
        came = self._monotonic() if self._timed and deadline else 0.0

        def done(error: DynamoError | None) -> None:
            if error is not None:
                respond(refusal(error))
            elif came:
                now = self._monotonic()
                respond(Stored(int(now * 1e6), int((now - came) * 1e6)))
            else:
                respond(Stored())

        self._replica.refuse_when_deep()
        if message.hint_for:
            self._hints.store(message.hint_for, message.bucket, message.key, message.record, done)
        else:
            self._replica.store(message, done)

    def scan(self, message: Scan, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Scanned."""
        respond(self._replica.scan(message))
