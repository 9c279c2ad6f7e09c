"""What overlapping quorums are not: the checker finds the history of two readers illegal, and draws it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.figure_9_6 import NEW, OLD
from tests.chaos.hosts import way_in
from tests.chaos.nodes import ROOT

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(120)
def test_of_two_readers_the_second_sees_less(tmp_path: Path) -> None:
    """R=2 and W=3 of N=3, sloppy, a cut: A sees a write that nobody acknowledged, B reads after A and sees the value
    before it.
    """
    if way_in() is None:
        pytest.skip("this machine allows no network namespaces")
    command = [sys.executable, "-m", "tests.chaos.figure_9_6", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert run.stdout, run.stderr
    told = json.loads(run.stdout)
    assert told["seen"] == {"A": NEW, "B": OLD}, told
    assert told["result"] == "illegal", told
    assert run.returncode == 0
    assert "<svg" in (tmp_path / "figure-9-6.svg").read_text()
    assert "<html" in (tmp_path / "figure-9-6.html").read_text()
