"""How a thread that works for a loop leaves it the processor.

A thread of Python that has waited for the disk needs the interpreter for a moment. A loop under load has it nearly all
the time, and gives it up for some microseconds between two callbacks. A thread that the kernel wakes then, in the place
of whoever runs, comes too late, goes back to sleep, and so on: six times for each group of a store, each time at the
price of two switches and cold caches. A thread of the class SCHED_BATCH takes nobody's place when it is woken: it waits
for a processor that is free, and by then the loop mostly waits, too.

Where other programs keep all processors busy it would wait for them as well. So it gives way only while there is much
to do, when waiting a little costs nobody much (decision 0024).
"""

from __future__ import annotations

import os
import sys

from dynamo.telemetry import logs

journal = logs.Log("storage")


class Manners:
    """Of the thread that makes this. One that was given another class of its own keeps it."""

    def __init__(self) -> None:
        self._gives_way = False
        self._may_choose = sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER

    def give_way(self, wanted: bool) -> None:  # noqa: FBT001 - what it says is its name
        """From now on wait for a free processor when woken, or take one, as threads do."""
        if wanted is self._gives_way or not self._may_choose or sys.platform != "linux":
            return
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH if wanted else os.SCHED_OTHER, os.sched_param(0))
            self._gives_way = wanted
        except OSError as problem:  # A sandbox may forbid it: that costs time, and nothing else.
            self._may_choose = False
            journal.debug("a thread competes with the loop for the processor", problem=str(problem))
