"""Listing keys: now and then while faults come and go, and once in the end, when the answer is known."""

from __future__ import annotations

import asyncio
from random import Random

from dynamo.checker.history import Place, Version, Violation
from dynamo.errors import DynamoError
from dynamo.protocol.commands import Consistency, ListCommand, ListOutcome
from dynamo.simulation.cluster import Cluster, Running

PAUSE_S = 0.5
TIMEOUT_S = 1.0


class Lister:
    """One client that lists buckets."""

    def __init__(self, cluster: Cluster, places: list[tuple[str, bytes]], margin_s: float) -> None:
        self.violations: list[Violation] = []
        self._cluster = cluster
        self._places = places
        self._buckets = tuple(dict.fromkeys(bucket for bucket, _ in places))
        self._margin_s = margin_s
        self._dice: Random = cluster.world.stream("lister")

    async def run(self) -> None:
        """List now and then until cancelled. Each listing ends in time, with keys that somebody wrote, or an error."""
        while True:
            await self._cluster.world.sleep(self._dice.expovariate(1 / PAUSE_S))
            running = self._cluster.running.get(self._dice.choice(self._cluster.ids))
            level = self._dice.choice((Consistency.ONE, Consistency.QUORUM, Consistency.ALL))
            if running is not None:
                await self._list_once(running, self._dice.choice(self._buckets), level)

    async def _list_once(self, running: Running, bucket: str, level: Consistency) -> None:
        begun = self._cluster.world.now()
        task = asyncio.ensure_future(_listed(running, bucket, level, TIMEOUT_S))
        await asyncio.wait([task], timeout=TIMEOUT_S + self._margin_s)
        if not task.done():
            task.cancel()
            if running.life.alive and not running.life.was_paused_since(begun):
                self._found(bucket, f"a listing through {running.life.node} has not ended after its deadline")
        elif not isinstance(listed := task.result(), str):
            written = [key for place, key in self._places if place == bucket]
            strange = [key for key in listed if key.encode() not in written]
            if strange:
                self._found(bucket, f"{running.life.node} lists {strange}, which nobody wrote")

    async def compare(self, finals: dict[Place, Version]) -> None:
        """Every node lists exactly the keys that have a live value. All that was to expire has expired."""
        for bucket in self._buckets:
            alive = [key for (held, key), version in sorted(finals.items()) if held == bucket and _is_alive(version)]
            for name in self._cluster.ids:
                listed = await _listed(self._cluster.running[name], bucket, Consistency.ALL, TIMEOUT_S)
                if listed != alive:
                    self._found(bucket, f"{name} lists {listed}, and {alive} are alive")

    def _found(self, bucket: str, text: str) -> None:
        self.violations.append(Violation("wrong-list", (bucket, ""), text))


async def _listed(running: Running, bucket: str, level: Consistency, timeout_s: float) -> list[str] | str:
    """The keys, or the code of the error."""
    command = ListCommand(bucket=bucket, consistency=level)
    try:
        page: ListOutcome = await running.node.list_keys(command, running.clock.monotonic() + timeout_s, "")
    except DynamoError as error:
        return error.code
    return sorted(key.decode() for key, _ in page.entries)


def _is_alive(version: Version) -> bool:
    return any(sibling.value is not None and sibling.expires_at is None for sibling in version.siblings)
