"""What a run saw: latencies and faults of the time that counts.

The recorder is closed while connections warm up and again once the time is over; what is answered then is not counted.
An answer counts by when it came. A fault is remembered by its text, which a reader of a report needs more than their
number.
"""

from __future__ import annotations

from dynamo.workload.histogram import Histogram


class Recorder:
    """Counts answers between `open` and `close`. Faults count always: a run with one is not to be believed."""

    __slots__ = ("_since_ns", "faults", "first_fault", "histogram", "is_open", "refused", "seconds")

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.is_open = False
        self.faults = 0
        self.first_fault = ""
        self.refused = 0
        self.seconds = 0.0
        self._since_ns = 0

    def open(self, now_ns: int) -> None:
        """From now on answers count."""
        self.is_open = True
        self._since_ns = now_ns

    def close(self, now_ns: int) -> None:
        """Answers do not count any more."""
        self.is_open = False
        self.seconds = (now_ns - self._since_ns) / 1e9

    def answer(self, latency_ns: int) -> None:
        """One answer, as it was wanted."""
        if self.is_open:
            self.histogram.record(latency_ns)

    def refusal(self) -> None:
        """One request that was refused because the system has enough to do, where that is no fault."""
        self.refused += self.is_open

    def fault(self, text: str) -> None:
        """One answer that was not as it should be, or a connection that broke."""
        self.faults += 1
        self.first_fault = self.first_fault or text

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.histogram.count / self.seconds if self.seconds else 0.0
