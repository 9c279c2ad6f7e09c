import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

NODE = {
    "id": "node1",
    "host": "127.0.0.1",
    "client_port": 7610,
    "zone": "",
    "host_label": "h1",
    "state": "up",
    "version": "0.1.0",
    "keys": 3,
    "store_bytes": 4096,
    "uptime_s": 90.0,
    "partitions": 128,
    "seen": {"node2": "alive", "node3": "unknown"},
}
DOWN = {"id": "node2", "host": "127.0.0.1", "client_port": 7620, "zone": "b", "state": "down", "partitions": 128}


class Operations:
    """An operations listener that answers with `body`."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                """Keep standard error for the command."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port


@pytest.fixture
def operations() -> Iterator[Operations]:
    made = Operations()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_healthy_cluster_ends_with_0(cli, operations):
    """One line a node."""
    operations.body = json.dumps({"cluster": "c", "epoch": 2, "node": "node1", "nodes": [NODE]}).encode()
    result = cli("cluster", "status", "--ops", f"127.0.0.1:{operations.port}")
    assert result.code == 0
    assert "cluster c, epoch 2, as seen by node1" in result.err
    cells = result.text.splitlines()[1].split()
    assert cells == ["node1", "up", "alive", "127.0.0.1:7610", "-", "h1", "128", "3", "4.0", "KiB", "1.5m", "0.1.0"]


def test_a_node_that_is_down_ends_with_3(cli, operations):
    """It is named, and what is not known of it is a dash."""
    operations.body = json.dumps({"nodes": [NODE, DOWN]}).encode()
    result = cli("cluster", "status", "--ops", f"127.0.0.1:{operations.port}")
    assert result.code == 3
    assert "1 of 2 nodes do not answer: node2" in result.err
    assert result.text.splitlines()[2].split() == [
        "node2",
        "down",
        "-",
        "127.0.0.1:7620",
        "b",
        "-",
        "128",
        "-",
        "-",
        "-",
        "-",
    ]


@pytest.mark.parametrize(
    ("seen", "shown", "code"),
    [
        ({"node2": "alive", "node3": "suspect"}, "alive:1,suspect:1", 0),
        ({"node2": "dead", "node3": "dead"}, "dead", 3),
        ({"node2": "alive", "node3": "dead", "node4": "alive"}, "alive:2,dead:1", 3),
        ({"node2": "unknown"}, "-", 0),
        ({}, "-", 0),
    ],
)
def test_what_the_others_hold_a_node_to_be(cli, operations, seen: dict[str, str], shown: str, code: int):
    """One word if they agree. Held dead by anybody it is not healthy, though it answers."""
    operations.body = json.dumps({"nodes": [{**NODE, "seen": seen}]}).encode()
    result = cli("cluster", "status", "--ops", f"127.0.0.1:{operations.port}")
    assert (result.code, result.text.splitlines()[1].split()[2]) == (code, shown)
    assert ("held dead by others" in result.err) == (code == 3)


def test_json_is_the_nodes_own_answer(cli, operations):
    """For scripts, with the same exit code."""
    body = {"cluster": "c", "nodes": [NODE, DOWN]}
    operations.body = json.dumps(body).encode()
    result = cli("cluster", "status", "--ops", f"127.0.0.1:{operations.port}", "--json")
    assert (result.code, json.loads(result.out)) == (3, body)


def test_the_operations_listener_is_two_above_the_clients(cli, operations):
    """So that --endpoints is enough for a cluster with ordinary ports."""
    operations.body = json.dumps({"nodes": [NODE]}).encode()
    assert cli("cluster", "status", "--endpoints", f"127.0.0.1:1,127.0.0.1:{operations.port - 2}").code == 0


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"nodes": 3}'])
def test_an_answer_that_is_none_is_not_health(cli, operations, body: bytes):
    """Neither is silence."""
    operations.body = body
    result = cli("cluster", "status", "--ops", f"127.0.0.1:{operations.port},127.0.0.1:1")
    assert result.code == 3
    assert "no operations listener answered" in result.err
