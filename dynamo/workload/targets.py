"""What our store is meant to reach beside its peers, and whether it does: ratios inside each round, with their goals.

A goal is about one workload of ours and one of a peer, not always the same: a compare-and-set of ours is held against
etcd's plain put, which is the harder test. Rates and processor time are taken at full load, latencies there and at the
fixed rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dynamo.workload.peer import WORKLOADS
from dynamo.workload.report import Ratio, Row, Section

OURS = "dynamo"
Rows = Mapping[tuple[str, str], Row]
"""By workload and system."""


class Target(NamedTuple):
    """Ours over a peer's, or for times that are work theirs over ours; `goal` is the least, for latencies the most."""

    workload: str
    peer: str
    its: str
    """The workload of the peer."""
    goal: float
    field: str = "rate"
    """Of a sample: rate, p50_ms, p99_ms, server_cpu_us."""
    at_rate: bool = False

    @property
    def name(self) -> str:
        """What is compared, as a line of the table begins."""
        measure = {"rate": "requests/s", "p50_ms": "p50", "p99_ms": "p99", "server_cpu_us": "processor time"}
        where = ", at the fixed rate" if self.at_rate else ""
        sides = f"{self.peer} / {OURS}" if self.field == "server_cpu_us" else f"{OURS} / {self.peer}"
        against = "" if self.its == self.workload else f" (its {WORKLOADS[self.its].title})"
        return f"{WORKLOADS[self.workload].title}: {measure[self.field]}{where}, {sides}{against}"


def _quicker(workload: str, its: str, rate: float) -> list[Target]:
    """So many times etcd's rate, with latencies that are not longer."""
    fields = ("p50_ms", "p99_ms")
    latencies = [Target(workload, "etcd", its, 1.0, field, at_rate) for at_rate in (False, True) for field in fields]
    return [Target(workload, "etcd", its, rate), *latencies]


def _cheaper(workload: str) -> list[Target]:
    """At least Cassandra's rate, for half of its work."""
    return [
        Target(workload, "cassandra", workload, 1.0),
        Target(workload, "cassandra", workload, 2.0, "server_cpu_us"),
    ]


TARGETS = [
    *_quicker("put", "put", 2.5),
    *_quicker("get-quorum", "get-quorum", 4.0),
    *_quicker("get-linearizable", "get-linearizable", 2.0),
    *_quicker("cas", "put", 2.0),
    *(each for name in ("put", "get-one", "get-quorum", "get-linearizable", "cas") for each in _cheaper(name)),
]


def judged(closed: Rows, paced: Rows) -> Section:
    """All targets whose two sides were measured, and which were not."""
    section = Section(title="Goals: ratios inside each round, median (least .. greatest)")
    missing: dict[str, int] = {}
    for target in TARGETS:
        rows = paced if target.at_rate else closed
        ours, theirs = rows.get((target.workload, OURS)), rows.get((target.its, target.peer))
        if ours is None or theirs is None:
            missing[target.peer] = missing.get(target.peer, 0) + 1
        else:
            section.ratios.append(compared(target.name, ours, theirs, target.field, target.goal))
    section.notes = [f"not judged, as one side is missing: {count} beside {peer}" for peer, count in missing.items()]
    return section


def compared(name: str, ours: Row, theirs: Row, field: str = "rate", goal: float | None = None) -> Ratio:
    """One ratio of two rows; for processor time theirs over ours, so that more is better."""
    above, below = (theirs, ours) if field == "server_cpu_us" else (ours, theirs)
    values = [
        _quotient(getattr(a, field), getattr(b, field)) for a, b in zip(above.samples, below.samples, strict=True)
    ]
    return Ratio(name=name, values=values, goal=goal, at_most=field.endswith("_ms"))


def _quotient(above: float, below: float) -> float:
    return above / below if below else 0.0
