"""Every query of the dashboards, asked of what `make observe` starts: distant nodes, a load, a Prometheus."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.boards import BOARDS
from dashboards.chart import Chart
from dynamo.client import Client
from dynamo.report.certainty import share_difference
from tests.cluster.rig import until
from tests.dashboards.promql import parsed, selectors

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.night,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is a Debian package"),
]
WINDOW_S = 30
"""Of rates: stale reads are rare."""
JUDGED, STALE = 150, 3
"""Reads at `one` that both sides have judged, and have found stale, before they are compared."""
MAY_BE_EMPTY = frozenset({"dynamo-replication: Since everything was compared, {{instance}}"})
"""A sweep takes minutes."""
ASKED = [
    (f"{board.uid}: {chart.title}, {query.legend}", chart, query)
    for board in BOARDS
    for chart in board.charts
    for query in chart.queries
]


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[str, Any]]:
    """The addresses of all of it, once it has run for a while. It is told to end as Ctrl-C does, and leaves nothing."""
    command = [sys.executable, "-m", "dashboards.observe", "--json", "--duration", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found = json.loads(line)
            until(lambda: all(enough(*judged(found, side)["one"]) for side in ("", "load_")), 70, lambda: str(found))
            with_context(found)
            checks = "sum(increase(dynamo_session_checks_total[10s])) > 0"
            until(lambda: bool(values(found, checks)), 20, lambda: "no reads of a session")
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    assert [pid for pid in found["pids"] if alive(pid)] == []


def enough(stale: int, reads: int) -> bool:
    return stale >= STALE and reads >= JUDGED


def with_context(observed: dict[str, Any]) -> None:
    """Reads that demand what their session has seen, of which the load generator has none."""
    endpoints = [each["clients"].removeprefix("http://") for each in observed["nodes"].values()]
    with Client(endpoints) as client:
        session = client.session()
        for number in range(30):
            session.put("observed", b"mine%d" % number, b"v", consistency="one")
            session.get("observed", b"mine%d" % number, consistency="one")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def asked(address: str, path: str, **form: object) -> Any:
    with urllib.request.urlopen(f"{address}{path}?{urllib.parse.urlencode(form)}", timeout=10) as answer:
        return json.load(answer)["data"]


def judged(observed: dict[str, Any], side: str) -> dict[str, tuple[int, int]]:
    """Stale reads and judged reads by level, as the nodes (no `side`) or the load generator have counted them."""
    expr = (
        f'sum by (consistency, verdict) (dynamo_{side}read_checks_total{{verdict=~"fresh|stale|inflight|concurrent"}})'
    )
    counts: dict[str, tuple[int, int]] = dict.fromkeys(("one", "quorum", "all"), (0, 0))
    for each in asked(observed["prometheus"], "/api/v1/query", query=expr)["result"]:
        level, number = each["metric"]["consistency"], int(each["value"][1])
        stale, reads = counts.get(level, (0, 0))
        counts[level] = (stale + number * (each["metric"]["verdict"] == "stale"), reads + number)
    return counts


def values(observed: dict[str, Any], promql: str) -> list[float]:
    """Of the last seconds, of every series."""
    expr = promql.replace("$__rate_interval", f"{WINDOW_S}s").replace("$__range", "60s").replace("$cluster", "local")
    now = time.time()
    span: dict[str, object] = {"query": expr, "start": now - 6, "end": now, "step": 1}
    found = asked(observed["prometheus"], "/api/v1/query_range", **span)["result"]
    return [float(value) for series in found for _, value in series["values"]]


def problem(observed: dict[str, Any], chart: Chart, promql: str) -> str:
    """What a viewer of the chart would see, and should not."""
    found = values(observed, promql)
    if not found:
        return "nothing to see"
    if not all(map(math.isfinite, found)):
        return "not a number"
    if chart.least is not None and min(found) < chart.least:
        return f"{min(found)} below {chart.least}"
    return f"{max(found)} above {chart.most}" if chart.most is not None and max(found) > chart.most + 1e-9 else ""


def test_every_chart_shows_something(observed: dict[str, Any]):
    """Finite values within the axis."""
    assert len(ASKED) > 80
    said = {name: problem(observed, chart, query.promql) for name, chart, query in ASKED}
    assert {name for name, each in said.items() if each == "nothing to see"} <= MAY_BE_EMPTY
    assert {name: each for name, each in said.items() if each not in ("", "nothing to see")} == {}


def test_a_renamed_metric_leaves_its_charts_empty(observed: dict[str, Any]):
    """So that the test above fails: no query makes up a number for a metric that is not there."""
    said = {
        (name, metric): problem(observed, chart, re.sub(rf"\b{metric}\b", f"{metric}_renamed", query.promql))
        for name, chart, query in ASKED
        for metric in {selector.name or "" for selector in selectors(parsed(query.promql))}
    }
    assert {which: each for which, each in said.items() if each != "nothing to see"} == {}


def test_the_nodes_say_what_is_true(observed: dict[str, Any]):
    """What nodes count as stale, less what the load generator knows to be, is 0 as far as can be told from so many."""
    said, true = judged(observed, ""), judged(observed, "load_")
    assert share_difference(true["one"], said["one"]).holds_zero, (true, said)
    for level in ("quorum", "all"):
        assert said[level][0] == true[level][0] == 0
        assert min(said[level][1], true[level][1]) > JUDGED / 2


def test_no_alert_fires_on_a_healthy_cluster(observed: dict[str, Any]):
    """And every rule could be evaluated."""
    every = [rule for group in asked(observed["prometheus"], "/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(every) > 30
    assert {rule["name"]: rule.get("lastError") for rule in every if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in every if rule.get("state") == "firing"] == []
