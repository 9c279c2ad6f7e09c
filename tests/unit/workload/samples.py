"""Rows as runs leave them, for tests of what is made of them."""

from dynamo.workload.report import Row
from dynamo.workload.runner import Sample


def sample(**fields: float) -> Sample:
    """A measurement without faults; what is not said is 1."""
    plain = dict.fromkeys(("seconds", "rate", "p50_ms", "p99_ms", "max_ms", "server_cpu_us", "client_cpu_us"), 1.0)
    return Sample(**({"requests": 100, "others_cores": 0.0, "faults": 0, "first_fault": ""} | plain | fields))


def row(system: str, operation: str, *samples: Sample) -> Row:
    return Row(system=system, operation=operation, samples=list(samples))
