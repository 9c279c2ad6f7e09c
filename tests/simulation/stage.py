"""A stage for directed stories: one quiet simulated cluster, and short words for what is done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.simulation.cluster import Cluster, Shape
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.network import Weather
from dynamo.simulation.world import World
from dynamo.versioning.clock import Clock
from dynamo.versioning.context import Context
from dynamo.versioning.record import Record, decode

BUCKET = "carts"
SIBLINGS = BucketProperties(name=BUCKET)
TIMEOUT_S = 2.0
LONGEST_S = 3600.0
AnyStage = TypeVar("AnyStage", bound="Stage")


class Stage:
    """A running cluster with one siblings bucket of n=3."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self._dice = cluster.world.stream("stage")

    async def write(
        self,
        via: str,
        key: bytes,
        value: bytes | None,
        *,
        w: int = 2,
        context: Clock | None = None,
        sloppy: bool | None = None,
        ttl_ms: int | None = None,
    ) -> WriteOutcome | DynamoError:
        """PUT (or, with None, DELETE) through a node."""
        command = WriteCommand(
            bucket=BUCKET,
            key=key,
            value=value,
            request=self._dice.randbytes(16),
            context=context,
            w=w,
            sloppy=sloppy,
            ttl_ms=ttl_ms,
        )
        return await self._ask(via, lambda node, deadline, done: node.write(command, deadline, "", done))

    async def read(
        self, via: str, key: bytes, *, r: int = 2, context: Context | None = None, sloppy: bool | None = None
    ) -> ReadOutcome | DynamoError:
        """GET through a node."""
        command = ReadCommand(bucket=BUCKET, key=key, r=r, sloppy=sloppy)
        if context is not None:
            command.context, command.context_hybrid = context.clock, context.hybrid
        return await self._ask(via, lambda node, deadline, done: node.read(command, deadline, "", done))

    async def _ask(self, via: str, ask: Callable[[Any, float, Callable[[Any], None]], None]) -> Any:
        running = self.cluster.running[via]
        answer: asyncio.Future[Any] = self.world.loop.create_future()
        ask(running.node, running.clock.monotonic() + TIMEOUT_S, answer.set_result)
        return await answer

    def primaries(self, key: bytes) -> tuple[str, ...]:
        return self.cluster.primaries(BUCKET, key)

    def record(self, node: str, key: bytes) -> Record | None:
        """What the node has on disk."""
        partition = self.cluster.running[node].node.preference.partition(BUCKET, key)
        data = self.cluster.platters[node].synced[Keyspace.RECORDS].get(record_key(partition, BUCKET, key))
        return None if data is None else decode(data)

    def values(self, node: str, key: bytes) -> set[bytes | None] | None:
        """The values that the node has on disk, None for a tombstone among them; None if it has nothing."""
        record = self.record(node, key)
        return None if record is None else {sibling.value for sibling in record.siblings}

    async def connected(self) -> None:
        """Let time pass until every running node reaches every other."""
        nodes = [running.node for running in self.cluster.running.values()]
        await self.until(lambda: all(a.peers.is_up(b.id) for a in nodes for b in nodes if a is not b), 10)

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Let time pass until the condition holds; fails if it does not in time."""
        deadline = self.world.now() + within_s
        while not condition():
            assert self.world.now() < deadline, f"not within {within_s} s"
            await self.world.sleep(0.05)


def play(
    story: Callable[[AnyStage], Coroutine[Any, Any, None]],
    shape: Shape | None = None,
    seed: int = 1,
    *,
    bucket: BucketProperties = SIBLINGS,
    stage: type[AnyStage] = Stage,
) -> None:
    """Build a cluster, wait until its nodes know each other and the bucket, play the story."""
    world = World(seed)
    cluster = Cluster(world, shape or Shape(), Weather(), DiskHabits())

    async def run() -> None:
        async with asyncio.timeout(LONGEST_S):
            cluster.start_all()
            await world.sleep(3.0)
            maker = cluster.running[cluster.ids[0]]
            await maker.node.put_bucket(bucket, maker.clock.monotonic() + 5.0)
            await world.sleep(3.0)
            await story(stage(cluster))

    world.run(run())
    assert world.unhandled == []
