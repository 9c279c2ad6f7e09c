import asyncio
import shutil

import pytest

from dynamo.workload import cluster as room
from dynamo.workload.cluster import beside_etcd, cluster
from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.systems import ETCD_INSTALL

SETTINGS = Settings(seconds=0.2, rounds=1, connections=6, keys=30, value_bytes=32, warm_up_s=0.05)
OURS = ["PUT W=2", "GET R=2", "GET R=1"]
pytestmark = pytest.mark.cluster


def test_our_cluster_alone(tmp_path):
    """Three rows without a fault, which says that every value read was the one put; durability is said."""
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = cluster(tmp_path, SETTINGS, loop, print)
    assert [row.operation for row in section.rows] == OURS
    assert [(row.faults, len(row.samples)) for row in section.rows] == [(0, 1)] * 3
    assert "synced" in " ".join(section.notes)
    assert section.ratios == []


@pytest.mark.skipif(shutil.which("etcd") is None, reason=ETCD_INSTALL)
def test_our_cluster_beside_etcd(tmp_path):
    """Ours and theirs in turn, operation by operation, a ratio for each pair, and what the comparison does not say."""
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = beside_etcd(tmp_path, SETTINGS, loop, print)
    assert [row.operation for row in section.rows[::2]] == OURS
    assert [row.system for row in section.rows] == ["dynamo", "etcd"] * 3
    assert [row.faults for row in section.rows] == [0] * 6
    assert len(section.ratios) == 3
    assert {*room.FAIRNESS} <= {*section.notes}


def test_without_etcd_our_cluster_is_measured_all_the_same(tmp_path, monkeypatch):
    """One line says what was skipped, and how to install it."""
    monkeypatch.setattr(room, "etcd_version", lambda: "")
    said: list[str] = []
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = beside_etcd(tmp_path, SETTINGS, loop, said.append)
    assert said[0] == section.skipped == ETCD_INSTALL
    assert [row.operation for row in section.rows] == OURS
