import os
import subprocess
import sys
import time

import pytest

from dynamo.workload import cpu
from dynamo.workload.cpu import Meter, Reading

SPIN = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint('spun', flush=True)\nsys.stdin.read()"


def test_the_time_of_another_process_is_seen():
    """A child that spun 0.2 s by its own clock shows them in the reading; ticks of 10 ms may be missing."""
    child = subprocess.Popen([sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        before = Meter([child.pid]).read()
        assert child.stdout.readline() == "spun\n"
        used = Meter([child.pid]).read().since(before)
    finally:
        child.communicate()
    assert before.servers_s < 0.2
    assert 0.15 <= before.servers_s + used.servers_s < 1


def test_the_time_of_children_is_the_servers():
    """A node has a process that works for it: one that runs counts, and one that has ended."""
    script = (
        "import subprocess, sys\n"
        f"spin = [sys.executable, '-c', {SPIN!r}]\n"
        "subprocess.run(spin, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n"
        "child = subprocess.Popen(spin, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline(), print('spun', flush=True), sys.stdin.read(), child.communicate()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "spun\n"
        used = Meter([server.pid]).read().servers_s
    finally:
        server.communicate()
    assert 0.35 <= used < 2


def test_the_clients_own_time_is_seen():
    """By the interpreter's clock, not in ticks."""
    meter = Meter([])
    before = meter.read()
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    used = meter.read().since(before)
    assert 0.05 <= used.client_s < 0.1
    assert used.servers_s == 0


def test_the_machine_counts_everybody():
    """At least what this process used, and it never falls."""
    before = cpu.machine_s()
    deadline = time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    assert cpu.machine_s() - before >= 0.08


def test_what_others_used_is_the_rest():
    """Never less than nothing: the three clocks are not read at one instant."""
    assert Reading(3.0, 1.0, 6.0).since(Reading(1.0, 0.5, 2.0)) == Reading(2.0, 0.5, 4.0)
    assert Reading(2.0, 0.5, 4.0).others_s == 1.5
    assert Reading(2.0, 0.5, 2.4).others_s == 0.0


def test_a_process_that_is_gone_is_told():
    """A node that crashed in a measurement must not count as cheap."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ProcessLookupError, match=str(child.pid)):
        Meter([os.getpid(), child.pid]).read()


def test_cores_are_those_of_this_process():
    """As the kernel would schedule it."""
    assert cpu.cores() == sorted(os.sched_getaffinity(0))


def test_servers_and_generator_have_a_core_each(monkeypatch):
    """Where there are two at least; nobody is pinned to the only one."""
    monkeypatch.setattr(cpu, "cores", lambda: [2, 3, 7])
    assert cpu.placement() == (2, 7)
    monkeypatch.setattr(cpu, "cores", lambda: [4])
    assert cpu.placement() == (None, None)
