"""Hinted handoff between real processes: a node that was killed gets everything that was written without it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import AsyncClient, Value
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

BUCKET = "handoff"
KEYS = 300
# Nothing but hints may bring a value to where it was missed.
ONLY_HINTS = "[requests]\nread_all_share = 0.0\n[repair]\nenabled = false\n[audit]\nenabled = false\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path, 5, ONLY_HINTS) as running:
        yield running


def test_a_killed_node_gets_what_was_written_without_it(cluster: ClusterRig) -> None:
    """Written at W=2 and W=3 while one of five nodes is dead, kept over the death of a keeper, and then delivered:
    after `dynamo hints wait` the node alone has every value of its keys, byte for byte.
    """
    dead, keeper, *others = cluster.nodes
    asyncio.run(_write(cluster.nodes, {"before": b"before"}, w=3))
    dead.kill()
    alive = [keeper, *others]
    written = {f"key-{number}": b"value %d " % number * (1 + number % 50) for number in range(KEYS)}
    asyncio.run(_write(alive, dict(list(written.items())[: KEYS // 2]), w=2))
    asyncio.run(_write(alive, dict(list(written.items())[KEYS // 2 :]), w=3))
    mine = asyncio.run(_replicated_by(alive, dead.id, written))
    assert len(mine) > KEYS / 4

    pending = _pending(alive, dead.id)
    assert sum(pending.values()) == len(mine), "each of its keys has one hint somewhere"
    assert pending[keeper.id] > 0
    assert keeper.metric('dynamo_pending_hints{peer="node1"}') == pending[keeper.id]
    assert keeper.metric('dynamo_pending_hints_bytes{peer="node1"}') > 0
    keeper.kill()
    keeper.start()
    keeper.wait_ready()
    assert _pending(alive, dead.id) == pending, "a killed keeper has all its hints when it is back"
    late = _dynamo(alive, "hints", "wait", "--timeout", "1s")
    assert late.returncode == 3, "the target is still away"
    assert b"node1" in late.stderr

    dead.start()
    dead.wait_ready()
    waited = _dynamo(cluster.nodes, "hints", "wait", "--timeout", "60s")
    assert waited.returncode == 0, waited.stderr.decode()
    assert json.loads(_dynamo(cluster.nodes, "hints", "status", "--json").stdout)["nodes"][0]["targets"] == []
    assert sum(node.metric('dynamo_hints_total{event="delivered"}') for node in alive) >= len(mine)
    assert [node.metric('dynamo_pending_hints{peer="node1"}') for node in alive] == [0.0] * 4
    for node in alive:
        node.kill()
    assert asyncio.run(_read(dead, mine)) == mine


def test_an_operator_stops_and_drops(cluster: ClusterRig) -> None:
    """While it is paused nothing is delivered, over a restart; what is dropped is gone."""
    dead, keeper, *others = cluster.nodes
    dead.kill()
    alive = [keeper, *others]
    written = {f"key-{number}": b"%d" % number for number in range(40)}
    asyncio.run(_write(alive, written, w=2))
    pending = _pending(alive, dead.id)
    assert _dynamo(alive, "hints", "pause").returncode == 3, "the dead node could not be told"
    keeper.kill()
    keeper.start()
    dead.start()
    for node in (keeper, dead):
        node.wait_ready()
    cluster.wait_connected()
    waited = _dynamo(cluster.nodes, "hints", "wait", "--timeout", "3s")
    assert waited.returncode == 3
    assert b"paused" in waited.stderr
    assert _pending(alive, dead.id) == pending
    assert keeper.metric("dynamo_hint_delivery_up") == 0
    dropped = _dynamo(cluster.nodes, "hints", "drop", dead.id, "--yes", "--json")
    assert sum(json.loads(dropped.stdout)["dropped"].values()) == sum(pending.values())
    assert _dynamo(cluster.nodes, "hints", "resume").returncode == 0
    assert keeper.metric("dynamo_hint_delivery_up") == 1
    assert _dynamo(cluster.nodes, "hints", "wait", "--timeout", "10s").returncode == 0


def _dynamo(nodes: list[NodeProcess], *words: str) -> subprocess.CompletedProcess[bytes]:
    ops = ",".join(f"127.0.0.1:{node.ops_port}" for node in nodes)
    command = [sys.executable, "-m", "dynamo", *words, "--ops", ops]
    return subprocess.run(command, capture_output=True, check=False, timeout=90)


def _pending(nodes: list[NodeProcess], target: str) -> dict[str, int]:
    """How many hints each node keeps for the target."""
    counts = {}
    for node in nodes:
        found = json.loads(node.operations("/admin/v1/hints")[1])["targets"]
        counts[node.id] = sum(entry["count"] for entry in found if entry["target"] == target)
    return counts


async def _write(nodes: list[NodeProcess], values: dict[str, bytes], w: int) -> None:
    async with AsyncClient([node.address for node in nodes], timeout_s=10) as client:
        for key, value in values.items():
            await client.put(BUCKET, key, value, w=w)


async def _replicated_by(nodes: list[NodeProcess], replica: str, values: dict[str, bytes]) -> dict[str, bytes]:
    async with AsyncClient([node.address for node in nodes]) as client:
        places = {key: await client.locate(BUCKET, key) for key in values}
    homes = {key: [r.node for r in place.replicas if r.role == "primary"] for key, place in places.items()}
    return {key: values[key] for key, home in homes.items() if replica in home}


async def _read(node: NodeProcess, keys: dict[str, bytes]) -> dict[str, bytes]:
    async with AsyncClient([node.address], token_aware=False) as client:
        found = {key: await client.get(BUCKET, key, r=1) for key in keys}
    return {key: value.value for key, value in found.items() if isinstance(value, Value)}
