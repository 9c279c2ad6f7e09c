"""A node that notes where it is: `python -m tests.profile.sampled FILE ...` is `dynamo ...`, with its stacks in FILE.

A timer of the kernel counts the processor time of the loop's thread and nothing else: a node that waits for a processor
or a socket gives no samples. A sampler that looks from outside sees who is ready to run, takes waiting for a processor
for work, and puts it where nodes wake up, in the event loop. This one also needs no privilege, and stops nothing.

`faulthandler` would write a stack from the signal itself, but an interpreter that is about to call a function has
stacks that end nowhere, and crashes it.

Python calls the timer's handler between two instructions, mostly after a call or where a function begins. So C code is
its caller's, and a sample may be a few instructions late. One that finds a function at its very beginning, called by
the event loop itself, was due before: in the loop, or in the kernel below it.
"""

from __future__ import annotations

import atexit
import ctypes
import opcode
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

EVERY_S = 0.002
"""Kernels look at the timer when their clock ticks, mostly 250 times a second: that is then the rate."""
_THREAD_CPUTIME, _TO_THREAD = 3, 4
_RESUME = opcode.opmap["RESUME"]


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("rest", ctypes.c_byte * 44),
    )


class _Times(ctypes.Structure):
    """`struct itimerspec`: what comes after the first time, and when that is."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("again_s", "again_ns", "first_s", "first_ns"))


class Sampler:
    """Writes the stack that it is shown: first a line for each function that is new, then one for the stack."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._numbers: dict[CodeType, int] = {}

    def note(self, frame: FrameType | None) -> None:
        inner = frame
        stack: list[int] = []
        while frame is not None:
            stack.append(self._number(frame.f_code))
            frame = frame.f_back
        if inner is not None and len(stack) > 1 and begins(inner) and is_runner(inner.f_back):
            del stack[0]
        self._write(b"%s\n" % " ".join(map(str, reversed(stack))).encode())

    def _number(self, code: CodeType) -> int:
        number = self._numbers.get(code)
        if number is None:
            number = self._numbers[code] = len(self._numbers)
            self._write(f"={number}\t{code.co_filename}\t{code.co_qualname}\n".encode())
        return number


def begins(frame: FrameType) -> bool:
    """Whether nothing of the function has run yet."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _RESUME


def is_runner(frame: FrameType | None) -> bool:
    """Whether this is what runs the event loop: it calls nothing else."""
    return frame is not None and frame.f_code.co_filename.endswith(("asyncio/runners.py", "asyncio/events.py"))


def start(sampler: Sampler) -> None:
    """Sample this thread, the main one, from now on. Raises OSError."""
    signal.signal(signal.SIGPROF, lambda _, frame: sampler.note(frame))
    # An interpreter that ends takes its handlers away, and without one this signal would kill it.
    atexit.register(signal.signal, signal.SIGPROF, signal.SIG_IGN)
    system = ctypes.CDLL(None, use_errno=True)
    event = _Event(signal=signal.SIGPROF, notify=_TO_THREAD, thread=threading.get_native_id())
    timer = ctypes.c_void_p()
    every_ns = int(EVERY_S * 1e9)
    times = _Times(again_ns=every_ns, first_ns=every_ns)
    if system.timer_create(_THREAD_CPUTIME, ctypes.byref(event), ctypes.byref(timer)) or system.timer_settime(
        timer, 0, ctypes.byref(times), None
    ):
        raise OSError(ctypes.get_errno(), "there is no timer of a thread's processor time here")


def main() -> int:
    """The command `dynamo` with the arguments that are left."""
    file = os.open(Path(sys.argv.pop(1)), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    start(Sampler(lambda line: os.write(file, line)))
    from dynamo.cli.main import main as dynamo

    return dynamo()


if __name__ == "__main__":
    sys.exit(main())
