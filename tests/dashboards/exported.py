"""What a scrape can bring, with its labels and what these may say: what the queries of boards and rules are held to.

All of it is read off the pages that a node and the load generator show. Only Prometheus's own series are listed here.
"""

from __future__ import annotations

from functools import cache
from itertools import product

from prometheus_client.parser import text_string_to_metric_families

from dynamo.telemetry.load_series import LoadSeries
from dynamo.telemetry.metrics import Metrics
from dynamo.workload.mixes import OPERATIONS

Labels = dict[str, frozenset[str] | None]
"""What each label may say; None for anything."""

EVERYWHERE: Labels = {"cluster": None, "instance": None, "job": frozenset({"dynamo"})}
"""Labels that Prometheus adds to all that it scrapes."""
LEVELS = ("one", "quorum", "all", "linearizable")
"""Those of a load; numbers of replicas may be levels, too, and no board asks for one."""

_FREE = frozenset({"peer", "version", "python"})
"""Labels that say something else in every cluster."""

OF_PROMETHEUS: dict[str, Labels] = {
    "up": {},
    "scrape_duration_seconds": {},
    "scrape_samples_scraped": {},
    "ALERTS": {"alertname": None, "alertstate": None},
}


@cache
def exported() -> dict[str, Labels]:
    """Every series by name, with its labels."""
    return {**OF_PROMETHEUS, **of_the_load_generator(), **of_a_node()}


def of_a_node(renamed: tuple[str, str] = ("", "")) -> dict[str, Labels]:
    """What a node of five replicas shows. `renamed`: one text of the page by another, to see who notices."""
    return _on(Metrics(["node2"], "0", 5).expose()[0].decode(), renamed)


def of_the_load_generator(renamed: tuple[str, str] = ("", "")) -> dict[str, Labels]:
    """What a run of all kinds of operations at all levels shows."""
    return _on(LoadSeries(list(product(OPERATIONS, LEVELS)), LEVELS).render(open_metrics=False), renamed)


def _on(page: str, renamed: tuple[str, str]) -> dict[str, Labels]:
    """The series of a page, and what their labels say there."""
    text = page.replace(*renamed) if renamed[0] else page
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return {
        name: {label: None if label in _FREE else frozenset(values) for label, values in labels.items()}
        for name, labels in found.items()
    }
