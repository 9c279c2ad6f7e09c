"""The dashboards: what is committed is what the program writes, and it asks for what there is."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models import units

from dashboards.__main__ import TARGET
from dashboards.board import written
from dashboards.boards import BOARDS
from dashboards.chart import Board, Chart, Kind, Query, Section
from tests.dashboards.exported import OF_PROMETHEUS, Labels, exported, of_a_node, of_the_load_generator
from tests.dashboards.promql import bare_counters, fixed_ranges, parsed, problems, selectors
from tests.dashboards.rules import recorded

UNITS = frozenset(re.findall(r'Literal\["([^"]+)"\]', Path(units.__file__).read_text(encoding="utf-8")))
QUERIES = [
    pytest.param(query.promql, id=f"{board.uid}: {chart.title}, {query.legend}")
    for board in BOARDS
    for chart in board.charts
    for query in chart.queries
]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def lint(board: dict[str, Any]) -> list[str]:
    """What a reader of the board would miss, or Grafana would make up."""
    found = []
    names = [variable["name"] for variable in board["templating"]["list"]]
    if names != ["datasource", "cluster"]:
        found.append(f"variables {names}")
    if board["templating"]["list"][1]["refresh"] != 2:
        found.append("the list of clusters does not follow the time range")
    found += [f"no {field}" for field in ("uid", "title", "description", "tags", "refresh") if not board.get(field)]
    if board["editable"] or board["graphTooltip"] != 1:
        found.append("it can be edited, or its cross-hair is not shared")
    identities = [panel["id"] for panel in board["panels"]]
    if len(set(identities)) != len(identities) or not all(identities):
        found.append(f"ids of panels {identities}")
    for panel in panels(board):
        found += [f"{panel.get('title', '?')}: {problem}" for problem in _lint_panel(panel)]
    found += _overlaps(board["panels"])
    return found


def _lint_panel(panel: dict[str, Any]) -> list[str]:
    found = [f"no {field}" for field in ("title", "description", "targets") if not panel.get(field)]
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("unit") not in UNITS:
        found.append(f"unit {defaults.get('unit')}")
    if not defaults.get("noValue"):
        found.append("nothing is said where there is nothing")
    letters = [target["refId"] for target in panel["targets"]]
    if len(set(letters)) != len(letters) or not all(letters):
        found.append(f"letters of queries {letters}")
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    if any(source["uid"] != "${datasource}" for source in sources):
        found.append("a data source of its own")
    return found


def _overlaps(all_panels: list[dict[str, Any]]) -> list[str]:
    cells = [(panel["gridPos"], panel.get("title")) for panel in all_panels]
    found = [f"{title} sticks out" for at, title in cells if at["x"] + at["w"] > 24]
    for (a, title), (b, other) in combinations(cells, 2):
        if (
            a["x"] < b["x"] + b["w"]
            and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"]
            and b["y"] < a["y"] + a["h"]
        ):
            found.append(f"{title} lies over {other}")
    return found


def test_what_is_committed_is_what_is_written():
    """The same bytes, and no board more or less. To write them: python -m dashboards."""
    assert {path.name for path in TARGET.glob("*.json")} == {f"{board.uid}.json" for board in BOARDS}
    for board in BOARDS:
        assert (TARGET / f"{board.uid}.json").read_text(encoding="utf-8") == written(board), board.uid


def test_there_are_seven():
    """Each with a title and an address of its own."""
    assert len({board.uid for board in BOARDS}) == len({board.title for board in BOARDS}) == 7


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_board_can_be_read(board: Board):
    """Titles, sentences, units, places: by the rules of Grafana's own linter."""
    assert lint(json.loads(written(board))) == []
    titles = [chart.title for section in board.sections for chart in section.charts]
    assert all(len(chart.says) > 15 for chart in board.charts)
    assert len(titles) == len(set(titles)) or board.uid == "dynamo-slo"


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_asks_for_what_there_is(expr: str):
    """It parses; names, labels and what labels say are those of a node, of Prometheus, or of a rule."""
    assert problems(expr, exported(), recorded()) == []
    assert bare_counters(expr) == []
    assert fixed_ranges(expr) == []


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_keeps_to_the_chosen_clusters(expr: str):
    """In every selector."""
    for selector in selectors(parsed(expr)):
        assert "cluster" in {matcher.name for matcher in selector.matchers.matchers}, selector.name


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ('dynamo_gone{cluster="a"}', "dynamo_gone is not exported"),
        ('rate(dynamo_requests_total{clster="a"}[1m])', "dynamo_requests_total has no label clster"),
        ('rate(dynamo_requests_total{op="got"}[1m])', "op of dynamo_requests_total never says got"),
        ('rate(dynamo_requests_total{outcome=~"ok|broken"}[1m])', "outcome of dynamo_requests_total never says broken"),
        ("sum by (operation) (rate(dynamo_requests_total[1m]))", "no series here has a label operation"),
        ('dynamo_pbs_fresh_ratio{after_seconds="0.010"}', "after_seconds of dynamo_pbs_fresh_ratio never says 0.010"),
        ('dynamo_request_duration_seconds_bucket{le="1"}', "le of dynamo_request_duration_seconds_bucket never says 1"),
    ],
)
def test_a_wrong_query_is_caught(expr: str, problem: str):
    """Names, labels, words, bounds as they are spelt."""
    assert problems(expr, exported(), {}) == [problem]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("dynamo_requests_total", {**of_the_load_generator(), **of_a_node(("dynamo_requests_total", "dynamo_calls"))}),
        ("dynamo_read_checks_total", {**of_the_load_generator(), **of_a_node(("_read_checks", "_read_verdicts"))}),
        ("dynamo_load_dropped_total", {**of_the_load_generator(("_dropped_", "_skipped_")), **of_a_node()}),
    ],
)
def test_a_renamed_metric_is_caught(name: str, known: dict[str, Labels]):
    """Had a node or the load generator another name for what a board draws, a test would fail."""
    asking = [
        query.promql for board in BOARDS for chart in board.charts for query in chart.queries if name in query.expr
    ]
    assert asking
    for query in asking:
        assert f"{name} is not exported" in problems(query, {**OF_PROMETHEUS, **known}, recorded())


def test_a_counter_needs_a_rate():
    """Its value alone says when the node was started."""
    assert bare_counters('rate(dynamo_hints_total[1m]) + dynamo_hints_total{event="created"}') == ["dynamo_hints_total"]


def test_a_range_follows_the_screen():
    """A fixed one shows nothing, or too much, at another zoom."""
    assert fixed_ranges("rate(a[5m]) + rate(b[$__rate_interval])") == ["5m"]


def test_what_linting_finds():
    """A board that lacks what is asked for is told so."""
    bare = Chart("", "", "furlongs", (Query("up", ""),), Kind.NOW, none="")
    found = json.loads(written(Board("x", "X", "", (Section("S", (bare, bare)),))))
    first, second = panels(found)
    first["gridPos"]["w"] = 25
    second["targets"][0]["datasource"]["uid"] = "mine"
    second["id"] = first["id"]
    expected = (
        *("no description", ": no title", ": unit furlongs", ": nothing is said where", "sticks out", "lies over"),
        *("a data source of its own", "ids of panels"),
    )
    said = lint(found)
    assert [problem for problem in expected if not any(problem in each for each in said)] == []
