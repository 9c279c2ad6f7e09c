import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dynamo.load.faults import Fault, Pids, fault, is_away, time_table

NODES = ["node1", "node2"]


@pytest.mark.parametrize(
    ("text", "at_s"), [("node2@30s", 30), ("node2@30", 30), ("node2@1.5m", 90), ("node2@250ms", 0.25)]
)
def test_a_fault_has_a_node_and_a_time(text, at_s):
    """In seconds, minutes or milliseconds."""
    assert fault("kill", text) == Fault(at_s, "kill", "node2")


@pytest.mark.parametrize("text", ["node2", "@3s", "node2@", "node2@soon", "node2 @3s"])
def test_what_says_not_when_is_refused(text):
    """With how to say it."""
    with pytest.raises(ValueError, match="node2@30s"):
        fault("kill", text)


def test_the_time_table_is_in_order():
    """Whatever the order of the options."""
    late, early = Fault(9, "resume", "node1"), Fault(2, "pause", "node1")
    assert time_table([late, early], NODES, 10, can_start=False) == [early, late]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Fault(1, "kill", "node3"), "there are node1, node2"),
        (Fault(10, "kill", "node1"), "over after 10 s"),
        (Fault(1, "start", "node1"), "--cluster"),
    ],
)
def test_what_could_never_happen_is_refused(one, said):
    """A node that nobody knows, a time after the end, a start of what others run."""
    with pytest.raises(ValueError, match=said):
        time_table([one], NODES, 10, can_start=False)


def test_who_is_away():
    """Killed or paused, until started or resumed."""
    assert not is_away([])
    assert is_away(["kill"])
    assert not is_away(["pause", "resume"])
    assert is_away(["kill", "start", "pause"])


def state(pid: int) -> str:
    """The kernel's letter for a process: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_only_named_processes_are_hurt_and_what_was_paused_goes_on():
    """Paused, let go on at the end, killed; a number that is nobody's is refused beforehand."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        pids = Pids({"node2": child.pid})
        pids.apply(Fault(0, "pause", "node2"))
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert state(child.pid) == "T"
        pids.restore()
        os.waitid(os.P_PID, child.pid, os.WCONTINUED)
        assert state(child.pid) != "T"
        pids.apply(Fault(0, "pause", "node2"))
        pids.apply(Fault(0, "resume", "node2"))
        pids.apply(Fault(0, "kill", "node2"))
        assert child.wait(10) == -signal.SIGKILL
        pids.restore()
        with pytest.raises(ProcessLookupError, match="no such process"):
            Pids({"node2": child.pid})
    finally:
        child.kill()
        child.communicate()
