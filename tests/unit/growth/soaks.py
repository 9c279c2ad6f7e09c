"""Soaks of the tests' own: what a run might have seen, without a run."""

from dynamo.growth.footprint import Footprint
from dynamo.growth.soak import WINDOW_S, Soak
from dynamo.growth.watch import Look
from dynamo.workload.arrivals import Phase
from dynamo.workload.histogram import Histogram
from dynamo.workload.tally import empty

MIB = 2**20


def soak(
    windows: int = 20, leak_mib: float = 0.0, hints: float = 0.0, slower_ms: float = 0.0, shed: int = 0, failed: int = 0
) -> Soak:
    """A hundred requests a window; what is given is what each window adds."""
    tally = empty([Phase(name=str(number), rate=10, seconds=WINDOW_S) for number in range(windows)])
    for number, window in enumerate(tally.phases):
        window.good, window.shed = 100 - shed, shed
        window.good_ns = Histogram([int((20 + slower_ms * number) * 1e6)] * (100 - shed)).counts()
    if failed:
        tally.phases[3].failed, tally.phases[3].first_failure = failed, "status 500"
    looks = [
        Look(
            at_s=WINDOW_S * number + 0.01,
            nodes={
                "node1": Footprint(
                    own_bytes=60 * MIB, data_bytes=30 * MIB, used_bytes=20 * MIB, checkpoints=3 * number
                ),
                "node2": Footprint(
                    own_bytes=int((60 + leak_mib * number) * MIB), log_bytes=16 * MIB, hints=int(hints * number)
                ),
            },
        )
        for number in range(windows + 1)
    ]
    return Soak(peak=100.0, rate=70.0, tally=tally, looks=looks)
