"""The hot paths take what is recorded, to a tenth. `measure.py` says what is counted, `counter.py` how."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.counts.baseline import Cost, file, findings, load
from tests.counts.places import ROOT

RECORD = "if that is meant, `make baseline` records it"


def counted(folder: Path, hash_seed: int) -> bytes:
    """All counts, made in a process of their own: its clocks and its chance are set for that."""
    result = folder / f"{hash_seed}.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.counts", "--json", str(result)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return result.read_bytes()


def test_hot_paths_take_what_is_recorded(tmp_path: Path):
    """PUT, GET and CAS over three nodes, and what a replica does with Store, Fetch and Accept: at most a tenth more
    instructions or calls into C than recorded, and at most a tenth fewer, so that what was gained is kept.
    """
    before = load()
    if before is None:
        pytest.skip(f"nothing is recorded for this version of CPython: `make baseline` would write {file().name}")
    found = findings(before, msgspec.json.decode(counted(tmp_path, 1), type=dict[str, Cost]))
    assert not found, "\n".join([*found, RECORD])


@pytest.mark.night
def test_a_count_is_the_same_each_time(tmp_path: Path):
    """To the last instruction of each function, whatever order sets and dictionaries of strings would have."""
    assert counted(tmp_path, 1) == counted(tmp_path, 2)
