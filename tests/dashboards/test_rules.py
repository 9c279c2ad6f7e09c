"""Recording and alert rules: promtool reads them, each alert fires where it should and is silent elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from tests.dashboards.exported import exported
from tests.dashboards.promql import bare_counters, problems
from tests.dashboards.rules import FOLDER, recorded, rules

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with the Debian package prometheus")
ALERTS = rules("alerts.yml")
ALL = [*rules("recording.yml"), *ALERTS]


def promtool(*words: str) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_reads_them():
    """Rules and configuration, by its own linter."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", "recording.yml", "alerts.yml")
    promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_alerts_fire_where_they_should():
    """The cases of rules_test.yml, each of which lists all that fires."""
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_every_alert_has_a_case():
    """In which it fires; that it can be silent the healthy cluster shows."""
    cases = yaml.safe_load((FOLDER / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {
        re.search(r'alertname="(\w+)"', sample["labels"])[1]
        for case in cases
        for check in case["promql_expr_test"]
        for sample in check["exp_samples"]
    }
    assert fired == {rule["alert"] for rule in ALERTS}
    assert [check["exp_samples"] for check in cases[0]["promql_expr_test"]] == [[]]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_there_is(rule: dict[str, str]):
    """Names, labels and their words, as the queries of boards."""
    assert problems(rule["expr"], exported(), recorded()) == []
    assert bare_counters(rule["expr"]) == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, dict[str, str]]):
    """How bad it is, what is wrong, and where to look."""
    assert rule["labels"]["severity"] in ("critical", "warning", "ticket")
    assert len(rule["annotations"]["summary"]) > 10
    assert len(rule["annotations"]["description"]) > 20
