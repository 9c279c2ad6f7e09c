"""`kill -9` at any moment: nothing acknowledged is lost, no batch is torn, and the next start needs no repair."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lmdb import verify

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.at_rest import content
from tests.cluster.storage_child import LAST, PARTS, WINDOW, record_key, record_value
from tests.cluster.storage_steps import MOMENTS

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
ROUNDS = 30
BUDGET_S = 3.5
"""Time for all rounds of a mode on a busy machine; on a quiet one they take less."""
ROUNDS_MIN = 4
STARTUP_S = 0.6
"""About what a child needs before its first acknowledgement."""
ACKNOWLEDGED_MAX = 300


@contextmanager
def child(directory: Path, *how: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.cluster.storage_child", str(directory), *how]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def run_and_kill(directory: Path, how: tuple[str, str], dice: random.Random) -> tuple[str | None, list[int]]:
    """The incarnation and the acknowledged batches of one life, which ends while it starts or while it writes."""
    with child(directory, *how) as process:
        lines: list[bytes] = []
        if dice.random() < 0.25:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(dice.uniform(0, STARTUP_S))
        else:
            lines = [process.stdout.readline() for _ in range(dice.randrange(ACKNOWLEDGED_MAX))]
            assert all(lines), "the child ended by itself"
        assert process.poll() is None, "the child ended by itself"
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return told(lines)


def told(lines: list[bytes]) -> tuple[str | None, list[int]]:
    whole = [line.decode().strip() for line in lines if line.endswith(b"\n")]
    return (whole[0] if whole else None), [int(line) for line in whole[1:]]


def last_batch_of(directory: Path) -> int:
    """The number of the last batch in the store, -1 if there is none; all of the window before it, whole."""
    held = content(directory)
    last = int(held[Keyspace.META].get(LAST, b"-1"))
    found = sorted(held[Keyspace.RECORDS].items())
    window = range(max(0, last - WINDOW + 1), last + 1)
    assert found == [(record_key(n, part), record_value(n, part)) for n in window for part in range(PARTS)]
    return last


@pytest.mark.parametrize("engine", ["log", "lmdb"])
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_killed_store_loses_nothing_it_acknowledged(tmp_path, durability, engine):
    """Life after life on the same data, each killed at another moment; in async mode, too: the system lives on."""
    dice = random.Random(durability)
    began, acknowledged, incarnations = time.monotonic(), -1, []
    for lives in range(ROUNDS):
        if lives >= ROUNDS_MIN and time.monotonic() - began > BUDGET_S:
            break
        incarnation, numbers = run_and_kill(tmp_path, (durability, engine), dice)
        incarnations += [incarnation] if incarnation else []
        if numbers:
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), "acknowledged in order"
            acknowledged = numbers[-1]
        assert last_batch_of(tmp_path) >= acknowledged
    assert acknowledged > 0, "the load never got going"
    assert len(set(incarnations)) == len(incarnations), "each life after a crash is another actor"
    assert verify.verify(str(tmp_path / "store")) == [], "the file is sound in every page"


LIVES = {
    "sync": [
        *(("frame", moment, 40) for moment in MOMENTS),
        *((step, moment, 2) for step in ("header", "seal", "ask", "child") for moment in MOMENTS),
        *(("make", moment, count) for moment in MOMENTS for count in (1, 2)),
        *(("advance", moment, count) for moment in MOMENTS for count in (1, 2)),
        *(("remove", moment, 1) for moment in MOMENTS),
    ],
    "async": [(step, moment, 2) for step in ("frame", "header", "seal", "ask") for moment in MOMENTS],
}
"""Which step ends a life, when, and the how manieth of its kind: the first ones of the last kinds belong to a start."""


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_store_killed_at_any_step_loses_nothing(tmp_path, durability):
    """At each step of the log's life, before it, within it and after it; and the next life goes on from there.

    Lives of the engine without a log are among them, which take over what the other has left.
    """
    acknowledged = -1
    for number, (step, moment, count) in enumerate(LIVES[durability]):
        if step in ("advance", "remove"):
            # Leaves a log for the start to take over.
            acknowledged = max(acknowledged, *lived(tmp_path, (durability, "log"), ("frame", "after", "20")), -1)
        acknowledged = max(acknowledged, *lived(tmp_path, (durability, "log"), (step, moment, str(count))), -1)
        assert last_batch_of(tmp_path) >= acknowledged, (step, moment)
        if number % 6 == 0:
            acknowledged = max(
                acknowledged, *run_and_kill(tmp_path, (durability, "lmdb"), random.Random(number))[1], -1
            )
            assert last_batch_of(tmp_path) >= acknowledged, step
    assert verify.verify(str(tmp_path / "store")) == [], "the file is sound in every page"


def lived(directory: Path, how: tuple[str, str], trap: tuple[str, str, str]) -> list[int]:
    """The batches that were acknowledged in a life that ends at a step."""
    lines, code = run_to_the_step(directory, *how, *trap)
    assert (code == -signal.SIGKILL) == (trap[0] != "child"), f"{trap}: it ended with {code}"
    return told(lines)[1]


def run_to_the_step(directory: Path, *how: str) -> tuple[list[bytes], int]:
    """All lines of a life that ends by itself, and its end; one that outlives its step is killed after a while."""
    with child(directory, *how) as process:
        lines = [process.stdout.readline()]
        while len(lines) < ACKNOWLEDGED_MAX * 3 and lines[-1]:
            lines.append(process.stdout.readline())
        alive = process.poll() is None and bool(lines[-1])
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
        return lines, 0 if alive else process.wait(30)
