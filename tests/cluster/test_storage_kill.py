"""`kill -9` at any moment: nothing acknowledged is lost, no batch is torn, and the next start needs no repair."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lmdb import verify

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage.directory import DataDirectory
from dynamo.storage.environment import Environment
from tests.cluster.storage_child import LAST, PARTS, WINDOW, record_key, record_value

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
ROUNDS = 30
BUDGET_S = 7.0
"""Time for all rounds of a mode on a busy machine; on a quiet one they take less."""
ROUNDS_MIN = 4
STARTUP_S = 0.6
"""About what a child needs before its first acknowledgement."""
ACKNOWLEDGED_MAX = 300


@contextmanager
def child(directory: Path, durability: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.cluster.storage_child", str(directory), durability]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def run_and_kill(directory: Path, durability: str, dice: random.Random) -> tuple[str | None, list[int]]:
    """The incarnation and the acknowledged batches of one life, which ends while it starts or while it writes."""
    with child(directory, durability) as process:
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
    whole = [line.decode().strip() for line in lines if line.endswith(b"\n")]
    return (whole[0] if whole else None), [int(line) for line in whole[1:]]


def last_batch_of(directory: Path) -> int:
    """The number of the last batch in the store, -1 if there is none; all of the window before it, whole."""
    if not (directory / "store" / "data.mdb").exists():
        return -1
    environment = Environment(DataDirectory(directory), 2**28, lazy=False)
    last = int(environment.get(Keyspace.META, LAST) or b"-1")
    found = environment.scan(Keyspace.RECORDS, b"", None, 10 * WINDOW * PARTS)
    environment.close()
    window = range(max(0, last - WINDOW + 1), last + 1)
    assert found == [(record_key(n, part), record_value(n, part)) for n in window for part in range(PARTS)]
    return last


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_killed_store_loses_nothing_it_acknowledged(tmp_path, durability):
    """Life after life on the same data, each killed at another moment; in async mode, too: the system lives on."""
    dice = random.Random(durability)
    began, acknowledged, incarnations = time.monotonic(), -1, []
    for lives in range(ROUNDS):
        if lives >= ROUNDS_MIN and time.monotonic() - began > BUDGET_S:
            break
        incarnation, numbers = run_and_kill(tmp_path, durability, dice)
        incarnations += [incarnation] if incarnation else []
        if numbers:
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), "acknowledged in order"
            acknowledged = numbers[-1]
        assert last_batch_of(tmp_path) >= acknowledged
    assert acknowledged > 0, "the load never got going"
    assert len(set(incarnations)) == len(incarnations), "each life after a crash is another actor"
    assert verify.verify(str(tmp_path / "store")) == [], "the file is sound in every page"
