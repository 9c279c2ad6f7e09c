import os
import signal
import time

import pytest

from dynamo.load.crew import Crew
from dynamo.load.memory_store import Store
from dynamo.load.plan import Share
from dynamo.load.says import Ended, Loaded, Ready, Told
from dynamo.load.worker import LOAD, RUN
from dynamo.workload.processes import ServerFailed, free_ports
from dynamo.workload.stages import Stage
from tests.unit.load.stage import listening, plan

WAIT_S = 20.0


def next_said(crew: Crew, kind: type):
    """The next thing of that kind that somebody says."""
    deadline = time.monotonic() + WAIT_S
    while True:
        heard = crew.hear(0.5)
        if heard is not None and isinstance(heard[1], kind):
            return heard[1]
        assert time.monotonic() < deadline


def test_workers_do_as_they_are_told():
    """Connect, load, run, and end early when they are asked to, with all they have seen."""
    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], stages=(Stage(60, 300, 300),), records=10)
        with Crew([Share(plan=asked, part=part, parts=2) for part in range(2)]) as crew:
            assert len(crew) == len(set(crew.pids)) == 2
            for _ in crew.pids:
                next_said(crew, Ready)
            crew.tell(LOAD)
            assert [next_said(crew, Loaded).problem for _ in crew.pids] == ["", ""]
            crew.tell(f"{RUN} {time.monotonic()!r}")
            assert next_said(crew, Told).counts.done > 0
            crew.stop()
            assert [next_said(crew, Ended).corrupt for _ in crew.pids] == ["", ""]


def test_a_worker_that_dies_is_a_failure():
    """It is said at once, and the others are ended."""
    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], records=10)
        with Crew([Share(plan=asked, part=0, parts=1)]) as crew:
            next_said(crew, Ready)
            os.kill(crew.pids[0], signal.SIGKILL)
            with pytest.raises(ServerFailed, match="worker 0 ended"):
                next_said(crew, Ended)


def test_a_worker_that_reaches_nobody_says_so():
    """With the address."""
    (port,) = free_ports(1)
    with Crew([Share(plan=plan(endpoints=[("127.0.0.1", port)]), part=0, parts=1)]) as crew:
        assert f"127.0.0.1:{port}" in next_said(crew, Loaded).problem
