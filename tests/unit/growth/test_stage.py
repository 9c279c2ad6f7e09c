import asyncio

import pytest

from dynamo.cli.stopped_store import numbered
from dynamo.growth import axes
from dynamo.growth.stage import BUCKET, STORED_VALUE_BYTES, Tools, stage
from dynamo.workload.cpu import Meter
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.runner import Pace, measure, once

PACE = Pace(connections=4, seconds=0.3, warm_up_s=0.1)


@pytest.fixture
def loop():
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        yield runner


def nothing_to_fill(*_) -> None:
    raise AssertionError("only the store that grows by keys is filled while it is down")


@pytest.mark.cluster
def test_a_store_is_filled_while_it_is_down(tmp_path, loop: asyncio.Runner):
    """Its node reads every key and writes over it, as if it had come by requests."""
    told: list[str] = []
    tools = Tools(tmp_path, loop, 1, numbered(STORED_VALUE_BYTES, told.append))
    with stage(axes.KEYS, 40, tools) as at:
        put, get = at.operations
        assert len(get.keys) == 40
        for operation in (get, put, get):
            recorder = loop.run(once(operation, at.cluster.endpoints, 4))
            assert (recorder.faults, recorder.first_fault, recorder.histogram.count) == (0, "", 40)
        (found,) = at.footprints()
        assert found.records == 40
        assert found.used_bytes > 0
    assert at.cluster.children == []


@pytest.mark.night
@pytest.mark.cluster
@pytest.mark.parametrize(("name", "size"), [("siblings", 3), ("values", 2**20), ("nodes", 5), ("partitions", 1024)])
def test_a_stage_answers_rightly(tmp_path, loop: asyncio.Runner, name: str, size: int):
    """Filled, written and read: each answer is the right one, and of siblings there stay as many."""
    with stage(axes.AXES[name], size, Tools(tmp_path, loop, 1, nothing_to_fill)) as at:
        for operation in at.operations:
            sample = loop.run(measure(operation, at.cluster.endpoints, PACE, Meter(at.cluster.pids)))
            assert (sample.faults, sample.first_fault) == (0, "")
            assert sample.requests > 0
        if name == "partitions":
            config = (at.folder / "node1.toml").read_text()
            assert f"partitions = {size}" in config
        assert len(at.cluster.pids) == (size if name == "nodes" else 3)
    assert BUCKET in at.operations[0].request(0).decode("latin-1")
