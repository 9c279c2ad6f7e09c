"""Nodes killed with SIGKILL under load: every acknowledged write is still there, a clean stop keeps its promise too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import AsyncClient, Missing, Siblings, Value
from dynamo.errors import DynamoError
from tests.cluster.rig import ClusterRig, running_cluster

pytestmark = pytest.mark.cluster

WRITERS = 16


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path) as running:
        yield running


@pytest.mark.timeout(180)
def test_no_acknowledged_write_is_lost_when_nodes_are_killed_one_after_the_other(cluster: ClusterRig) -> None:
    """Each node in turn is killed and restarted while clients write at W=2; every acknowledged value is read at R=2."""
    acknowledged, failures = asyncio.run(_write_through_crashes(cluster))
    assert len(acknowledged) > 500, "the cluster hardly took a write"
    assert failures < len(acknowledged) // 2, "most writes failed although two of three nodes were alive at any time"
    lost = asyncio.run(_missing(cluster, acknowledged))
    assert lost == [], f"{len(lost)} acknowledged writes are gone, for instance {lost[:3]}"


@pytest.mark.timeout(120)
def test_all_nodes_killed_at_once_come_back_with_everything(cluster: ClusterRig) -> None:
    """SIGKILL to all three nodes in the middle of a load, start, and nothing acknowledged is missing."""
    acknowledged = asyncio.run(_write_until_all_are_killed(cluster))
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        node.wait_ready()
    cluster.wait_connected()
    assert len(acknowledged) > 100
    assert asyncio.run(_missing(cluster, acknowledged)) == []


@pytest.mark.timeout(90)
def test_a_clean_stop_exits_0_and_keeps_the_incarnation(cluster: ClusterRig) -> None:
    """SIGTERM ends each node with 0; after the next start the data and the identity are the same."""
    asyncio.run(_put(cluster, "stop", "key", b"kept"))
    before = [_incarnation(node.directory) for node in cluster.nodes]
    assert [node.stop() for node in cluster.nodes] == [0, 0, 0]
    cluster.start()
    assert [_incarnation(node.directory) for node in cluster.nodes] == before
    assert asyncio.run(_get(cluster, "stop", "key")) == {b"kept"}


def _incarnation(directory: Path) -> str:
    lines = (directory / "data" / "identity.toml").read_text().splitlines()
    return next(line for line in lines if line.startswith("incarnation"))


async def _write_through_crashes(cluster: ClusterRig) -> tuple[dict[str, set[bytes]], int]:
    acknowledged: dict[str, set[bytes]] = {}
    failed = [0]
    over = asyncio.Event()
    async with AsyncClient(cluster.endpoints) as client:
        writers = [asyncio.create_task(_write(client, w, acknowledged, failed, over)) for w in range(WRITERS)]
        for node in cluster.nodes:
            enough = len(acknowledged) + 150
            await _grown(acknowledged, enough, writers)
            await asyncio.to_thread(node.kill)
            await _grown(acknowledged, enough + 150, writers)
            node.start()
            await asyncio.to_thread(node.wait_ready)
            await asyncio.to_thread(cluster.wait_connected)
        over.set()
        await asyncio.gather(*writers)
    return acknowledged, failed[0]


async def _write_until_all_are_killed(cluster: ClusterRig) -> dict[str, set[bytes]]:
    acknowledged: dict[str, set[bytes]] = {}
    over = asyncio.Event()
    async with AsyncClient(cluster.endpoints) as client:
        writers = [asyncio.create_task(_write(client, w, acknowledged, [0], over)) for w in range(WRITERS)]
        await _grown(acknowledged, 300, writers)
        for node in cluster.nodes:
            node.signal(9)
        over.set()
        for node in cluster.nodes:
            assert node.process is not None
            await asyncio.to_thread(node.process.wait, 10)
        await asyncio.gather(*writers)
    return acknowledged


async def _write(
    client: AsyncClient, writer: int, acknowledged: dict[str, set[bytes]], failed: list[int], over: asyncio.Event
) -> None:
    """Blind writes of unique values: in a siblings bucket each acknowledged one must still be shown."""
    number = 0
    while not over.is_set():
        number += 1
        key, value = f"{writer}-{number}", f"{writer}:{number}".encode()
        try:
            await client.put("crash", key, value, w=2, timeout_s=3)
        except DynamoError:
            failed[0] += 1
        else:
            acknowledged.setdefault(key, set()).add(value)


async def _grown(acknowledged: dict[str, set[bytes]], size: int, writers: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(40):
        while len(acknowledged) < size:
            for writer in writers:
                if writer.done():
                    writer.result()
            await asyncio.sleep(0.02)


async def _missing(cluster: ClusterRig, acknowledged: dict[str, set[bytes]]) -> list[str]:
    lost = []
    async with AsyncClient(cluster.endpoints) as client:
        for key, values in acknowledged.items():
            if not values <= _values(await client.get("crash", key, r=2)):
                lost.append(key)
    return lost


async def _put(cluster: ClusterRig, bucket: str, key: str, value: bytes) -> None:
    async with AsyncClient(cluster.endpoints) as client:
        await client.put(bucket, key, value)


async def _get(cluster: ClusterRig, bucket: str, key: str) -> set[bytes]:
    async with AsyncClient(cluster.endpoints) as client:
        return _values(await client.get(bucket, key))


def _values(found: Value | Siblings | Missing) -> set[bytes]:
    if isinstance(found, Missing):
        return set()
    return {v.value for v in found.values} if isinstance(found, Siblings) else {found.value}
