"""How rough a world of small protocol runs is, and how broken."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass
class Habits:
    """How bad the world is. Probabilities are for each message."""

    nodes: int = 3
    clients: int = 3
    operations: int = 5
    lost: float = 0.0
    repeated: float = 0.0
    delay_s: float = 0.004
    late: float = 0.0
    sync_s: float = 0.002
    crashes: float = 0.0
    """Mean number of crashes of each node in the run."""
    cuts: float = 0.0
    """Mean number of cuts of each link, each way."""
    skew_ms: int = 0
    syncs_promises: bool = True
    syncs_accepts: bool = True
    shows_only_durable: bool = True
    distinct_runs: bool = True
    distinct_nodes: bool = True


def drawn_habits(draw: Random) -> Habits:
    """Each seed has its own mixture, often without one of the faults."""

    def some(value: float) -> float:
        return draw.choice((0.0, value * draw.random(), value))

    return Habits(
        nodes=draw.choice((3, 3, 3, 5)),
        lost=some(0.25),
        repeated=some(0.25),
        late=some(0.1),
        crashes=some(2.0),
        cuts=some(1.0),
        sync_s=draw.choice((0.002, 0.002, 0.02)),
        skew_ms=draw.choice((0, 0, 50, 5000)),
    )
