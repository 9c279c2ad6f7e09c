"""What the generator costs by itself: its own processor time for each request, against a store in memory."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from dynamo.load.levels import weighted
from dynamo.load.plan import Plan
from dynamo.load.run import Nodes, Run
from dynamo.workload.mixes import PRESETS
from dynamo.workload.processes import Child, free_ports
from dynamo.workload.stages import Stage

RATES = (1000.0, 4000.0)
_RECORDS = 2_000


class Cost(NamedTuple):
    """One measurement."""

    what: str
    rate: float
    """Requests a second that were answered."""
    us: float
    """Processor time of the generator for each, in microseconds."""


def measure(seconds: float) -> list[Cost]:
    """As fast as it can (a closed loop) first, then open loops. Raises ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="dynamo-load-") as folder:
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "dynamo.load.memory_store", str(port)]
        store = Child("memory store", command, Path(folder) / "log")
        try:
            store.wait_until_ready(port, "/v1/buckets/load")
            found = [_measured("as fast as it can", port, 1.0, seconds, closed=True)]
            return found + [_measured(f"{rate:g}/s", port, rate, seconds, closed=False) for rate in RATES]
        finally:
            store.stop()


def _measured(what: str, port: int, rate: float, seconds: float, *, closed: bool) -> Cost:
    plan = Plan(
        run=1,
        seed=1,
        endpoints=[("127.0.0.1", port)],
        bucket="load",
        mode="lww",
        n=3,
        records=_RECORDS,
        mix=PRESETS["b"],
        reads=weighted("one,quorum"),
        writes=weighted("one,quorum"),
        stages=(Stage(seconds, rate, rate),),
        closed=closed,
        connections=32,
        verifies=False,
    )
    result = Run(plan, 1, Nodes(["memory store"]), watch=lambda _: None).go()
    return Cost(what, result.totals.done / seconds, result.client_us)
