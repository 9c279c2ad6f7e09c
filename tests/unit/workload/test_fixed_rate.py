import os
import signal
from pathlib import Path

import pytest

from dynamo.workload.comparison import Contender, Settings
from dynamo.workload.fixed_rate import fixed_rate
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Fixed
from dynamo.workload.processes import ServerFailed
from dynamo.workload.systems import BareServer

KEYS = KeySpace(1, 8, 4)
SETTINGS = Settings(seconds=0.3, connections=4, warm_up_s=0.1)
pytestmark = pytest.mark.cluster


def test_all_that_is_due_is_answered(tmp_path: Path):
    """The warm-up is not counted; a wrong answer is a fault; a system that is gone is a failure of it."""
    with BareServer(tmp_path, b"hi", None) as server:
        sample = fixed_rate(Contender(server, Fixed(KEYS, "/", b"hi")), SETTINGS, 100)
        assert (sample.faults, sample.seconds) == (0, 0.3)
        # Connections are four: on a machine that is busy a request may find none.
        assert 0 < sample.requests <= 30
        assert sample.rate == pytest.approx(sample.requests / 0.3)
        assert 0 < sample.p50_ms <= sample.p99_ms <= sample.max_ms
        wrong = fixed_rate(Contender(server, Fixed(KEYS, "/", b"ho")), SETTINGS, 100)
        assert (wrong.requests, wrong.first_fault) == (0, "status 200: hi")
        assert wrong.faults > 0
        os.kill(server.pids[0], signal.SIGKILL)
        server.children[0].wait(10)
        with pytest.raises(ServerFailed, match="bare aiohttp ended during GET"):
            fixed_rate(Contender(server, Fixed(KEYS, "/", b"hi")), SETTINGS, 100)
