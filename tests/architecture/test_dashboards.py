"""Every metric that a dashboard draws is one that the product exports."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import tree

# Not what a rule has recorded, whose name has colons: `level:metric:operation`.
METRIC = re.compile(r"(?<![:\w])dynamo_[a-z0-9_]+")
# Series that a histogram or a summary adds to the name it was declared with.
SERIES = ("_bucket", "_sum", "_count", "_total", "_created")
# The fields of a dashboard that hold queries; titles and labels may say what they like.
QUERIES = frozenset({"expr", "query", "definition"})


def exported(root: Path) -> set[str]:
    """Metric names that telemetry spells out, in whole strings or inside longer ones."""
    return {
        name
        for source in tree.product(root)
        if source.room == "telemetry"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in METRIC.findall(node.value)
    }


def drawn(value: object) -> Iterator[str]:
    """Metric names in the queries of one dashboard."""
    if isinstance(value, dict):
        for field, inner in value.items():
            if field in QUERIES and isinstance(inner, str):
                yield from METRIC.findall(inner)
            else:
                yield from drawn(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from drawn(inner)


def unknown_metrics(root: Path) -> list[str]:
    """Metrics that some dashboard asks for in vain. `tests/dashboards` looks at labels as well."""
    known = exported(root)
    found = []
    for path in sorted((root / "dashboards").rglob("*.json")):
        for name in sorted(set(drawn(json.loads(path.read_text())))):
            bases = {name, *(name.removesuffix(series) for series in SERIES)}
            if not bases & known:
                found.append(f"{path.relative_to(root)}: {name} is not exported")
    return found


def test_dashboards_draw_what_is_exported():
    """No panel stays empty because its metric was renamed."""
    assert unknown_metrics(tree.ROOT) == []


def test_an_unknown_metric_is_caught(plant):
    """Found in nested panels, and in the queries of variables."""
    board = {
        "title": "dynamo_title",
        "panels": [{"targets": [{"expr": "rate(dynamo_gone_total[1m])"}]}],
        "templating": [{"query": "label_values(dynamo_lost, node)"}],
    }
    root = plant({"dynamo/telemetry/metrics.py": "A = 'dynamo_here'", "dashboards/a.json": json.dumps(board)})
    assert unknown_metrics(root) == [
        "dashboards/a.json: dynamo_gone_total is not exported",
        "dashboards/a.json: dynamo_lost is not exported",
    ]


def test_a_known_metric_passes(plant):
    """A histogram's series belong to its declared name."""
    board = {"expr": "histogram_quantile(0.99, sum by (le) (rate(dynamo_read_seconds_bucket[5m])))"}
    root = plant({"dynamo/telemetry/metrics.py": "A = 'dynamo_read_seconds'", "dashboards/a.json": json.dumps(board)})
    assert unknown_metrics(root) == []
