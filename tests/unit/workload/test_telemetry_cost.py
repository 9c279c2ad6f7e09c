import asyncio

import pytest

from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.telemetry_cost import GOAL, telemetry_cost

SETTINGS = Settings(seconds=0.2, rounds=2, connections=4, keys=20, warm_up_s=0.05)


@pytest.mark.cluster
def test_the_same_nodes_are_measured_with_and_without(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """In turn, and all requests are answered rightly; the ratio is of each round, with a goal for GET alone."""
    asked: list[str] = []

    def noting(port: int, method: str, path: str, content: object) -> bytes:
        asked.append(path)
        return b""

    monkeypatch.setattr("dynamo.workload.telemetry_cost.asked", noting)
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = telemetry_cost(tmp_path, SETTINGS, loop, print)
    names = [f"{what}, {how}" for what in ("GET R=1", "PUT W=2") for how in ("judging", "not judging")]
    assert [row.operation for row in section.rows] == names
    assert [row.faults for row in section.rows] == [0, 0, 0, 0]
    get, put = section.ratios
    assert (get.goal, get.at_most, put.goal) == (GOAL, True, None)
    on, off = section.rows[:2]
    assert get.values == [a.server_cpu_us / b.server_cpu_us for a, b in zip(on.samples, off.samples, strict=True)]
    switched = [path.rpartition("=")[2] for path in asked]
    assert switched == (["true"] * 3 + ["false"] * 3) * 2 * SETTINGS.rounds
