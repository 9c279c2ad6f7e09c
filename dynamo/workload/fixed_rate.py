"""One measurement at a rate that is given, the same for every system: how long an answer takes while there is room.

A closed loop at full load says little about latency: with so many connections it is their number divided by the rate.
Here requests are due at fixed times, and each one's time counts from when it was due (see `open_loop.py`), so that a
pause of the server is seen by all that arrive during it. What was not answered within the timeout, or found no
connection, has no latency: it shows as a rate below the one that was asked for.
"""

from __future__ import annotations

import itertools

from dynamo.workload.arrivals import Phase
from dynamo.workload.comparison import Contender, Settings
from dynamo.workload.cpu import Meter
from dynamo.workload.open_loop import OpenLoop
from dynamo.workload.processes import ServerFailed
from dynamo.workload.runner import Sample

TIMEOUT_S = 2.0


def fixed_rate(contender: Contender, settings: Settings, rate: float) -> Sample:
    """Measure at that many requests a second, after a warm-up. Raises ServerFailed if the system cannot be reached."""
    operation, system = contender.operation, contender.system
    positions = itertools.cycle(operation.keys.walk())
    phases = [
        Phase(name="warm-up", rate=rate, seconds=settings.warm_up_s),
        Phase(name="measured", rate=rate, seconds=settings.seconds),
    ]
    try:
        loop = OpenLoop(operation, positions, system.endpoints, settings.connections, system.wire, fine=True)
        meter = Meter(system.pids)
        before = meter.read()
        tally = loop.run(phases, TIMEOUT_S)
        used = meter.read().since(before)
    except (ProcessLookupError, OSError) as problem:
        raise ServerFailed(f"{system.name} ended during {operation.name}: {problem}") from problem
    warm_up, measured = tally.phases
    # Processor time is read around both phases, so it is divided by the answers of both.
    answers = max(1, warm_up.good + measured.good)
    seconds = settings.warm_up_s + settings.seconds
    return Sample(
        requests=measured.good,
        seconds=settings.seconds,
        rate=measured.goodput,
        p50_ms=measured.good_ms(50),
        p99_ms=measured.good_ms(99),
        max_ms=measured.good_ms(100),
        server_cpu_us=used.servers_s * 1e6 / answers,
        client_cpu_us=used.client_s * 1e6 / answers,
        others_cores=used.others_s / seconds,
        faults=warm_up.failed + measured.failed,
        first_fault=warm_up.first_failure or measured.first_failure,
    )
