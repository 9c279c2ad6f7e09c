"""A short run of the whole thing: real nodes, three faults, every promise."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.nodes import ROOT

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(280)
def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path):
    """Five nodes are killed, stopped and cut off; nothing acknowledged is lost, and the replicas end up equal."""
    results = tmp_path / "results"
    options = ["--minutes", "1.7", "--seed", "3", "--faults", "kill,stop,isolate,one-way", "--output", str(results)]
    run = subprocess.Popen([sys.executable, "-m", "tests.chaos", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = run.communicate(timeout=250)
    finally:
        if run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
    summary = json.loads((results / "summary.json").read_text()) if (results / "summary.json").exists() else {}
    broken = {rule: told["violations"] for rule, told in summary.get("promises", {}).items() if told["violations"]}
    assert broken == {}, said
    assert run.returncode == 0, said
    assert summary["checked"]["writes acknowledged"] > 500
    assert len(summary["faults"]) >= 2
    assert "<svg" in (results / "report.html").read_text()
