"""The rules of Prometheus, as the tests read them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

FOLDER = Path(__file__).parents[2] / "dashboards" / "prometheus"


@cache
def rules(name: str) -> list[dict[str, Any]]:
    """All rules of a file."""
    groups = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@cache
def recorded() -> dict[str, frozenset[str]]:
    """Names that are recorded, with the labels that their aggregation keeps."""
    return {rule["record"]: _kept(rule["expr"]) - {"le"} for rule in rules("recording.yml")}


def _kept(expr: str) -> frozenset[str]:
    found: list[str] = []

    def look(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.extend(node.modifier.labels)

    promql.walk(promql.parse(expr), look)
    return frozenset(found)
