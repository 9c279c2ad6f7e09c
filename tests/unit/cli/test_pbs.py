"""`dynamo pbs` over operations listeners that stand in for nodes."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from dynamo.cli.pbs import least_fresh
from dynamo.telemetry.pbs import Curve
from dynamo.telemetry.prediction import LIMITS, Prediction, quorum_prediction
from tests.unit.cli.operations_nodes import OperationsNodes


def predicted(*needs: float) -> dict[str, object]:
    quorums = [quorum_prediction(Curve(needs), quorum, 3) for quorum in ((1, 1), (1, 2), (2, 1))]
    return msgspec.to_builtins(Prediction(1, 3, len(needs), 100, quorums))


class Nodes(OperationsNodes):
    """Two operations listeners; the second has no prediction yet."""

    def __init__(self) -> None:
        super().__init__("node1", "node2")
        self.predictions: dict[str, object] = {"node1": predicted(0.0, 0.005), "node2": None}

    def answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        made = self.predictions[node]
        said = {"why_not": "" if made else "too few writes", "age_s": 3.0 if made else None, "limits": LIMITS}
        return 200, {"node": node, "replicas": 3, "prediction": made, **said}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with Nodes().listening() as made:
        yield made


def test_it_is_drawn_and_told(cli, nodes):
    """Curves, a line for each quorum, the limits, and who has none."""
    result = cli("pbs", "--ops", nodes.ops)
    assert result.code == 0
    assert "a: R=1 W=1  b: R=1 W=2  c: R=2 W=1  R+W>N: always 100%" in result.text
    rows = [line.split() for line in result.text.splitlines() if line.startswith("node1")]
    assert [row[1:7] for row in rows] == [[r, w, "50.0%", "50.0%", "100.0%", "100.0%"] for r, w in ("11", "12", "21")]
    assert all(f"- {limit}" in result.text for limit in LIMITS)
    assert "node2: no prediction: too few writes" in result.err


def test_as_json(cli, nodes):
    """What the nodes said."""
    result = cli("pbs", "--ops", nodes.ops, "--json")
    said = json.loads(result.text)
    assert [node["prediction"] is None for node in said["nodes"]] == [False, True]
    assert said["failed"] == {}


def test_a_silent_node_is_not_healthy(cli, nodes):
    """The others are shown all the same."""
    nodes.kill("node2")
    result = cli("pbs", "--ops", nodes.ops, "--timeout", "1s")
    assert result.code == 3
    assert "node2: " in result.err
    assert "node1" in result.text


def test_the_least_fresh_is_drawn():
    """Time by time, of all nodes."""
    early, late = predicted(0.0, 0.0, 0.1), predicted(0.01, 0.01, 0.01)
    curve = dict(least_fresh([early, late])[1, 1])
    assert curve[0.0] == 0.0
    assert curve[0.1] == pytest.approx(1.0)
    assert min(share for time_s, share in curve.items() if 0.02 < time_s < 0.09) == pytest.approx(2 / 3)
