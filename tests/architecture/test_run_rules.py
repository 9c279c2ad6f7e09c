"""The rules of tests/conftest.py: a skip fails a run in CI, and a process left running fails any run."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.architecture import tree

SKIPS = "import pytest\n@pytest.mark.skip(reason='no etcd here')\ndef test_a(): pass\n"
SKIPS_ITSELF = "import pytest\ndef test_a(): pytest.skip('no etcd here')\n"
SKIPS_ALL = "import pytest\npytest.skip('no etcd here', allow_module_level=True)\n"
FAILS_AS_EXPECTED = "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False\n"
PASSES = "def test_a(): pass\n"
LEAVES = """
import subprocess, sys
def test_a():
    script = "from subprocess import *; Popen(['sleep', '600'], stdout=DEVNULL, stderr=DEVNULL)"
    subprocess.run([sys.executable, "-c", script], check=True)
"""


def run(folder: Path, code: str, ci: str) -> subprocess.CompletedProcess[str]:
    """One pytest run of one small test file, under the real conftest."""
    shutil.copy(tree.ROOT / "tests/conftest.py", folder)
    (folder / "test_small.py").write_text(code)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            os.devnull,
            "--rootdir",
            str(folder),
            "-rP",
            "-p",
            "no:cacheprovider",
            ".",
        ],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_GRACE_S": "0.2"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("code", [SKIPS, SKIPS_ITSELF, SKIPS_ALL])
def test_a_skip_fails_in_ci(tmp_path, code: str):
    """By mark, by call, or a whole module: the run fails and names test and reason; at a desk it does not fail."""
    in_ci = run(tmp_path, code, "true")
    assert in_ci.returncode == 1
    assert "skipped, which fails a run in CI" in in_ci.stdout
    assert "test_small.py" in in_ci.stdout
    assert "no etcd here" in in_ci.stdout
    assert run(tmp_path, code, "false").returncode in {0, 5}


@pytest.mark.parametrize("code", [PASSES, FAILS_AS_EXPECTED])
def test_what_is_no_skip_passes_in_ci(tmp_path, code: str):
    """A pass is a pass, and an expected failure was run."""
    assert run(tmp_path, code, "true").returncode == 0


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="left-over processes are found by /proc")
def test_a_process_left_running_fails_the_run(tmp_path):
    """Even an orphan whose parent is gone is found, named and killed, and its run fails."""
    finished = run(tmp_path, LEAVES, "false")
    assert finished.returncode == 1
    assert "processes left running by tests" in finished.stdout
    orphan = next(line.split(":")[0] for line in finished.stdout.splitlines() if line.endswith(": sleep 600"))
    deadline = time.monotonic() + 5
    while _alive(int(orphan)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(int(orphan))


def _alive(pid: int) -> bool:
    """A killed orphan may stay as a zombie where the first process reaps nobody."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
