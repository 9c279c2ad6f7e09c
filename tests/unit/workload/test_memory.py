import os
import subprocess
import sys
import time

from dynamo.workload.memory import MemoryWatch, anonymous_bytes, resident_bytes


def test_a_process_that_grows_is_seen_growing():
    """The largest of a stretch is at least what it took on."""
    code = "import sys; sys.stdin.readline(); x = bytearray(b'x' * 2**26); print(flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = resident_bytes(child.pid)
        with MemoryWatch([child.pid]) as watch:
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()
            grown = len(watch.samples)
            deadline = time.monotonic() + 10
            while len(watch.samples) < grown + 2 and time.monotonic() < deadline:
                time.sleep(0.01)
        child.stdin.write(b"\n")
        child.stdin.flush()
    assert watch.largest(0.0, 1e9) - before >= 2**26
    assert watch.largest(1e8, 1e9) == 0


def test_a_process_that_is_gone_has_no_memory():
    """Its number is free; nothing is raised in the middle of a run."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert resident_bytes(child.pid) == 0
    assert resident_bytes(os.getpid()) > 2**20


def test_memory_of_its_own_is_no_page_of_a_file():
    """What is mapped from a file is resident, and not the process's own; a process that is gone has neither."""
    own = anonymous_bytes(os.getpid())
    assert 2**20 < own < resident_bytes(os.getpid())
    kept = bytearray(b"x" * 2**25)
    assert anonymous_bytes(os.getpid()) - own > 2**24
    assert len(kept) == 2**25
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert anonymous_bytes(child.pid) == 0
