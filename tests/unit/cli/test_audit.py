"""`dynamo audit` over operations listeners that stand in for nodes."""

import json
from collections.abc import Iterator

import pytest

from tests.unit.cli.operations_nodes import OperationsNodes

SOUND = {
    "partitions_done": 0,
    "partitions": 8,
    "entries": 100,
    "damaged": 0,
    "leaves_rewritten": 0,
    "unreadable": 0,
    "in_doubt": 0,
    "finished_age_s": 60.0,
}


class Nodes(OperationsNodes):
    """Two operations listeners; a pass takes as many looks as `looks` says."""

    def __init__(self) -> None:
        super().__init__("node1", "node2")
        self.calls: list[tuple[str, str]] = []
        self.looks = 0
        self.facts: dict[str, dict[str, object]] = {"node1": dict(SOUND), "node2": dict(SOUND)}

    def answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        self.calls.append((node, method))
        running = method == "POST" or self.calls.count((node, "GET")) < self.looks
        return 200, {"node": node, "running": running, **self.facts[node]}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with Nodes().listening() as made:
        yield made


def test_status(cli, nodes):
    """A line for each node."""
    result = cli("audit", "status", "--ops", nodes.ops)
    assert result.code == 0
    assert [line.split()[0] for line in result.text.splitlines()] == ["node", "node1", "node2"]
    assert "1.0m ago" in result.text


@pytest.mark.parametrize("trouble", ["in_doubt", "unreadable"])
def test_damage_is_not_healthy(cli, nodes, trouble):
    """What is not brought back yet, or cannot be read."""
    nodes.facts["node2"][trouble] = 1
    result = cli("audit", "status", "--ops", nodes.ops, "--json")
    assert result.code == 3
    assert json.loads(result.text)["nodes"][1][trouble] == 1


def test_a_silent_node_is_not_healthy(cli, nodes):
    """It may hold damage."""
    nodes.kill("node2")
    result = cli("audit", "status", "--ops", nodes.ops, "--timeout", "1s")
    assert result.code == 3
    assert "node2: " in result.err


def test_run_waits_until_all_are_done(cli, nodes):
    """Asks each once, then looks."""
    nodes.looks = 2
    result = cli("audit", "run", "--ops", nodes.ops)
    assert result.code == 0
    assert nodes.calls.count(("node1", "POST")) == nodes.calls.count(("node2", "POST")) == 1
    assert nodes.calls.count(("node1", "GET")) == 2


def test_run_does_not_have_to_wait(cli, nodes):
    """For schedulers."""
    result = cli("audit", "run", "--no-wait", "--ops", nodes.ops)
    assert result.code == 0
    assert ("node1", "GET") not in nodes.calls


def test_a_run_that_takes_too_long(cli, nodes):
    """Is not healthy; it goes on."""
    nodes.looks = 10**6
    assert cli("audit", "run", "--ops", nodes.ops, "--timeout", "700ms").code == 3
