"""Short runs of the whole thing: real nodes, a few faults, every promise."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.nodes import ROOT

pytestmark = pytest.mark.cluster


def run_chaos(results: Path, *options: str) -> tuple[int, dict, str]:
    """Exit code, summary and output of one run."""
    command = [sys.executable, "-m", "tests.chaos", *options, "--output", str(results)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = run.communicate(timeout=250)
    finally:
        if run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
    file = results / "summary.json"
    return run.returncode, json.loads(file.read_text()) if file.exists() else {}, said


def broken(summary: dict) -> dict:
    """Promises that were not kept."""
    return {rule: told["violations"] for rule, told in summary.get("promises", {}).items() if told["violations"]}


@pytest.mark.timeout(280)
def test_half_a_minute_of_faults_breaks_no_promise(tmp_path: Path):
    """Nodes are killed and cut off, two at a time; nothing acknowledged is lost, and the replicas end up equal."""
    results = tmp_path / "results"
    options = ("--minutes", "1.5", "--seed", "28", "--faults", "kill,stop,isolate,one-way")
    code, summary, said = run_chaos(results, *options)
    assert broken(summary) == {}, said
    assert code == 0, said
    assert summary["checked"]["writes acknowledged"] > 500
    assert {fault["kind"] for fault in summary["faults"]} == {"one-way", "kill", "isolate"}
    assert "<svg" in (results / "report.html").read_text()


@pytest.mark.night
@pytest.mark.timeout(280)
def test_half_a_minute_of_faults_leaves_linearizable_keys_linearizable(tmp_path: Path):
    """A cut into two sides and a killed node: one order explains all answers, and each change asked twice is one."""
    options = ("--mode", "linearizable", "--minutes", "1.5", "--seed", "5", "--faults", "halves,kill")
    code, summary, said = run_chaos(tmp_path / "results", *options)
    assert broken(summary) == {}, said
    assert code == 0, said
    assert summary["checked"]["operations judged legal"] > 1000
    assert summary["checked"]["attempts that were repeats"] > 0
    assert {fault["kind"] for fault in summary["faults"]} == {"halves", "kill"}
