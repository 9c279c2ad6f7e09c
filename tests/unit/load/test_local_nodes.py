import signal
import sys
from pathlib import Path

import pytest

from dynamo.load.faults import Fault
from dynamo.load.local_nodes import LocalNodes
from dynamo.workload.processes import Child

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def nodes(tmp_path: Path):
    """Two nodes whose processes do nothing at all."""
    made = LocalNodes(tmp_path, 2, 1)
    made.members = {"node1": [1, 2, 3], "node2": [4, 5, 6]}
    made.children = [Child(name, SLEEPER, tmp_path / f"{name}.log") for name in made.members]
    yield made
    made.stop()


def test_a_node_is_killed_and_started_again(nodes, tmp_path):
    """By name, with the configuration it had; one that runs is not started."""
    with pytest.raises(ProcessLookupError, match="node1 runs"):
        nodes.apply(Fault(0, "start", "node1"))
    first = nodes.children[0]
    nodes.apply(Fault(0, "kill", "node1"))
    first.wait(10)
    assert first.exit_code == -signal.SIGKILL
    nodes.apply(Fault(0, "start", "node1"))
    assert nodes.children[0].pid != first.pid
    # Nothing lies there that it could start with, which it says.
    nodes.children[0].wait(20)
    assert str(tmp_path / "node1.toml") in nodes.children[0].log_tail()
    assert nodes.children[1].exit_code is None


def test_what_was_paused_goes_on_before_the_end(nodes):
    """Else it could not be asked to end."""
    nodes.apply(Fault(0, "pause", "node2"))
    nodes.apply(Fault(0, "pause", "node1"))
    nodes.apply(Fault(0, "resume", "node1"))
    child = nodes.children[1]
    nodes.stop()
    assert child.exit_code == -signal.SIGTERM


def test_nodes_that_predict(tmp_path):
    """For the run's own N, and within it; others as they come."""
    assert LocalNodes(tmp_path, 5, 5, predicts=True).settings == "[buckets]\nn = 5\n[pbs]\nperiod_s = 10.0\n"
    assert LocalNodes(tmp_path, 5, 5).settings == ""


def test_where_the_nodes_are_watched(nodes):
    """Their third port."""
    assert nodes.operations == [("127.0.0.1", 3), ("127.0.0.1", 6)]
