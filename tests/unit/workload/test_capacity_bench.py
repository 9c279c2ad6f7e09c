import asyncio
import os
from types import SimpleNamespace

import pytest

from dynamo.workload.capacity import KINDS
from dynamo.workload.capacity_bench import SYNC_BYTES, SYNCS, Timing, idle_us_per_s, sync_us
from dynamo.workload.capacity_run import run
from dynamo.workload.event_loop import new_event_loop


def test_a_sync_takes_time(tmp_path):
    """Of bytes that are there already, all of them written."""
    assert 0 < sync_us(tmp_path) < 1e6
    assert (tmp_path / "synced").read_bytes() == b"x" * SYNCS * SYNC_BYTES


def test_idle_is_the_mean_over_the_nodes():
    """This process, which waits meanwhile, twice: at most what a core can do."""
    cluster = SimpleNamespace(pids=[os.getpid(), os.getpid()])
    assert 0 <= idle_us_per_s(cluster, Timing(settle_s=0.0, idle_s=0.05)) < 2e6  # type: ignore[arg-type]


@pytest.mark.cluster
@pytest.mark.night
def test_a_run_measures_predicts_and_checks(tmp_path):
    """Three nodes, then four; each way of each kind is answered rightly, or ServerFailed is raised.

    A request to the one replica costs less than one that has to be handed over.
    """
    said: list[str] = []
    timing = Timing(
        seconds=0.5, check_seconds=0.5, sizes=(3, 4), connections=(3, 24), keys=300, settle_s=1.0, idle_s=0.5
    )
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        found = run(tmp_path, timing, loop, said.append)
    assert [(each.nodes, each.kind) for each in found.checked] == [(n, kind.name) for n in (3, 4) for kind in KINDS]
    assert all(each.measured_rate > 0 < each.predicted_rate for each in found.checked)
    for points in found.points.values():
        assert [each.connections for each in points] == [3, 24]
        assert points[0].alone_us < points[0].anywhere_us
    assert found.inputs.costs["PUT W=2"].syncs > 10 * found.inputs.costs["GET R=1"].syncs
    assert any("4 nodes that nobody asks" in line for line in said)
