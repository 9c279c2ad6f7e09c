"""Every query of the dashboards, asked of a real Prometheus that scrapes a real cluster under load."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from dashboards.boards import BOARDS
from dashboards.chart import Chart, Query
from dynamo.client import Client
from dynamo.workload.processes import free_ports
from tests.cluster.rig import ClusterRig, running_cluster, until
from tests.dashboards.exported import OF_PROMETHEUS, of_a_node
from tests.dashboards.promql import parsed, selectors
from tests.dashboards.rules import FOLDER, rules

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is a Debian package"),
]
LOAD_S = 8.0
SETTINGS = "[pbs]\nperiod_s = 1.0\n"
MAY_BE_EMPTY = frozenset({"Since everything was compared"})
"""A sweep takes minutes."""
_SERIES = frozenset(of_a_node()) | frozenset(OF_PROMETHEUS)


def _asks_only_for(expr: str, series: frozenset[str]) -> bool:
    return {selector.name for selector in selectors(parsed(expr))} <= series


SCRAPED = _SERIES | {rule["record"] for rule in rules("recording.yml") if _asks_only_for(rule["expr"], _SERIES)}
"""What nodes export now, and what is recorded of that."""


@contextmanager
def scraping(cluster: ClusterRig, directory: Path) -> Iterator[str]:
    """A Prometheus with the rules as they are, but for its haste; its address."""
    (port,) = free_ports(1)
    assert PROMETHEUS is not None
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [
        f"127.0.0.1:{node.ops_port}" for node in cluster.nodes
    ]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    words = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([PROMETHEUS, *words, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{address}/-/ready"), 20, lambda: (directory / "log").read_text(encoding="utf-8"))
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def used(cluster: ClusterRig) -> None:
    """All kinds of requests at all levels, for a while."""
    with Client(cluster.endpoints) as client:
        end, number = time.monotonic() + LOAD_S, 0
        while time.monotonic() < end:
            level = ("one", "quorum", "all")[number % 3]
            client.put("b", b"k%d" % (number % 50), b"v", consistency=level)
            client.get("b", b"k%d" % (number % 50), consistency=level)
            number += 1


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        running_cluster(tmp_path_factory.mktemp("nodes"), settings=SETTINGS) as cluster,
        scraping(cluster, tmp_path_factory.mktemp("prometheus")) as address,
    ):
        used(cluster)
        yield address


def values(address: str, query: Query) -> list[float]:
    """Of the last seconds, of every series."""
    expr = query.promql.replace("$__rate_interval", "5s").replace("$__range", "10s").replace("$cluster", "local")
    now = time.time()
    form = urllib.parse.urlencode({"query": expr, "start": now - 6, "end": now, "step": 1}).encode()
    with urllib.request.urlopen(f"{address}/api/v1/query_range", form, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return [float(value) for series in found for _, value in series["values"]]


def problems(address: str, chart: Chart, query: Query) -> list[str]:
    """What a viewer of the chart would see, and should not."""
    found = values(address, query)
    if not found:
        return [] if chart.title in MAY_BE_EMPTY else ["nothing to see"]
    if not all(map(math.isfinite, found)):
        return ["not a number"]
    if chart.least is not None and min(found) < chart.least:
        return [f"{min(found)} below {chart.least}"]
    return [f"{max(found)} above {chart.most}"] if chart.most is not None and max(found) > chart.most + 1e-9 else []


def test_every_chart_of_a_node_shows_something(prometheus: str):
    """Finite values within the axis; charts of series that no node here exports are left out."""
    asked = [
        (f"{board.title}: {chart.title}, {query.legend}", chart, query)
        for board in BOARDS
        for chart in board.charts
        for query in chart.queries
        if _asks_only_for(query.promql, SCRAPED)
    ]
    assert len(asked) > 40
    assert {name: said for name, chart, query in asked if (said := problems(prometheus, chart, query))} == {}


def test_no_alert_fires_on_a_healthy_cluster(prometheus: str):
    """And every rule could be evaluated."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    assert len(every) > 30
    assert {rule["name"]: rule.get("lastError") for rule in every if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in every if rule.get("state") == "firing"] == []
