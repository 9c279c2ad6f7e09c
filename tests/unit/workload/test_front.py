import asyncio
import os

import pytest

from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.front import GOAL, front

SETTINGS = Settings(seconds=0.2, rounds=2, connections=4, keys=20, warm_up_s=0.05)


@pytest.mark.cluster
def test_one_node_is_measured_beside_a_bare_server(tmp_path):
    """Both answer rightly, in turn; the ratios are of this run, and this process is pinned no longer than it lasts."""
    before = os.sched_getaffinity(0)
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = front(tmp_path, SETTINGS, loop, print)
    bare, ours = section.rows
    assert (bare.system, ours.system, ours.operation) == ("bare aiohttp", "dynamo", "GET R=1")
    assert (bare.faults, ours.faults) == (0, 0)
    rate, work = section.ratios
    assert rate.goal == GOAL
    assert rate.values == [a.rate / b.rate for a, b in zip(ours.samples, bare.samples, strict=True)]
    assert work.values == [b.server_cpu_us / a.server_cpu_us for a, b in zip(ours.samples, bare.samples, strict=True)]
    assert os.sched_getaffinity(0) == before
