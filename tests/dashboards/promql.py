"""What is wrong with a query: read as Prometheus reads it, and held to the series that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import promql_parser as promql

from tests.dashboards.exported import EVERYWHERE, Labels

VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s", "$cluster": "local"}
OVER_TIME = frozenset({"rate", "increase"})
GROWING = ("_total", "_bucket", "_sum", "_count")
"""Ends of names whose value alone says nothing: they only grow."""
_SELECTOR = (promql.VectorSelector, promql.MatrixSelector)


def parsed(expr: str) -> promql.Expr:
    """The query with its variables filled in. Raises ValueError if it is none."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return promql.parse(expr)


def selectors(expr: promql.Expr) -> list[promql.VectorSelector]:
    """Every selector in it, those under a rate included."""
    found: list[promql.VectorSelector] = []
    promql.walk(expr, lambda node: found.append(node) if isinstance(node, promql.VectorSelector) else None)
    return found


def problems(expr: str, known: Mapping[str, Labels], recorded: Mapping[str, frozenset[str]]) -> list[str]:
    """Names, labels and words of labels that no scrape brings. `recorded`: names of rules with their labels."""
    tree = parsed(expr)
    found: list[str] = []
    kept: set[str] = set(EVERYWHERE)
    for selector in selectors(tree):
        name = selector.name or ""
        if name in recorded:
            labels: Labels = dict.fromkeys(recorded[name])
        elif name in known:
            labels = {**known[name], **EVERYWHERE}
        else:
            found.append(f"{name} is not exported")
            continue
        kept |= set(labels)
        for matcher in selector.matchers.matchers:
            found += _matched(name, matcher, labels)
    for label in _grouped(tree):
        if label not in kept and not found:
            found.append(f"no series here has a label {label}")
    return found


def _matched(name: str, matcher: promql.Matcher, labels: Labels) -> Iterator[str]:
    if matcher.name not in labels:
        yield f"{name} has no label {matcher.name}"
        return
    words = labels[matcher.name]
    if words is None or matcher.name in EVERYWHERE:
        return
    wanted = matcher.value.split("|") if matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe) else [matcher.value]
    for word in wanted:
        if word not in words:
            yield f"{matcher.name} of {name} never says {word}"


def _grouped(tree: promql.Expr) -> list[str]:
    """Labels that an aggregation keeps, or that two sides are matched on."""
    found: list[str] = []

    def look(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.extend(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            found.extend(node.modifier.matching.labels)

    promql.walk(tree, look)
    return found


def bare_counters(expr: str) -> list[str]:
    """Counters that are used outside of a rate or an increase."""
    tree = parsed(expr)
    used = [selector.name or "" for selector in selectors(tree)]
    over_time: list[str] = []

    def look(node: promql.Expr) -> None:
        if isinstance(node, promql.Call) and node.func.name in OVER_TIME:
            over_time.extend(selector.name or "" for argument in node.args for selector in selectors(argument))

    promql.walk(tree, look)
    return sorted({name for name in used if name.endswith(GROWING) and used.count(name) > over_time.count(name)})


def fixed_ranges(expr: str) -> list[str]:
    """Ranges of a board's query that do not follow what is shown; a month's budget may."""
    return [text for text in re.findall(r"\[([^\]]+)\]", expr) if text not in ("$__rate_interval", "$__range", "30d")]
