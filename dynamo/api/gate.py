"""Who is let in: how many connections a listener has, and what is told to one too many."""

from __future__ import annotations

import msgspec

from dynamo.api.problems import body
from dynamo.errors import Overloaded
from dynamo.protocol.http_fields import PROBLEM_JSON, REQUEST_ID
from dynamo.telemetry.exposition import Cell
from dynamo.telemetry.logs import Log, Repeated
from dynamo.telemetry.trace import mint

journal = Log("api")


class Gate:
    """How many connections a listener has, and what clients do wrong on them."""

    def __init__(self, connections_max: int, shed: Cell) -> None:
        self._connections_max = connections_max
        self._shed = shed
        self._malformed = Repeated()
        self.connections = 0
        self.closed = False
        """Nobody is let in any more: a connection may be accepted just before the end, and be told only after it."""

    def enter(self) -> bool:
        """Whether another connection is let in; if so, `leave` follows."""
        if self.connections >= self._connections_max:
            self._shed.value += 1
            return False
        self.connections += 1
        return True

    def leave(self) -> None:
        self.connections -= 1

    def malformed(self, error: BaseException | None) -> None:
        """Note a request that could not be parsed: one line in a while, without its bytes."""
        if count := self._malformed.due():
            journal.warning("malformed requests", count=count, last=type(error).__name__)

    def refusal(self) -> bytes:
        """The answer to a connection that is not let in: written before any request was read."""
        trace = mint()
        text = msgspec.json.encode(body(Overloaded("this node has as many connections as it allows"), trace, "PUT"))
        head = (
            f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {PROBLEM_JSON}\r\n{REQUEST_ID}: {trace}\r\n"
            f"Retry-After: 1\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        return head.encode("ascii") + text
