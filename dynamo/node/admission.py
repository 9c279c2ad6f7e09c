"""How many client requests a node works on at once, and whether it takes new ones.

Refusing early is kind: a request that is shed before work starts costs its client one round trip and nobody else
anything. Peers' and operators' requests are not counted here, so a flood of clients cannot silence them.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.errors import Draining, DynamoError, Overloaded


class Admission:
    """Bounded count of client requests in flight."""

    __slots__ = ("_limit", "_on_idle", "draining", "inflight")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.inflight = 0
        self.draining = False
        self._on_idle: Callable[[], None] = _nothing

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Let nobody in any more; `on_idle` is called once nobody is left."""
        self.draining = True
        self._on_idle = on_idle
        if self.inflight == 0:
            on_idle()

    def enter(self) -> DynamoError | None:
        """None: go on, and call `leave` once at the end. Otherwise the error to answer with, at once."""
        if self.draining:
            return Draining("this node is stopping and takes no new requests; use another node")
        if self.inflight >= self._limit:
            return Overloaded(
                f"this node works on {self._limit} requests already; nothing was done, try again or use another node",
                limit=self._limit,
            )
        self.inflight += 1
        return None

    def leave(self) -> None:
        """A request that was let in has its outcome."""
        assert self.inflight > 0, "every request leaves once"
        self.inflight -= 1
        if self.inflight == 0:
            self._on_idle()


def _nothing() -> None:
    pass
