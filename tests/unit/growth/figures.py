"""Samples and footprints of the tests' own."""

from dynamo.growth.curve import Axis, Curves, Point, Standing
from dynamo.growth.footprint import Footprint
from dynamo.workload.runner import Sample


def sample(cost_us: float, rate: float = 1000.0, faults: int = 0, refused: int = 0) -> Sample:
    return Sample(
        requests=int(rate),
        seconds=1.0,
        rate=rate,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        server_cpu_us=cost_us,
        client_cpu_us=5.0,
        others_cores=0.0,
        faults=faults,
        first_fault="status 500" if faults else "",
        refused=refused,
    )


def axis(name: str = "keys", allowed: float = 0.2) -> Axis:
    return Axis(name=name, unit=name, sizes=(10, 100, 1000), allowed=allowed, reason="why", shape="one node")


def curves(name: str = "keys", allowed: float = 0.2, **costs: list[float]) -> Curves:
    """Costs of each operation at 10, 100, 1000, ..."""
    sizes = [10**place for place in range(1, 9)]
    return Curves(
        axis=axis(name, allowed),
        points=[
            Point(size=size, operation=operation, sample=sample(cost))
            for operation, found in costs.items()
            for size, cost in zip(sizes, found, strict=False)
        ],
        standings=[
            Standing(
                size=size,
                idle_ms_per_s=7.0,
                footprint=Footprint(own_bytes=2**20 + 3 * size, data_bytes=200 * size, used_bytes=150 * size),
            )
            for size in sizes[: len(next(iter(costs.values())))]
        ],
    )
