"""A seed gives the same run every time: same messages, faults, clocks and answers, whatever Python's hash seed is."""

import json
import os
import subprocess
import sys
from typing import get_args

import pytest

from dynamo.checker.history import from_lines, to_lines
from dynamo.simulation.run import run_seed
from dynamo.simulation.swarm import Mode, run_one

SEEDS = (5, 17)
SHOW = """
import json, sys
from dynamo.checker.history import to_lines
from dynamo.simulation.swarm import run_one
runs = [run_one(sys.argv[1], int(seed)) for seed in sys.argv[2:]]
print(json.dumps([[verdict.trace_hash, verdict.events, to_lines(history)] for verdict, history in runs]))
"""


def runs_in_another_process(mode: Mode, hash_seed: str) -> list:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SHOW, mode, *map(str, SEEDS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.simulation
@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_replay_is_the_same_run(mode: Mode):
    """Event for event, in this process and in others with other hash seeds."""
    here = [run_one(mode, seed) for seed in SEEDS]
    mine = [[verdict.trace_hash, verdict.events, to_lines(history)] for verdict, history in here]
    assert all(verdict.events > 500 for verdict, _ in here)
    for hash_seed in ("0", "1"):
        assert runs_in_another_process(mode, hash_seed) == mine


@pytest.mark.simulation
def test_another_seed_is_another_run():
    """The hash tells them apart."""
    assert len({run_seed(seed)[0].trace_hash for seed in range(1, 11)}) == 10


@pytest.mark.simulation
def test_a_trace_says_what_happened():
    """Calls, messages, commits, faults and returns, as many lines as events; keeping it changes nothing."""
    verdict, history = run_seed(5, keep_trace=True)
    assert len(verdict.trace) == verdict.events
    assert verdict.trace_hash == run_seed(5)[0].trace_hash
    for word in ("call", "return", "pass", "commits", "starts as", "sees", "all faults end"):
        assert any(word in line for line in verdict.trace), word
    assert from_lines(to_lines(history)).events == history.events
