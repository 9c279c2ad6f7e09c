import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynamo.growth import growth
from dynamo.growth.curve import Point
from dynamo.growth.footprint import Footprint
from dynamo.growth.growth import Plan, run, settle, shown
from dynamo.growth.idle_connections import IdleConnections
from dynamo.workload.processes import ServerFailed
from tests.unit.growth.figures import sample


class Unasked:
    """A cluster that nobody asks; `looks` is what its store says each time, the last again and again."""

    def __init__(self, looks: list[Footprint]) -> None:
        self.cluster = SimpleNamespace(pids=[], endpoints=[], children=[])
        self.operations = [SimpleNamespace(name="PUT"), SimpleNamespace(name="GET")]
        self.connections = 7
        self.began_s = -1e9
        self.looks = looks

    def footprints(self) -> list[Footprint]:
        return [self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]]


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch):
    """What a run asks for, with stages and measurements that cost nothing."""
    asked: list[tuple[str, int]] = []

    @contextmanager
    def stage(axis, size, tools):
        asked.append((axis.name, size))
        yield Unasked([Footprint(own_bytes=size)])

    async def measure(operation, endpoints, pace, meter):
        assert pace.connections == 7
        return sample(42.0)

    monkeypatch.setattr(growth, "stage", stage)
    monkeypatch.setattr(growth, "measure", measure)
    monkeypatch.setattr(growth, "IDLE_S", 0.0)
    idle = IdleConnections(count=2000, before_bytes=0, after_bytes=2000)
    monkeypatch.setattr(growth, "idle_connections", lambda *_: idle)
    return asked


def test_every_size_of_the_axes_that_are_asked_for(tmp_path: Path, stages):
    """In their order; each with what it takes when idle, and with each operation."""
    told: list[str] = []
    found = run(Plan(names=("keys", "nodes"), keys_max=100_000), tmp_path, lambda *_: None, told.append)
    assert stages == [("keys", 10_000), ("keys", 100_000), ("nodes", 3), ("nodes", 5), ("nodes", 7), ("nodes", 9)]
    keys, nodes = found.curves
    assert [(p.size, p.operation, p.cost_us) for p in keys.points[:2]] == [(10_000, "PUT", 42), (10_000, "GET", 42)]
    assert [each.footprint.own_bytes for each in nodes.standings] == [3, 5, 7, 9]
    assert found.idle is None
    assert "nodes: 9 nodes, GET  1,000/s, p50 1.00 ms, 42.0 us" in told


def test_connections_are_weighed_as_well(tmp_path: Path, stages):
    """On a node of its own, as many as the axis ends with."""
    assert run(Plan(names=("connections",)), tmp_path, lambda *_: None, print).idle is not None


def test_idle_begins_when_there_is_nothing_left_to_do():
    """Neither in the log what LMDB has not, nor a partition to compare."""
    at = Unasked([Footprint(memtable_bytes=9), Footprint(rebuilding=9), Footprint()])
    settle(at)  # type: ignore[arg-type]
    assert len(at.looks) == 1


def test_a_young_cluster_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    """Its first seconds have work of their own."""
    monkeypatch.setattr(growth, "AGE_S", 0.05)
    at = Unasked([Footprint()])
    at.began_s = time.monotonic()
    settle(at)  # type: ignore[arg-type]
    assert time.monotonic() >= at.began_s + 0.05


def test_a_log_that_is_never_taken_over_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    """Rather than measuring it as idle."""
    monkeypatch.setattr(growth, "SETTLE_S", 0.0)
    with pytest.raises(ServerFailed, match="still have something to do"):
        settle(Unasked([Footprint(memtable_bytes=9)]))  # type: ignore[arg-type]


def test_a_node_that_ends_is_told(tmp_path: Path, stages, monkeypatch: pytest.MonkeyPatch):
    """With what was being measured."""

    async def gone(*_):
        raise ProcessLookupError("process 7 is gone")

    monkeypatch.setattr(growth, "measure", gone)
    with pytest.raises(ServerFailed, match="ended during PUT: process 7 is gone"):
        run(Plan(names=("nodes",)), tmp_path, lambda *_: None, print)


def test_refusals_and_faults_are_shown():
    """In the line of progress already."""
    point = Point(size=1, operation="PUT", sample=sample(5.0, faults=2, refused=3))
    assert shown(point).endswith("3 refused, 2 FAULTS: status 500")
