"""`dynamo repair` over operations listeners that stand in for nodes."""

import json
from collections.abc import Iterator

import pytest

from tests.unit.cli.operations_nodes import OperationsNodes

COUNTS = {
    "exchanges": 0,
    "failed": 0,
    "keys_compared": 0,
    "keys_differing": 0,
    "keys_repaired": 0,
    "keys_failed": 0,
    "bytes_sent": 0,
}


class Nodes(OperationsNodes):
    """Two operations listeners; a run takes as many looks as it has exchanges."""

    def __init__(self) -> None:
        super().__init__("node1", "node2")
        self.posts: list[tuple[str, str]] = []
        self.runs: dict[str, dict[str, object]] = {}
        self.ends_with: dict[str, object] = {}
        self.forgets = False

    def answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        if method == "POST":
            self.posts.append((node, path))
            self.runs[node] = {
                **COUNTS,
                "number": 1,
                "state": "waiting",
                "bucket": None,
                "partition": None,
                "exchanges_due": 3,
                "peers_away": [],
            }
            return 202, {"node": node, "run": self.runs[node]}
        run = self.runs.get(node)
        if run is not None and run["state"] != "finished":
            run.update(state="running", exchanges=run["exchanges"] + 1)
            if run["exchanges"] == 3:
                run.update(state="finished", keys_repaired=7, **self.ends_with)
        sweep = {**COUNTS, "number": 1, "state": "running", "exchanges": 5, "exchanges_due": 9, "peers_away": []}
        return 200, {
            "node": node,
            "enabled": True,
            "rebuilding_partitions": [1, 2] if node == "node2" else [],
            "last_full_sweep_age_s": 90.0 if node == "node1" else None,
            "sweep": sweep,
            "run": None if self.forgets else run,
            "total": {**COUNTS, "keys_repaired": 12},
        }


@pytest.fixture
def nodes(monkeypatch) -> Iterator[Nodes]:
    monkeypatch.setattr("dynamo.cli.repair._LOOK_S", 0.01)
    with Nodes().listening() as made:
        yield made


def test_a_run_on_every_node(cli, nodes):
    """Begun, and not waited for."""
    result = cli("repair", "run", "--ops", nodes.ops)
    assert result.code == 0
    assert sorted(nodes.posts) == [("node1", "/admin/v1/repair"), ("node2", "/admin/v1/repair")]
    assert [line.split()[:2] for line in result.text.splitlines()[1:]] == [["node1", "waiting"], ["node2", "waiting"]]


def test_a_run_of_a_part(cli, nodes):
    """The scope travels."""
    assert cli("repair", "run", "--bucket", "carts", "--partition", "3", "--ops", nodes.ops).code == 0
    assert {path for _, path in nodes.posts} == {"/admin/v1/repair?bucket=carts&partition=3"}


def test_a_run_that_is_waited_for(cli, nodes):
    """Until it is finished everywhere."""
    result = cli("repair", "run", "--wait", "--json", "--ops", nodes.ops)
    assert result.code == 0
    said = json.loads(result.text)
    assert {node: (run["state"], run["keys_repaired"]) for node, run in said["runs"].items()} == {
        "node1": ("finished", 7),
        "node2": ("finished", 7),
    }


@pytest.mark.parametrize("ends_with", [{"failed": 1}, {"keys_failed": 2}, {"peers_away": ["node3"]}])
def test_a_run_that_could_not_compare_everything(cli, nodes, ends_with):
    """Is a failure for who waits."""
    nodes.ends_with = ends_with
    assert cli("repair", "run", "--wait", "--ops", nodes.ops).code == 1


def test_a_run_that_a_restart_has_forgotten(cli, nodes):
    """Is never done, and so a failure."""
    nodes.forgets = True
    assert cli("repair", "run", "--wait", "--ops", nodes.ops).code == 1


def test_status(cli, nodes):
    """A line for each node: sweep, last full one, what is still being rebuilt."""
    result = cli("repair", "status", "--ops", nodes.ops)
    assert result.code == 0
    _, one, two = result.text.splitlines()
    assert one.split()[:4] == ["node1", "5/9", "1.5m", "ago"]
    assert two.split()[:3] == ["node2", "5/9", "never"]
    assert two.split()[-2:] == ["2", "-"]
    shown = json.loads(cli("repair", "status", "--json", "--ops", nodes.ops).text)
    assert [node["node"] for node in shown["nodes"]] == ["node1", "node2"]


def test_a_node_that_does_not_answer(cli, nodes):
    """Is named, and the cluster is not healthy."""
    nodes.kill("node2")
    result = cli("repair", "status", "--ops", nodes.ops)
    assert result.code == 3
    assert "node2" in result.err
    assert cli("repair", "run", "--ops", nodes.ops).code == 3
