"""The model over 3 to 300 machines: what they carry, how long operations take at a part of that, and what grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from dynamo.workload.capacity import KINDS, Inputs, Kind, Layout, cost_us, mixed_cost_us, saturation
from dynamo.workload.queueing import STEPS, Job, Spread, at_once, mean_wait_us, utilisation

MACHINES = (3, 5, 9, 15, 30, 60, 100, 200, 300)
LOAD = 0.7
"""Of what the cluster carries; latencies are for it."""
SYNCS_WAITED = 1.5
"""An arrival finds a sync half done, as they follow each other, and then waits for its own."""
TIMES_THE_MEAN = 8
"""How far a grid of times reaches."""


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What is not measured."""

    cores: int = 4
    """Of a machine, each with one node."""
    n: int = 3
    in_flight: float = 16.0
    """Operations at each node."""
    round_trip_us: float = 200.0
    """Between two machines, and between a client and a machine."""
    by_token: bool = True
    mix: dict[str, float] = msgspec.field(default_factory=lambda: {"GET R=2": 0.9, "PUT W=2": 0.1})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One number of machines."""

    machines: int
    nodes: int
    links: int
    """Connections that a node keeps to others; as many come from them."""
    idle: float
    """Share of each core that goes to gossip and to comparing notes."""
    rates: dict[str, float]
    """Operations a second at saturation, by kind; and `mix`."""
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]


def lines(inputs: Inputs, assumed: Assumed, machines: Sequence[int] = MACHINES) -> list[Line]:
    """A line for each number of machines."""
    return [_line(inputs, assumed, each) for each in machines]


def _line(inputs: Inputs, assumed: Assumed, machines: int) -> Line:
    nodes = machines * assumed.cores
    layout = Layout(nodes=nodes, in_flight=assumed.in_flight, n=min(assumed.n, nodes), by_token=assumed.by_token)
    mixes: dict[str, Mapping[str, float]] = {kind.name: {kind.name: 1.0} for kind in KINDS}
    spreads = {kind.name: latency(inputs, kind, layout, assumed) for kind in KINDS}
    return Line(
        machines=machines,
        nodes=nodes,
        links=nodes - 1,
        idle=inputs.idle(nodes) / 1e6,
        rates={name: saturation(inputs, mix, layout) for name, mix in (mixes | {"mix": assumed.mix}).items()},
        p50_ms={name: spread.quantile_us(0.5) / 1000 for name, spread in spreads.items()},
        p99_ms={name: spread.quantile_us(0.99) / 1000 for name, spread in spreads.items()},
    )


def latency(inputs: Inputs, kind: Kind, layout: Layout, assumed: Assumed, load: float = LOAD) -> Spread:
    """How long an operation of a kind takes for a client, at that part of the rate at which its kind saturates.

    Its way to a node and back, the wait for that node and its work there; then the answers that it needs of those that
    are asked, each a way, a wait, work and perhaps a disk. Its own replica's disk works meanwhile.
    """
    rate = load * saturation(inputs, {kind.name: 1.0}, layout)
    jobs = jobs_of(inputs, kind, layout)
    busy = min(0.999, utilisation(jobs, rate) + inputs.idle(layout.nodes) / 1e6)
    wait_us = mean_wait_us(jobs, rate) if rate else 0.0
    disk_us = SYNCS_WAITED * inputs.sync_us if kind.syncs else 0.0
    means = 2 * wait_us + sum(job.service_us for job in jobs) + disk_us + 2 * assumed.round_trip_us
    step_us = means * TIMES_THE_MEAN / STEPS
    here = at_once(step_us).queued(busy, wait_us).served(jobs[0].service_us).later(assumed.round_trip_us)
    if not kind.wanted or layout.n == 1:
        return here.later(disk_us)
    reply = at_once(step_us).queued(busy, wait_us).served(jobs[1].service_us).later(assumed.round_trip_us + disk_us)
    asked = max(kind.wanted, round(kind.sent(layout.n)))
    return here.plus(reply.of_several(kind.wanted, asked))


def jobs_of(inputs: Inputs, kind: Kind, layout: Layout) -> list[Job]:
    """What one operation is to a node: work where it arrives, and work for each message at a replica."""
    sent = kind.sent(layout.n) if layout.n > 1 else 0.0
    whole = cost_us(inputs, kind, layout)
    at_replica = 0.0
    if sent:
        alone = msgspec.structs.replace(layout, n=1, by_token=True)
        at_replica = max(0.0, mixed_cost_us(inputs, {kind.name: 1.0}, layout) - cost_us(inputs, kind, alone)) / sent
        at_replica = min(at_replica, whole / (1 + sent))
    return [
        Job(1 / layout.nodes, whole - sent * at_replica),
        Job(sent / layout.nodes, at_replica),
    ]
