"""A cluster cut into two sides: the larger one goes on, the smaller one refuses, and neither says what is not so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.chaos.cut import LARGER, SMALLER
from tests.chaos.hosts import way_in
from tests.chaos.nodes import ROOT

pytestmark = pytest.mark.cluster

GOES_ON_S = 2.0
REFUSALS = {"quorum-unavailable", "write-timeout", "read-timeout"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Five nodes with linearizable keys on all of them, three cut off from two for eight seconds, clients on all."""
    if way_in() is None:
        pytest.skip("this machine allows no network namespaces")
    folder = tmp_path_factory.mktemp("cut")
    command = [sys.executable, "-m", "tests.chaos.cut", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


@pytest.mark.timeout(150)
def test_the_larger_side_goes_on_within_two_seconds(told: dict) -> None:
    """At each of its nodes: the first answer to a call made after the cut, and no refusal later than that."""
    for node in LARGER:
        assert told["first_ok_s"][node] < GOES_ON_S, told
        assert (told["last_failed_s"][node] or 0.0) < GOES_ON_S, told
        assert told["answers"][node]["ok"] > 20, told


@pytest.mark.timeout(150)
def test_the_smaller_side_says_that_it_cannot(told: dict) -> None:
    """No read, no write: 503 where nothing was sent, 504 where nobody knows; and again after the heal."""
    for node in SMALLER:
        assert told["first_ok_s"][node] is None, told
        assert set(told["answers"][node]) <= REFUSALS, told
        assert told["answers"][node]["quorum-unavailable"] > 0, told
        assert told["healed_ok_s"][node] is not None, told


@pytest.mark.timeout(150)
def test_no_answer_is_wrong_on_either_side(told: dict) -> None:
    """One order of all operations on each key explains what both sides said."""
    assert told["violations"] == []
    assert told["judged"] > 200, told
