"""Requests that lay in the sockets of a process while it was stopped: nothing is made of them when it goes on."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import Client
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

SETTINGS = "[requests]\ntimeout_s = 1.0\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path, settings=SETTINGS) as running:
        yield running


@pytest.mark.timeout(90)
def test_a_write_that_waited_in_a_stopped_process_does_not_come_back(cluster: ClusterRig) -> None:
    """Its client gives up, repeats it through another node and replaces it; then the stopped node goes on."""
    stopped, other, _ = cluster.nodes
    stopped.signal(signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", stopped.client_port), timeout=20) as waiting:
            waiting.sendall(_put(stopped, b"old"))
            until(lambda: _is_held_dead(other, stopped), 15, lambda: "the stopped node was not found")
            with Client([other.address], token_aware=False) as client:
                client.put("carts", "k", b"old", idempotency_key="once")
                client.put("carts", "k", b"new", seen=client.get("carts", "k"))
                stopped.signal(signal.SIGCONT)
                answer = _answer(waiting)
                assert b" 503 " in answer.split(b"\r\n", 1)[0], answer
                assert json.loads(answer.partition(b"\r\n\r\n")[2])["applied"] == "no"
                until(lambda: not _is_held_dead(other, stopped), 15, lambda: "it did not come back")
                assert client.get("carts", "k", consistency="all").value == b"new"
    finally:
        stopped.signal(signal.SIGCONT)
    assert stopped.metric('dynamo_shed_requests_total{reason="stalled"}') == 1


def _put(node: NodeProcess, value: bytes) -> bytes:
    head = f"PUT /v1/kv/carts/k HTTP/1.1\r\nHost: {node.address}\r\nIdempotency-Key: once\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(value) + value


def _answer(connection: socket.socket) -> bytes:
    data = b""
    deadline = time.monotonic() + 15
    while b'"applied"' not in data and time.monotonic() < deadline:
        data += connection.recv(65536)
    return data


def _is_held_dead(observer: NodeProcess, node: NodeProcess) -> bool:
    nodes = json.loads(observer.operations("/admin/v1/cluster?timeout=200ms")[1])["nodes"]
    return next(each["seen"][observer.id] for each in nodes if each["id"] == node.id) == "dead"
