"""What all loads have in common: clients that share a clock, a journal, connections, and an opinion of each node."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from dynamo.checker.history import Bucket, Place
from dynamo.client import answers, wire
from dynamo.client.connection import Connections
from tests.chaos.journal import Journal
from tests.chaos.nodes import N

AVOIDED_S = 3.0


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
