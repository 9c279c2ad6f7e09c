import subprocess
import sys
from collections import Counter

from tests.architecture.tree import ROOT
from tests.profile.sampled import Sampler, begins, is_runner
from tests.profile.stacks import Frame, read

BUSY = """
import os, sys, time
from tests.profile.sampled import Sampler, start

def most(until):
    while time.process_time() < until:
        sum(range(2000))

def rest(until):
    while time.process_time() < until:
        sum(range(2000))

def both():
    for _ in range(3):
        now = time.process_time()
        most(now + 0.15)
        rest(now + 0.20)
        time.sleep(0.05)

file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
start(Sampler(lambda line: os.write(file, line)))
both()
"""


def noted(frame):
    """What a sampler writes of a frame, read back."""
    lines: list[bytes] = []
    Sampler(lines.append).note(frame)
    return read(b"".join(lines))


def test_a_stack_is_noted_from_outside_in():
    """With files, and names that say of which class or function a function is."""

    def here():
        return noted(sys._getframe())

    (stack,) = here()
    assert stack[-1] == Frame(__file__, f"{test_a_stack_is_noted_from_outside_in.__name__}.<locals>.here")
    assert stack[-2].name == test_a_stack_is_noted_from_outside_in.__name__


def test_functions_are_named_once():
    lines: list[bytes] = []
    sampler = Sampler(lines.append)
    for _ in range(3):
        sampler.note(sys._getframe())
    assert len([line for line in lines if not line.startswith(b"=")]) == 3
    assert len(lines) == len(set(lines)) + 2


def test_a_thread_outside_of_python_has_an_empty_stack():
    assert noted(None) == [()]


def test_who_has_run_has_begun():
    """The frame of a running function is past its first instruction."""
    assert not begins(sys._getframe())


def test_a_function_that_the_loop_just_called_is_not_its_own_time():
    """It is left out of the stack: the time before its first instruction was the loop's."""
    seen = []

    def called():
        pass

    def profiler(frame, event, arg):
        if event == "call" and frame.f_code is called.__code__:
            seen.append((begins(frame), noted(frame)[0][-1].name))

    code = compile("def run(f):\n    f()", "/usr/lib/python3.11/asyncio/runners.py", "exec")
    scope: dict[str, object] = {}
    exec(code, scope)
    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        scope["run"](called)
        called()
    finally:
        sys.setprofile(before)
    (first, name), (second, itself) = seen
    assert (first, second) == (True, True)
    assert name == "run"
    assert itself.endswith("called")


def test_only_what_runs_a_loop_is_a_runner():
    assert not is_runner(sys._getframe())
    assert not is_runner(None)


def test_samples_follow_processor_time(tmp_path):
    """A real process, its timer and its handler: three quarters of the time are `most`, and sleep is none of it."""
    file = tmp_path / "samples"
    subprocess.run([sys.executable, "-c", BUSY, str(file)], cwd=ROOT, check=True, timeout=60)
    inner = Counter(stack[-1].name for stack in read(file.read_bytes()))
    assert inner["most"] + inner["rest"] > 0.9 * inner.total() > 20
    assert 0.6 < inner["most"] / (inner["most"] + inner["rest"]) < 0.9
