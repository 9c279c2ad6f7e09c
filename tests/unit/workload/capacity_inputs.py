"""Inputs of the capacity model with round figures, and a run that found them."""

from __future__ import annotations

from dynamo.workload.capacity import KINDS, Costs, Fit, Inputs
from dynamo.workload.capacity_run import Checked, Points, Run

COSTS = Costs(alone=Fit(40, 20), replica=Fit(10, 30), elsewhere=Fit(50, 0), client_us=10.0, busy=1.0, syncs=0.5)


def inputs(idle_us: float = 0.0, peer_us: float = 0.0) -> Inputs:
    """Each kind costs the same; nothing grows unless it is asked for."""
    return Inputs(
        costs={kind.name: COSTS for kind in KINDS},
        idle_us_per_s=idle_us,
        idle_peer_us_per_s=peer_us,
        sync_us=100.0,
    )


def run() -> Run:
    """Two sizes, one of them predicted wrongly by a half."""
    checked = [
        Checked(
            nodes=nodes,
            kind=kind.name,
            predicted_us=100.0,
            measured_us=90.0,
            predicted_rate=1500.0,
            measured_rate=measured,
            others_cores=0.25,
        )
        for nodes, measured in ((3, 1500.0), (9, 1000.0))
        for kind in KINDS
    ]
    points = {kind.name: [Points(64, 41.0, 70.0, 80.0)] for kind in KINDS}
    return Run(
        inputs=inputs(),
        points=points,
        checked=checked,
        cores=2,
        connections=64,
        taken="2026-01-01",
        machine={"Python": "3"},
    )
