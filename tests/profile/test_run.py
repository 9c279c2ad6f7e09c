import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from dynamo.workload.processes import ServerFailed
from tests.architecture.tree import ROOT
from tests.profile import run
from tests.profile.rooms import WHAT


def test_processes_that_rest_are_quiet():
    """This one does nothing while it waits."""
    began = time.monotonic()
    run.wait_until_quiet([os.getpid()])
    assert time.monotonic() - began < run.QUIET_TIMEOUT_S


def test_a_process_that_goes_on_is_told(monkeypatch):
    monkeypatch.setattr(run, "QUIET_TIMEOUT_S", 0.1)
    monkeypatch.setattr(run, "LOOK_S", 0.05)
    monkeypatch.setattr(run, "process_s", lambda _: time.monotonic())
    with pytest.raises(ServerFailed, match="still busy"):
        run.wait_until_quiet([1])


@pytest.mark.night
def test_the_command_says_where_time_goes(tmp_path):
    """Real nodes, short loads: the rooms add up, each load has its table and pictures, and nothing stays behind."""
    options = ["--seconds", "1", "--keys", "2000", "--output", str(tmp_path / "out"), "--data", str(tmp_path)]
    command = [sys.executable, "-m", "tests.profile", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    columns = {
        name: [float(number) for number in re.findall(r"-?\d+\.\d", line)[:4]]
        for line in done.stdout.splitlines()
        for name in [*WHAT, "all"]
        if line.startswith(f"  {name} ")
    }
    assert set(columns) == {*WHAT, "all"}
    for load in range(4):
        rooms = sum(columns[name][load] for name in WHAT)
        assert rooms == pytest.approx(columns["all"][load], abs=1.0)
        assert columns["HTTP"][load] > 1.0
    pictures = sorted((tmp_path / "out").glob("*.svg"))
    assert len(pictures) == len(list((tmp_path / "out").glob("*.folded"))) == 4
    assert all(ET.parse(picture).getroot().tag.endswith("svg") for picture in pictures)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
