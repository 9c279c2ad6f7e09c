"""Real nodes that are stopped with SIGSTOP: found, not waited for, and back without anybody's help."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import Client
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

KNOWN_S = 15.0
FOUND_S = 12.0
BACK_S = 6.0
REQUESTS = 300
SLOWEST_S = 0.5
"""99 of 100 requests while a node is held dead: far below the 2 s that waiting for it would cost, far above a busy
machine's hiccups.
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path) as running:
        yield running


def seen(node: NodeProcess) -> dict[str, str]:
    """What the node holds the others to be."""
    nodes = json.loads(node.operations("/admin/v1/cluster?timeout=200ms")[1])["nodes"]
    return {other["id"]: other["seen"][node.id] for other in nodes if other["id"] != node.id}


def incarnations(node: NodeProcess, event: str) -> list[int]:
    """Of the third node, in what this node has logged of it under that name."""
    lines = [json.loads(line) for line in node.log.read_text().splitlines() if f'"{event}"' in line]
    return [line["incarnation"] for line in lines if line.get("peer") == "node3"]


@pytest.mark.timeout(120)
def test_a_stopped_process_is_found_and_comes_back(cluster: ClusterRig) -> None:
    """SIGSTOP leaves its connections up. Requests at quorum do not wait for it. After SIGCONT it contradicts, the
    others hold it alive under a greater incarnation, and all is as before.
    """
    one, two, three = cluster.nodes
    # Whose incarnation nobody has heard yet is held dead under an older one, and need not contradict to be back.
    probes = 'dynamo_probes_total{result="direct"}'
    until(lambda: min(one.metric(probes), two.metric(probes)) >= 3, KNOWN_S, lambda: "they do not know each other")
    with Client([one.address, two.address], token_aware=False) as client:
        client.put("carts", "k", b"v")
        three.signal(signal.SIGSTOP)
        try:
            until(
                lambda: seen(one)["node3"] == seen(two)["node3"] == "dead", FOUND_S, lambda: f"{seen(one)} {seen(two)}"
            )
            assert (seen(one)["node2"], seen(two)["node1"]) == ("alive", "alive")
            times = sorted(_timed(client, number) for number in range(REQUESTS))
        finally:
            three.signal(signal.SIGCONT)
        until(lambda: all(set(seen(node).values()) == {"alive"} for node in cluster.nodes), BACK_S, lambda: "not back")
        assert times[REQUESTS * 99 // 100] < SLOWEST_S, times[-5:]
        assert client.get("carts", "k").value == b"v"
    assert one.metric('dynamo_peer_state{peer="node3"}') == 0
    assert three.metric("dynamo_refutations_total") >= 1
    for watcher in (one, two):
        assert incarnations(watcher, "peer alive again")[-1] > incarnations(watcher, "peer dead")[-1]
    declared = [node.metric("dynamo_deaths_declared_total") for node in cluster.nodes]
    assert sum(declared[:2]) >= 1
    assert declared[2] == 0, "the node that was stopped accused others"


@pytest.mark.timeout(90)
def test_a_killed_process_is_not_asked_from_the_moment_it_is_gone(cluster: ClusterRig) -> None:
    """Its connections end with it: no request waits for it. Some seconds later it is held dead."""
    one, two, three = cluster.nodes
    with Client([one.address, two.address], token_aware=False) as client:
        client.put("carts", "k", b"v")
        three.kill()
        until(lambda: one.metric('dynamo_peer_up{peer="node3"}') == 0, 2.0, lambda: "its connection is still up")
        times = sorted(_timed(client, number) for number in range(REQUESTS))
        assert times[REQUESTS * 99 // 100] < SLOWEST_S, times[-5:]
    until(lambda: seen(one)["node3"] == seen(two)["node3"] == "dead", FOUND_S, lambda: f"{seen(one)} {seen(two)}")
    three.start()
    three.wait_ready()
    until(lambda: all(set(seen(node).values()) == {"alive"} for node in cluster.nodes), BACK_S, lambda: "not back")


def _timed(client: Client, number: int) -> float:
    """Seconds of one write and one read of a key of its own."""
    begun = time.monotonic()
    client.put("carts", f"k{number}", b"v")
    client.get("carts", f"k{number}")
    return time.monotonic() - begun
