"""`dynamo hints` over operations listeners that stand in for nodes."""

import json
import threading
from collections.abc import Iterator

import pytest

from tests.unit.cli.operations_nodes import OperationsNodes


class Nodes(OperationsNodes):
    """Three operations listeners, each with hints of its own."""

    def __init__(self) -> None:
        super().__init__("node1", "node2", "node3")
        self.calls: list[tuple[str, str, str]] = []
        self.hints: dict[str, dict[str, int]] = {"node1": {"node3": 5}, "node2": {}, "node3": {}}
        self.paused: set[str] = set()
        self.delivered = threading.Event()

    def answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        verb = path.partition("?")[0].rpartition("/")[2]
        self.calls.append((node, method, path))
        if verb == "drop":
            target = path.partition("target=")[2]
            if target not in self.hints[node]:
                return 400, {"detail": f"no hints for {target}"}
            return 200, {"dropped": self.hints[node].pop(target)}
        if verb == "wait" and self.hints[node]:
            if not self.delivered.wait(2 if path.endswith("=50ms") else 30):
                return 504, {"detail": "hints for node3 were not delivered"}
            self.hints[node] = {}
        if verb in ("pause", "resume"):
            (self.paused.add if verb == "pause" else self.paused.discard)(node)
        targets = [
            {"target": t, "count": n, "bytes": n * 100, "oldest_age_s": 90.0, "alive": False, "problem": "overloaded"}
            for t, n in self.hints[node].items()
        ]
        return 200, {"node": node, "paused": node in self.paused, "inflight": 0, "targets": targets}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with Nodes().listening() as made:
        yield made
        made.delivered.set()


def test_status(cli, nodes):
    """One line for each node that keeps some and whom they are for."""
    result = cli("hints", "status", "--ops", nodes.ops)
    assert result.code == 0
    assert result.text.splitlines()[1].split() == ["node1", "node3", "5", "500", "B", "1.5m", "down", "overloaded"]
    assert len(result.text.splitlines()) == 2


def test_status_without_hints(cli, nodes):
    """Is said, not an empty table."""
    nodes.hints["node1"] = {}
    result = cli("hints", "status", "--ops", nodes.ops)
    assert (result.code, result.text, result.err.strip()) == (0, "", "no hints")


def test_status_in_json(cli, nodes):
    """Each node's own answer."""
    found = json.loads(cli("hints", "status", "--ops", nodes.ops, "--json").out)
    assert [node["node"] for node in found["nodes"]] == ["node1", "node2", "node3"]
    assert found["nodes"][0]["targets"][0]["count"] == 5
    assert found["failed"] == {}


@pytest.mark.parametrize("verb", ["status", "pause", "resume", "wait"])
def test_a_node_that_does_not_answer_is_not_well(cli, nodes, verb: str):
    """It may keep hints, too."""
    nodes.hints["node1"] = {}
    nodes.kill("node2")
    result = cli("hints", verb, "--ops", nodes.ops)
    assert result.code == 3
    assert "node2: " in result.err


@pytest.mark.parametrize(("verb", "paused"), [("pause", {"node1", "node2", "node3"}), ("resume", set())])
def test_stop_and_go_are_for_every_node(cli, nodes, verb: str, paused: set[str]):
    """And the state that holds now is shown."""
    nodes.paused = {"node2"}
    result = cli("hints", verb, "--ops", nodes.ops)
    assert result.code == 0
    assert nodes.paused == paused
    assert result.err.count("is paused") == len(paused)
    assert {(method, path) for _, method, path in nodes.calls} == {("POST", f"/admin/v1/hints/{verb}")}


def test_drop_asks_first(cli, nodes):
    """Without a yes nothing happens."""
    result = cli("hints", "drop", "node3", "--ops", nodes.ops)
    assert result.code == 130
    assert nodes.calls == []


def test_drop(cli, nodes):
    """On all nodes; one that has none is no failure."""
    result = cli("hints", "drop", "node3", "--yes", "--ops", nodes.ops, "--json")
    assert result.code == 0
    assert json.loads(result.out) == {
        "target": "node3",
        "dropped": {"node1": 5, "node2": 0, "node3": 0},
        "failed": {},
    }


def test_drop_for_a_stranger(cli, nodes):
    """A name that is none of the cluster's is pointed out."""
    assert "node9 is no member" in cli("hints", "drop", "node9", "--yes", "--ops", nodes.ops).err


def test_wait_ends_when_all_is_delivered(cli, nodes):
    """Every node was asked once, and progress was shown meanwhile."""
    threading.Timer(1.2, nodes.delivered.set).start()
    result = cli("hints", "wait", "--ops", nodes.ops)
    assert (result.code, result.err.splitlines()[-1]) == (0, "all hints are delivered")
    waits = [node for node, _, path in nodes.calls if "/wait" in path]
    assert sorted(waits) == ["node1", "node2", "node3"]
    assert any(path == "/admin/v1/hints" for _, _, path in nodes.calls)


def test_wait_that_takes_too_long(cli, nodes):
    """3, and why."""
    result = cli("hints", "wait", "--timeout", "50ms", "--ops", nodes.ops, "--json")
    assert result.code == 3
    assert json.loads(result.out) == {
        "delivered": False,
        "failed": {"node1": "hints for node3 were not delivered"},
    }
