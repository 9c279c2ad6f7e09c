"""A disk that takes no more, for real: the engine's own errors, judged right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lmdb import verify

ROOT = Path(__file__).parents[3]
TOLD_ONCE = "the log cannot be taken into LMDB, writes are refused\n"


@pytest.mark.parametrize("engine", ["lmdb", "log", "kernel"])
def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path, engine):
    """StorageFull for the write that falls short and those after it; reads go on, and with room writes do as well."""
    command = [sys.executable, "-m", "tests.unit.storage.full_disk_child", str(tmp_path / "data"), engine]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ran.stderr == ("" if engine == "lmdb" else TOLD_ONCE)
    seen = json.loads(ran.stdout)
    stored = seen["stored"]
    assert 20 < stored < 40
    assert seen == {
        "stored": stored,
        "refusal": "StorageFull",
        "again": ["StorageFull"] * 3,
        "readable": stored,
        "later": "NoneType",
        "kept": stored + 1,
        "fatal": [],
    }
    assert verify.verify(str(tmp_path / "data" / "store")) == []
