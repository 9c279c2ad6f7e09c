"""Requests of clients that another node has handed to this one. They are never handed on a second time."""

from __future__ import annotations

from collections.abc import Callable

from dynamo.errors import DynamoError, Internal
from dynamo.node.admission import Admission
from dynamo.node.coordinator import Coordinator
from dynamo.node.proposals import Proposals
from dynamo.ports import Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.commands import ChangeOutcome, WriteOutcome
from dynamo.protocol.messages import Forward, Forwarded
from dynamo.protocol.paxos import ForwardChange, ForwardedChange
from dynamo.telemetry.metrics import Metrics

REMEMBERED_MAX = 4096
"""Of the last changes that were handed to this node it is known that they were. A connection delivers nothing twice;
nothing is to depend on that.
"""


class ForwardedRequests:
    """One per node. Each method responds once, now or later; they raise Overloaded and Internal."""

    def __init__(self, admission: Admission, coordinator: Coordinator, proposals: Proposals, metrics: Metrics) -> None:
        self._admission = admission
        self._coordinator = coordinator
        self._proposals = proposals
        self._metrics = metrics
        self._taken: dict[int, None] = {}
        """Oldest first."""

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {Forward: self.write, ForwardChange: self.change}

    def write(self, message: Forward, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Forwarded."""

        def done(outcome: WriteOutcome | DynamoError) -> None:
            respond(refusal(outcome) if isinstance(outcome, DynamoError) else Forwarded(outcome))

        self._refuse_when_full()
        self._coordinator.write(message.command, deadline, trace, done, forwarded=True)

    def change(self, message: ForwardChange, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with ForwardedChange. The value may wait here for a while: it counts as the bodies of clients do."""
        size_bytes = len(message.command.value)

        def done(outcome: ChangeOutcome | DynamoError) -> None:
            self._admission.free(size_bytes)
            respond(refusal(outcome) if isinstance(outcome, DynamoError) else ForwardedChange(outcome))

        self._refuse_when_full()
        self._take_once(message.once)
        if refused := self._admission.reserve(size_bytes):
            self._metrics.shed_requests["memory"].value += 1
            raise refused
        self._proposals.change(message.command, deadline, trace, done, forwarded=True)

    def _take_once(self, once: int) -> None:
        """Raises Internal for a message that came before: what became of it was said then."""
        if once in self._taken:
            raise Internal("this message came before, and was carried out then")
        self._taken[once] = None
        if len(self._taken) > REMEMBERED_MAX:
            del self._taken[next(iter(self._taken))]

    def _refuse_when_full(self) -> None:
        """It is a client's request all the same; another replica may have room."""
        if self._admission.is_full:
            self._metrics.shed_requests["overloaded"].value += 1
            raise self._admission.refusal()
