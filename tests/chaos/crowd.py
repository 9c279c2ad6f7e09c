"""What all loads have in common: clients that share a clock, a journal, connections, and an opinion of each node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from dynamo.checker.history import Bucket, Call, Outcome, Place, Return
from dynamo.client import answers, wire
from dynamo.client.answer import Answer
from dynamo.client.connection import Connections
from dynamo.client.results import ConnectionLost, NodeUnreachable
from dynamo.errors import Applied, DynamoError
from tests.chaos.journal import Journal
from tests.chaos.nodes import N

AVOIDED_S = 3.0
Understand = Callable[[Call, Answer, float], Return]
"""What an answer that came at that time says. Raises DynamoError for one that says no."""


@dataclass(slots=True)
class Crowd:
    """All clients of a run, and what they share."""

    journal: Journal
    endpoints: Mapping[str, str]
    """Node to host:port."""
    seed: int
    connections: Connections = field(default_factory=lambda: Connections(200))
    over: bool = False
    written_at: dict[Place, float] = field(default_factory=dict)
    """When each key was last written to, on the monotonic clock."""
    began: float = field(default_factory=time.monotonic)
    _operations: int = 0
    _avoided: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        """Seconds since the run began: the clock of the history."""
        return time.monotonic() - self.began

    def buckets(self) -> Mapping[str, wire.BucketOptions]:
        """The buckets that the clients use."""
        raise NotImplementedError

    async def make_buckets(self) -> None:
        """Make the buckets at the first node, and note what they are."""
        endpoint = next(iter(self.endpoints.values()))
        for name, options in self.buckets().items():
            answer = await self.connections.exchange(endpoint, wire.put_bucket(name, options), 4.0)
            made = answers.properties(answer)
            self.journal.add(Bucket(name, made.mode.value, options.get("n", N)))

    async def run(self) -> None:
        """Until `over` is set."""
        raise NotImplementedError

    async def conclude(self) -> None:
        """What is asked for when all faults have ended, and the load."""

    async def ask(self, call: Call, request: wire.Call, timeout_s: float, understand: Understand) -> Return:
        """One attempt at one node, written down; a node that did not answer is avoided for a while."""
        self.journal.add(call)
        try:
            answer = await self.connections.exchange(self.endpoints[call.via], request, timeout_s)
            returned = understand(call, answer, self.now())
        except DynamoError as error:
            if isinstance(error, NodeUnreachable | ConnectionLost):
                self.avoid(call.via)
            returned = failed(call, error, self.now())
        self.journal.add(returned)
        return returned

    def next_operation(self) -> int:
        self._operations += 1
        return self._operations

    def node(self, dice: Random) -> str:
        """A node to ask: any but those that did not answer just now."""
        now = time.monotonic()
        usable = [node for node in self.endpoints if self._avoided.get(node, 0.0) < now]
        return dice.choice(usable or list(self.endpoints))

    def avoid(self, node: str) -> None:
        self._avoided[node] = time.monotonic() + AVOIDED_S


def failed(asked: Call, error: DynamoError, now: float) -> Return:
    """An error as the history knows it: of a read, or of a change that is sure not to have been made, a failure."""
    said = error.members.get("applied", error.applied)
    is_certain = asked.kind == "get" or Applied(str(said)) is Applied.NO
    outcome: Outcome = "fail" if is_certain else "unknown"
    return Return(asked.op, now, outcome, error=error.code)
