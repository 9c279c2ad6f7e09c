"""What became of the requests of an open loop: one count for each end, over time, and how long the good ones took.

Every request ends in exactly one way. *Good*: answered 2xx, and as it should be, within its timeout. *Shed*: refused
with 503 within its timeout. *Late*: no answer in time. *Unsent*: no connection was free for it.
*Failed*: another answer, or a connection that broke. Goodput is the rate of good ones by when they were to start.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dynamo.workload.arrivals import Phase, duration_s
from dynamo.workload.histogram import Histogram

BIN_S = 0.25
"""Width of a step on the time line."""
ENDS = ("good", "shed", "late", "unsent", "failed")


class PhaseTally(msgspec.Struct, kw_only=True):
    """One phase of one run. Times in milliseconds from the intended start."""

    phase: Phase
    good: int = 0
    shed: int = 0
    late: int = 0
    unsent: int = 0
    failed: int = 0
    first_failure: str = ""
    good_ns: dict[int, int] = {}
    """Histogram of the good ones: bucket to count."""
    shed_ns: dict[int, int] = {}
    client_s: float = 0.0
    """Processor time of the generators."""

    @property
    def offered(self) -> int:
        """All that arrived."""
        return self.good + self.shed + self.late + self.unsent + self.failed

    @property
    def goodput(self) -> float:
        """Good answers a second."""
        return self.good / self.phase.seconds

    def good_ms(self, percent: float) -> float:
        """A percentile of the good ones."""
        return _percentile_ms(self.good_ns, percent)

    def shed_ms(self, percent: float) -> float:
        """A percentile of the refusals."""
        return _percentile_ms(self.shed_ns, percent)


class Bin(msgspec.Struct, kw_only=True):
    """A step on the time line, by intended start."""

    offered: int = 0
    good: int = 0


class Tally(msgspec.Struct, kw_only=True):
    """A whole run of an open loop."""

    phases: list[PhaseTally]
    bins: list[Bin]

    def recovered_after_s(self, phase: int, share: float) -> float | None:
        """Seconds from a phase's begin until good answers reach `share` of arrivals for good.

        None if the end of the phase is not like that either.
        """
        begins_s = duration_s([each.phase for each in self.phases[:phase]])
        first = round(begins_s / BIN_S)
        last = first + round(self.phases[phase].phase.seconds / BIN_S)
        bad = [at for at in range(first, last) if self.bins[at].good < share * self.bins[at].offered]
        if not bad:
            return 0.0
        return None if bad[-1] == last - 1 else (bad[-1] + 1 - first) * BIN_S


def empty(phases: Sequence[Phase]) -> Tally:
    """A tally before the first request."""
    bins = [Bin() for _ in range(int(duration_s(phases) / BIN_S) + 1)]
    return Tally(phases=[PhaseTally(phase=phase) for phase in phases], bins=bins)


def merged(parts: Sequence[Tally], phases: Sequence[Phase]) -> Tally:
    """What several generators saw together, of phases with their whole rates."""
    whole = empty(phases)
    for part in parts:
        for mine, theirs in zip(whole.phases, part.phases, strict=True):
            _add(mine, theirs)
        for bin_, other in zip(whole.bins, part.bins, strict=True):
            bin_.offered += other.offered
            bin_.good += other.good
    return whole


def _add(mine: PhaseTally, theirs: PhaseTally) -> None:
    for end in ENDS:
        setattr(mine, end, getattr(mine, end) + getattr(theirs, end))
    mine.first_failure = mine.first_failure or theirs.first_failure
    mine.client_s += theirs.client_s
    for into, from_ in ((mine.good_ns, theirs.good_ns), (mine.shed_ns, theirs.shed_ns)):
        for bucket, count in from_.items():
            into[bucket] = into.get(bucket, 0) + count


def _percentile_ms(counts: dict[int, int], percent: float) -> float:
    histogram = Histogram()
    histogram.add_counts(counts)
    return histogram.percentile(percent) / 1e6
