"""Real nodes on other data than they had last: an older copy ends itself and says why, an empty one is filled."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import Client, Missing, Siblings
from tests.cluster.rig import EXIT_S, ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

SETTINGS = """
[requests]
timeout_s = 1.0
timeout_max_s = 1.0
[hints]
after_s = 0.2
[tombstones]
age_min_s = 1.0
settle_s = 2.0
period_s = 0.5
[repair]
period_s = 2.0
settle_s = 0.2
"""
REAPED_S = 70.0
"""A second of age, 21 s between the looks of a cluster of three with these settings, and time to spare."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path, settings=SETTINGS) as running:
        yield running


def ask(node: NodeProcess, method: str, key: str, body: bytes | None = None, query: str = "") -> int:
    """The status of one request."""
    url = f"http://{node.address}/v1/kv/things/{key}{query}"
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def held(node: NodeProcess) -> int:
    """Records in a node's store."""
    return int(node.metric("dynamo_store_keys"))


@pytest.mark.night
@pytest.mark.timeout(240)
def test_an_older_copy_of_the_data_is_refused_and_an_empty_start_is_filled(cluster: ClusterRig) -> None:
    """The copy is from before a delete that all nodes have forgotten since: only its peers can know."""
    first, _, third = cluster.nodes
    assert ask(first, "PUT", "gone", b"old", "?w=3") == 204
    assert ask(first, "PUT", "kept", b"v", "?w=3") == 204
    assert third.stop() == 0
    copy = third.directory / "copy"
    shutil.copytree(third.directory / "data", copy)
    third.start()
    third.wait_ready()
    cluster.wait_connected()
    until(lambda: ask(first, "DELETE", "gone", query="?w=3&sloppy=false") == 204, 20, lambda: "no delete")
    until(
        lambda: all(held(node) == 1 for node in cluster.nodes),
        REAPED_S,
        lambda: f"not reaped: {[held(node) for node in cluster.nodes]}",
    )
    assert third.stop() == 0
    shutil.rmtree(third.directory / "data")
    shutil.copytree(copy, third.directory / "data")
    third.start()
    assert third.process is not None
    assert third.process.wait(EXIT_S) == 1
    said = [json.loads(line) for line in third.log.read_text().splitlines() if "outdated-store" in line]
    assert "runs on an older copy of its data" in said[-1]["problem"]
    assert "Move the data directory away and start with an empty one" in said[-1]["problem"]
    shutil.move(third.directory / "data", third.directory / "moved-away")
    third.start()
    third.wait_ready()
    cluster.wait_connected()
    until(lambda: ask(third, "GET", "kept", query="?r=3") == 200, 20, lambda: "no read of all replicas")
    until(lambda: held(third) == 1, 30, lambda: f"{held(third)} records on the node that started empty")
    for node in cluster.nodes:
        for r in (1, 2, 3):
            assert ask(node, "GET", "gone", query=f"?r={r}") == 404
            assert ask(node, "GET", "kept", query=f"?r={r}") == 200


@pytest.mark.timeout(120)
def test_a_wiped_node_comes_back_under_another_incarnation(cluster: ClusterRig) -> None:
    """It is let in, mints no dot again, and nothing that a quorum acknowledged is lost."""
    first, _, third = cluster.nodes
    for number in range(20):
        assert ask(third, "PUT", f"k{number}", b"before", "?w=2") == 204
    before = incarnation(third)
    third.kill()
    shutil.rmtree(third.directory / "data")
    third.start()
    third.wait_ready()
    cluster.wait_connected()
    assert incarnation(third) != before
    for number in range(20):
        until(lambda number=number: ask(third, "PUT", f"k{number}", b"after", "?w=2") == 204, 10, lambda: "no write")  # type: ignore[misc]
    for number in range(20):
        assert values(first, f"k{number}") == {b"before", b"after"}


def incarnation(node: NodeProcess) -> str:
    lines = (node.directory / "data" / "identity.toml").read_text().splitlines()
    return next(line for line in lines if line.startswith("incarnation"))


def values(node: NodeProcess, key: str) -> set[bytes]:
    """All values of a key, as a read of a quorum shows them."""
    with Client([node.address]) as client:
        found = client.get("things", key.encode(), r=2, timeout_s=1.0)
    if isinstance(found, Missing):
        return set()
    return {value.value for value in found.values} if isinstance(found, Siblings) else {found.value}
