"""Anti-entropy between real processes: a node that was killed, and one that lost its disk, get what they lack."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys

import pytest

from dynamo.client.client import AsyncClient
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.at_rest import content
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

KEYS = 8_000
AT_ONCE = 64
BUCKET = "carts"
# What is compared takes no turn by the clock, and nothing else brings what was missed.
SETTINGS = (
    "[hints]\nenabled = false\n[requests]\nread_all_share = 0.0\n[repair]\nperiod_s = 36000.0\nkeys_per_s_max = 4000"
)


async def _fill(endpoints: list[str], keys: range) -> None:
    left = iter(keys)

    async def work(client: AsyncClient) -> None:
        for number in left:
            await client.put(BUCKET, b"user%d/cart" % number, b"value %d" % number)

    async with AsyncClient(endpoints, timeout_s=20) as client:
        await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))


def leaves(node: NodeProcess) -> dict[bytes, bytes]:
    """Every Merkle leaf of a node that is down: equal leaves are equal records."""
    return content(node.directory / "data")[Keyspace.DIGESTS]


def repair(cluster: ClusterRig, *words: str) -> dict:
    """Run `dynamo repair`; what it prints as JSON."""
    ops = ",".join(f"127.0.0.1:{node.ops_port}" for node in cluster.nodes)
    command = [sys.executable, "-m", "dynamo", "repair", *words, "--ops", ops, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture
def cluster(tmp_path):
    with running_cluster(tmp_path, settings=SETTINGS) as made:
        yield made


def test_a_killed_node_is_repaired_by_a_run(cluster):
    """8,000 keys written without it, without hints: after `dynamo repair run --wait` it holds the same bytes."""
    one, two, three = cluster.nodes
    three.kill()
    asyncio.run(_fill([one.address, two.address], range(KEYS)))
    three.start()
    three.wait_ready()
    cluster.wait_connected()
    assert three.metric("dynamo_store_keys") < KEYS
    said = repair(cluster, "run", "--wait", "--timeout", "20s")
    assert not said["failed"]
    assert sum(run["keys_repaired"] for run in said["runs"].values()) >= KEYS
    status = {node["node"]: node for node in repair(cluster, "status")["nodes"]}
    assert all(node["last_full_sweep_age_s"] is not None for node in status.values())
    cluster.end()
    assert leaves(one) == leaves(two) == leaves(three) != {}


def test_a_node_with_a_new_disk_is_rebuilt(cluster):
    """Its data directory is gone; it says what it lacks until it has it, and then holds the same bytes."""
    one, two, three = cluster.nodes
    asyncio.run(_fill(cluster.endpoints, range(2_000)))
    three.kill()
    shutil.rmtree(three.directory / "data")
    three.start()
    three.wait_ready()
    until(lambda: three.metric("dynamo_rebuilding_partitions") == 0, 60, lambda: "it is not rebuilt")
    repair(cluster, "run", "--wait", "--timeout", "20s")
    cluster.end()
    assert leaves(one) == leaves(two) == leaves(three) != {}
