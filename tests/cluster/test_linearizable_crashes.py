"""Coordinators of linearizable changes killed with SIGKILL: what was acknowledged is there, what was repeated, once."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from dynamo.client import wire
from dynamo.client.connection import Connections
from dynamo.errors import DynamoError
from dynamo.protocol.http_fields import IDEMPOTENCY_KEY, REPEATED
from tests.cluster.rig import ClusterRig, running_cluster, until

pytestmark = pytest.mark.cluster

BUCKET = "accounts"
CLIENTS = 12
KEYS = 4
TIMEOUT_S = 2.0
BETWEEN = 120
"""Acknowledged additions between one step of a test and the next."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path) as running:
        yield running


class Tellers:
    """Clients that add 1 to a few keys, each time until it is acknowledged, always under the same identity."""

    def __init__(self, cluster: ClusterRig, first: int = 0) -> None:
        self.cluster = cluster
        self.first = first
        """The node that is asked first; repeats go to the next ones in turn."""
        self.acknowledged = [0] * KEYS
        self.attempts = 0
        self.repeated = 0
        """Answers that said that the change had been made before."""
        self.over = False
        self.connections = Connections(64)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(CLIENTS):
                group.create_task(self._work(client))

    async def _work(self, client: int) -> None:
        for number in itertools.count():
            if self.over:
                return
            await self.add(number % KEYS, f"{client}-{number}")

    async def add(self, key: int, identity: str) -> None:
        """One addition, asked for again and again until somebody says that it was made."""
        endpoints = self.cluster.endpoints
        for attempt in itertools.count(self.first):
            self.attempts += 1
            try:
                answer = await self.connections.exchange(
                    endpoints[attempt % len(endpoints)], _addition(key, identity), TIMEOUT_S
                )
            except DynamoError:
                # Nobody knows whether it was made.
                await asyncio.sleep(0.05)
                continue
            if answer.status == 200:
                self.acknowledged[key] += 1
                self.repeated += answer.headers.get(REPEATED) == "true"
                return
            assert answer.status in (503, 504), (answer.status, answer.body)
            await asyncio.sleep(0.05)

    async def grown(self, by: int, load: asyncio.Task[None]) -> None:
        """Wait until so many more were acknowledged."""
        wanted = sum(self.acknowledged) + by
        async with asyncio.timeout(60):
            while sum(self.acknowledged) < wanted:
                assert not load.done(), load.exception()
                await asyncio.sleep(0.02)

    async def sums(self) -> list[int]:
        """What the keys hold, as each node in turn sees it."""
        found = []
        for key in range(KEYS):
            seen = set()
            for endpoint in self.cluster.endpoints:
                answer = await self.connections.exchange(endpoint, wire.read(BUCKET, _key(key), None, {}), 5.0)
                assert answer.status == 200, answer.body
                seen.add(int(answer.body))
            assert len(seen) == 1, f"nodes disagree about key {key}: {seen}"
            found.extend(seen)
        return found


@pytest.mark.timeout(180)
def test_each_addition_counts_once_whoever_is_killed(cluster: ClusterRig) -> None:
    """The node that all ask first is killed under load and started, then the next; repeats go through the others."""
    tellers, sums = asyncio.run(_through_kills(cluster))
    assert sums == tellers.acknowledged
    assert sum(sums) > 4 * BETWEEN
    assert tellers.attempts > sum(sums), "no addition had to be repeated: nothing was killed at work"


@pytest.mark.timeout(180)
def test_all_nodes_killed_at_once_keep_what_they_acknowledged(cluster: ClusterRig) -> None:
    """SIGKILL to all three under load, start, and the same additions go on: each counts once."""
    tellers, sums = asyncio.run(_through_a_blackout(cluster))
    assert sums == tellers.acknowledged
    assert tellers.attempts > sum(sums)


@pytest.mark.timeout(180)
def test_a_node_that_lost_its_disk_votes_only_for_what_it_has_heard(cluster: ClusterRig) -> None:
    """Its disk is taken away under load; when it votes again, another one goes: what it votes for is what it had."""
    tellers, sums = asyncio.run(_through_a_wipe(cluster))
    assert sums == tellers.acknowledged
    assert sum(sums) > 3 * BETWEEN


@pytest.mark.timeout(120)
def test_a_repeat_after_the_coordinator_was_killed_is_answered_as_the_first_time(cluster: ClusterRig) -> None:
    """The version of then, and that it is a repeat."""
    first, again = asyncio.run(_repeated(cluster))
    assert first["version"] == again["version"] == 1
    assert (first["repeated"], again["repeated"]) == (False, True)


async def _through_kills(cluster: ClusterRig) -> tuple[Tellers, list[int]]:
    async def steps(tellers: Tellers, load: asyncio.Task[None]) -> None:
        for number, node in enumerate(cluster.nodes[:2]):
            tellers.first = number
            await tellers.grown(BETWEEN, load)
            await asyncio.to_thread(node.kill)
            await tellers.grown(BETWEEN, load)
            node.start()
            await asyncio.to_thread(node.wait_ready)
            await asyncio.to_thread(cluster.wait_connected)

    return await _loaded(cluster, steps)


async def _through_a_blackout(cluster: ClusterRig) -> tuple[Tellers, list[int]]:
    async def steps(tellers: Tellers, load: asyncio.Task[None]) -> None:
        await tellers.grown(BETWEEN, load)
        for node in cluster.nodes:
            node.signal(9)
        for node in cluster.nodes:
            assert node.process is not None
            await asyncio.to_thread(node.process.wait, 10)
            node.start()
        for node in cluster.nodes:
            await asyncio.to_thread(node.wait_ready)
        await tellers.grown(BETWEEN, load)

    return await _loaded(cluster, steps)


async def _through_a_wipe(cluster: ClusterRig) -> tuple[Tellers, list[int]]:
    wiped, other, _ = cluster.nodes

    async def steps(tellers: Tellers, load: asyncio.Task[None]) -> None:
        await tellers.grown(BETWEEN, load)
        await asyncio.to_thread(wiped.kill)
        shutil.rmtree(wiped.directory / "data")
        await tellers.grown(BETWEEN, load)
        wiped.start()
        await asyncio.to_thread(wiped.wait_ready)
        await asyncio.to_thread(cluster.wait_connected)
        await asyncio.to_thread(
            until, lambda: wiped.metric("dynamo_rejoin_partitions") == 0, 60, lambda: "it does not vote again"
        )
        await asyncio.to_thread(other.kill)
        await tellers.grown(BETWEEN, load)
        other.start()
        await asyncio.to_thread(other.wait_ready)

    return await _loaded(cluster, steps)


async def _loaded(
    cluster: ClusterRig, steps: Callable[[Tellers, asyncio.Task[None]], Awaitable[None]]
) -> tuple[Tellers, list[int]]:
    """Take steps under load, let every addition come to its end, and look."""
    tellers = Tellers(cluster)
    await _make_bucket(tellers.connections, cluster)
    load = asyncio.create_task(tellers.run())
    try:
        await steps(tellers, load)
        tellers.over = True
        async with asyncio.timeout(60):
            await load
        return tellers, await tellers.sums()
    finally:
        load.cancel()
        await tellers.connections.close()


async def _repeated(cluster: ClusterRig) -> tuple[dict, dict]:
    connections = Connections(8)
    try:
        await _make_bucket(connections, cluster)
        first = await connections.exchange(cluster.endpoints[0], _addition(0, "once"), 5.0)
        await asyncio.to_thread(cluster.nodes[0].kill)
        async with asyncio.timeout(30):
            while (again := await connections.exchange(cluster.endpoints[1], _addition(0, "once"), 5.0)).status != 200:
                assert again.status in (503, 504), again.body
                await asyncio.sleep(0.05)
        return msgspec.json.decode(first.body), msgspec.json.decode(again.body)
    finally:
        await connections.close()


async def _make_bucket(connections: Connections, cluster: ClusterRig) -> None:
    made = await connections.exchange(cluster.endpoints[0], wire.put_bucket(BUCKET, {"mode": "linearizable"}), 5.0)
    assert made.status in (200, 201), made.body


def _key(number: int) -> bytes:
    return b"account-%d" % number


def _addition(number: int, identity: str) -> wire.Call:
    return wire.Call(
        method="POST",
        path=wire.object_path(BUCKET, _key(number), "/v1/cas"),
        headers={"Content-Type": "application/json", IDEMPOTENCY_KEY: identity},
        body=b'{"then": {"add": 1}}',
        bucket=BUCKET,
        key=_key(number),
        writes=True,
    )
