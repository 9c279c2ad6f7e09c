"""How a thread that works for a loop leaves it the processor.

A thread of Python that has waited for the disk needs the interpreter for a moment. A loop under load has it nearly all
the time, and gives it up for some microseconds between two callbacks. A thread that the kernel wakes then, in the place
of whoever runs, comes too late, goes back to sleep, and so on: six times for each group of a store, each time at the
price of two switches and cold caches. A thread of the class SCHED_BATCH does not take the place of anybody when it is
woken: it waits for a processor that is free, and by then the loop mostly waits, too. On an idle machine nothing
changes (decision 0024).
"""

from __future__ import annotations

import os
import sys

from dynamo.telemetry import logs

journal = logs.Log("storage")


def stand_back() -> None:
    """Make the calling thread one that waits for a free processor. One that was given a class of its own keeps it."""
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as problem:  # A sandbox may forbid it; it costs time, and nothing else.
            journal.debug("a thread competes with the loop for the processor", problem=str(problem))
