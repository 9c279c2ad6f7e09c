import asyncio

import pytest

from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.telemetry_cost import GOAL, SLICES, telemetry_cost

SETTINGS = Settings(seconds=0.2, rounds=2, connections=4, keys=20, warm_up_s=0.05)


@pytest.mark.cluster
def test_the_same_nodes_are_measured_with_and_without(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """In turn, and all requests are answered rightly; the ratio is of each round, with a goal for GET alone.

    Other nodes, which do not even predict, are not told to judge or not to.
    """
    asked: list[str] = []

    def noting(port: int, method: str, path: str, content: object) -> bytes:
        asked.append(path)
        return b""

    monkeypatch.setattr("dynamo.workload.telemetry_cost.asked", noting)
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = telemetry_cost(tmp_path, SETTINGS, loop, print)
    names = [f"{what}, {how}" for what in ("GET R=1", "PUT W=2") for how in ("judging", "not judging")]
    assert [row.operation for row in section.rows] == ["GET R=1, all telemetry", "GET R=1, without", *names]
    assert [row.faults for row in section.rows] == [0] * 6
    whole, get, put = section.ratios
    assert (get.goal, get.at_most, put.goal, whole.goal) == (GOAL, True, None, GOAL)
    assert len(section.rows[0].samples) == 4 * SETTINGS.rounds
    assert len(get.values) == len(put.values) == len(whole.values) == SETTINGS.rounds
    switched = [path.rpartition("=")[2] == "true" for path in asked]
    assert switched == [on for on in SLICES for _ in range(3)] * 2 * SETTINGS.rounds
