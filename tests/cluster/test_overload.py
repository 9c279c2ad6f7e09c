"""A flood of clients against real nodes: it is refused in good form, and nobody else has to suffer for it."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest

from dynamo.client import Client
from dynamo.errors import CATALOGUE
from dynamo.workload.arrivals import Phase
from dynamo.workload.generator import Load, generate
from dynamo.workload.memory import resident_bytes
from dynamo.workload.tally import Tally
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

INFLIGHT_MAX = 8
VALUE_BYTES = 4096
FLOOD_S = 6.0
GROWTH_BYTES_MAX = 64 * 2**20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path_factory.mktemp("flood"), settings=f"[limits]\ninflight_max = {INFLIGHT_MAX}") as made:
        yield made


class Flood:
    """More requests than three nodes may work on, from a process of its own, for FLOOD_S."""

    def __init__(self, cluster: ClusterRig) -> None:
        self._load = Load(
            verb="put",
            quorum=2,
            bucket="flood",
            endpoints=[("127.0.0.1", node.client_port) for node in cluster.nodes],
            connections=600,
            timeout_ms=2000,
            keys=2000,
            value_bytes=VALUE_BYTES,
            seed=1,
        )
        self.tally: Tally | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.tally = generate(self._load, [Phase(name="flood", rate=6000, seconds=FLOOD_S)], [None])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()


def put(node: NodeProcess, key: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", node.client_port, timeout=10)
    try:
        connection.request("PUT", f"/v1/kv/flood/{key}", b"v", {"Request-Id": f"mine-{key}"})
        response = connection.getresponse()
        return response.status, dict(response.headers.items()), response.read()
    finally:
        connection.close()


def shed(cluster: ClusterRig) -> float:
    return sum(node.metric('dynamo_shed_requests_total{reason="overloaded"}') for node in cluster.nodes)


def test_a_flood_is_refused_and_nothing_else_suffers(cluster):
    """Problem documents for those above the limit; operators and peers have room of their own; memory does not grow;
    who tries again gets through; and seconds later nothing is left of it.
    """
    assert put(cluster.nodes[0], "before")[0] == 204
    assert cluster.nodes[0].process is not None
    pids = [node.process.pid for node in cluster.nodes if node.process is not None]
    before = [resident_bytes(pid) for pid in pids]
    largest = list(before)
    refusals: list[tuple[int, dict[str, str], bytes]] = []
    slowest_s, looks, through = 0.0, 0, 0
    with Flood(cluster) as flood, Client(cluster.endpoints, timeout_s=10.0) as client:
        until(lambda: shed(cluster) > 100 or flood.is_over, 30.0, lambda: "nothing was refused")
        while not flood.is_over:
            for node in cluster.nodes:
                began = time.monotonic()
                assert node.operations("/readyz")[0] == 200
                assert node.peers_up() == 2, "a flood of clients must not look like the death of a node"
                slowest_s = max(slowest_s, time.monotonic() - began)
                looks += 1
                answer = put(node, "during")
                if answer[0] != 204:
                    refusals.append(answer)
            client.put("flood", b"patient", b"v")
            through += 1
            largest = [max(most, resident_bytes(pid)) for most, pid in zip(largest, pids, strict=True)]

    assert flood.tally is not None
    (phase,) = flood.tally.phases
    assert phase.shed > 1000, phase
    assert phase.good > 100, "what a node can do, it does"
    assert phase.failed == 0, phase.first_failure
    assert looks >= 6
    assert slowest_s < 5, "operators wait for nobody's requests but their own"
    assert through > 0
    assert max(most - first for most, first in zip(largest, before, strict=True)) < GROWTH_BYTES_MAX
    check_refusals(refusals)
    for node in cluster.nodes:
        for peer in cluster.nodes:
            if peer is not node:
                assert node.metric(f'dynamo_peer_reconnects_total{{peer="{peer.id}"}}') == 0
    until(lambda: all(put(node, "after")[0] == 204 for node in cluster.nodes), 5.0, lambda: "still refusing")
    for node in cluster.nodes:
        assert node.metric("dynamo_inflight_requests") == 0


def check_refusals(refusals: list[tuple[int, dict[str, str], bytes]]) -> None:
    """Each is a whole problem, with the client's own id."""
    assert refusals, "a request beside the flood was never refused"
    for status, fields, body in refusals:
        problem = json.loads(body)
        assert (status, problem["code"], problem["applied"]) == (503, "overloaded", "no"), problem
        assert problem["title"] == CATALOGUE["overloaded"].title
        assert problem["instance"] == "urn:dynamo:request:mine-during" == f"urn:dynamo:request:{fields['Request-Id']}"
        assert fields["Content-Type"] == "application/problem+json"
        assert fields["Retry-After"] in ("1", "2", "3")
