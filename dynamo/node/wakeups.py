"""One queue for all the times at which some machine wants to be woken.

Every request has a deadline and almost none reaches it; a timer of the loop for each would cost more than the request's
own bookkeeping. Here a wake-up is a heap entry, and one timer of the loop is armed for the earliest.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from dynamo.ports import Clock

_EARLY_S = 0.001
"""A loop's timer may fire so much too early, by rounding. Then it is armed again: nobody is woken before their time,
since a machine that is woken just before its deadline would do nothing, and never be woken again.
"""


_CANCELLED_MAX = 100
"""So many cancelled entries may wait for their time; more only while they are the smaller half. Nearly every entry is
cancelled within milliseconds of the seconds it asked for, and the garbage collector visits all that are kept.
"""


class Wakeup:
    """An entry that can be cancelled; a cancelled one holds on to nothing."""

    __slots__ = ("_on_cancel", "callback")

    def __init__(self, callback: Callable[[], None], on_cancel: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        """It will not call back; the entry leaves the queue at its time, or before."""
        if self.callback is not None:
            self.callback = None
            self._on_cancel()


class Wakeups:
    """Calls back at or shortly after the time asked for, in order of time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Wakeup]] = []
        self._order = itertools.count()
        self._armed_for = float("inf")
        self._cancelled = 0
        """At least as many as the heap holds."""

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, callback: Callable[[], None]) -> Wakeup:
        """Ask for a call at `when` (monotonic seconds)."""
        entry = Wakeup(callback, self._on_cancel)
        heapq.heappush(self._heap, (when, next(self._order), entry))
        if when < self._armed_for:
            self._arm(when)
        return entry

    def _on_cancel(self) -> None:
        self._cancelled += 1
        if self._cancelled > _CANCELLED_MAX and self._cancelled * 2 > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _arm(self, when: float) -> None:
        self._armed_for = when
        self._clock.call_at(when, self._fire)

    def _fire(self) -> None:
        now = self._clock.monotonic()
        if now + _EARLY_S < self._armed_for:
            return
        self._armed_for = float("inf")
        try:
            while self._heap and (self._heap[0][0] <= now or self._heap[0][2].callback is None):
                entry = heapq.heappop(self._heap)[2]
                if entry.callback is not None:
                    entry.callback()
        finally:
            # Also after a callback that raised: its bug must not let the others sleep for ever.
            if self._heap and self._heap[0][0] < self._armed_for:
                self._arm(self._heap[0][0])
