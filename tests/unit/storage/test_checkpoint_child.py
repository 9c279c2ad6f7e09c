"""The process that takes the log into LMDB, by itself."""

import subprocess
import sys

from dynamo.storage.applying import Mark
from dynamo.storage.checkpoint import Job, send
from tests.contract.storage_rig import PATIENCE_S


def test_a_child_whose_node_is_killed_ends_quietly(tmp_path):
    """There is nobody to answer to: no traceback on what is the node's own terminal."""
    command = [sys.executable, "-P", "-m", "dynamo.storage.checkpoint_child", str(tmp_path), str(2**20)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    send(child.stdin, Job(Mark(), Mark(), []))
    said = child.stderr.read()
    child.stdin.close()
    child.stderr.close()
    assert (child.wait(PATIENCE_S), said) == (0, b"")
