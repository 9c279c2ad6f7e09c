"""What a scrape can bring, with its labels and what these may say: what the queries of boards and rules are held to.

A node's series are read off its own page. Those of Prometheus and of the load generator are listed here; so are, until
the nodes export them, those that are promised.
"""

from __future__ import annotations

from functools import cache

from prometheus_client.parser import text_string_to_metric_families

from dynamo.telemetry.metrics import Metrics

Labels = dict[str, frozenset[str] | None]
"""What each label may say; None for anything."""

EVERYWHERE: Labels = {"cluster": None, "instance": None, "job": frozenset({"dynamo"})}
"""Labels that Prometheus adds to all that it scrapes."""
LEVELS = frozenset({"one", "quorum", "all", "linearizable"})
NUMBERS = frozenset(map(str, range(1, 10)))
GUARANTEES = frozenset({"monotonic_reads", "read_your_writes"})
VERDICTS = frozenset({"fresh", "stale", "inflight", "unresolved"})
BOUNDS_S = frozenset(
    {"0.0", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1.0", "2.0", "5.0", "+Inf"}
)
_LOAD_OUTCOMES = frozenset({"ok", "refused", "timeout", "unavailable", "rejected", "error"})
_OPS = frozenset({"get", "put", "delete", "cas"})

OF_PROMETHEUS: dict[str, Labels] = {
    "up": {},
    "scrape_duration_seconds": {},
    "scrape_samples_scraped": {},
    "ALERTS": {"alertname": None, "alertstate": None},
}


def _histogram(name: str, labels: Labels, bounds: frozenset[str] | None = None) -> dict[str, Labels]:
    return {f"{name}_bucket": {**labels, "le": bounds}, f"{name}_sum": labels, f"{name}_count": labels}


PROMISED: dict[str, Labels] = {
    "dynamo_read_checks_total": {"consistency": LEVELS, "verdict": VERDICTS},
    **_histogram("dynamo_read_staleness_seconds", {"consistency": LEVELS}, BOUNDS_S),
    **_histogram("dynamo_read_staleness_versions", {"consistency": LEVELS}, frozenset({"0.0", "1.0", "2.0", "+Inf"})),
    "dynamo_session_checks_total": {
        "consistency": LEVELS,
        "guarantee": GUARANTEES,
        "verdict": frozenset({"kept", "violated"}),
    },
    "dynamo_whatif_read_checks_total": {"replies": NUMBERS, "verdict": VERDICTS},
    **_histogram("dynamo_whatif_read_duration_seconds", {"replies": NUMBERS}),
    **_histogram("dynamo_whatif_write_duration_seconds", {"acks": NUMBERS}),
}
"""The staleness of reads. What a node exports by itself holds, whatever stands here."""

OF_THE_LOAD_GENERATOR: dict[str, Labels] = {
    "dynamo_load_requests_total": {"op": _OPS, "consistency": LEVELS, "outcome": _LOAD_OUTCOMES},
    **_histogram("dynamo_load_response_duration_seconds", {"op": _OPS, "consistency": LEVELS}),
    **_histogram("dynamo_load_service_duration_seconds", {"op": _OPS, "consistency": LEVELS}),
    **_histogram("dynamo_load_send_delay_seconds", {}),
    "dynamo_load_read_checks_total": {
        "consistency": LEVELS,
        "verdict": frozenset({"fresh", "stale", "concurrent", "unknown"}),
    },
    **_histogram("dynamo_load_read_staleness_seconds", {"consistency": LEVELS}),
    "dynamo_load_session_violations_total": {"consistency": LEVELS, "guarantee": GUARANTEES},
    "dynamo_load_target_rate": {},
    "dynamo_load_inflight_requests": {},
    "dynamo_load_dropped_total": {},
}


@cache
def exported() -> dict[str, Labels]:
    """Every series by name, with its labels."""
    return {**PROMISED, **OF_PROMETHEUS, **OF_THE_LOAD_GENERATOR, **of_a_node()}


def of_a_node(replaced: tuple[str, str] = ("", "")) -> dict[str, Labels]:
    """What a node of five replicas shows. `replaced`: one text of the page by another, to see who notices."""
    page = Metrics(["node2"], "0", 5).expose()[0].decode().replace(*replaced) if replaced[0] else _page()
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    free = frozenset({"peer", "version", "python"})
    return {
        name: {label: None if label in free else frozenset(values) for label, values in labels.items()}
        for name, labels in found.items()
    }


def _page() -> str:
    return Metrics(["node2"], "0", 5).expose()[0].decode()
