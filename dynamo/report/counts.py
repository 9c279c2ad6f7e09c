"""What workers count and results hold: plain numbers that add up, over workers and over time.

Latencies are buckets of `workload/histogram.py` in nanoseconds, sparse. Keys of the dicts are words joined by a blank:
"get one" for a kind of operation at a level, "one quorum" for reads at one level checked against writes at another.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import msgspec

OUTCOMES = ("ok", "refused", "timeout", "unavailable", "rejected", "error")
"""`ok`: done as asked, "not found" included. `refused`: a compare-and-set whose condition did not hold. `timeout`: no
answer in time, or a 504. `unavailable`: 503, nothing was done. `rejected`: another 4xx. `error`: another 5xx, or a
connection that broke."""
OK, REFUSED, TIMEOUT, UNAVAILABLE, REJECTED, ERROR = range(6)
GOOD = (OK, REFUSED)
"""Outcomes that count as success: the store did what it promises."""
ANY = "any"
"""In place of a level of writes: checked against writes of all levels."""

Buckets = dict[int, int]


class Requests(msgspec.Struct):
    """One kind of operation at one level."""

    outcomes: list[int] = msgspec.field(default_factory=lambda: [0] * len(OUTCOMES))
    """In the order of OUTCOMES."""
    response: Buckets = {}
    """From the intended start. A time-out counts with the time-out's length."""
    service: Buckets = {}
    """From the moment it was sent."""

    @property
    def count(self) -> int:
        return sum(self.outcomes)

    @property
    def good(self) -> int:
        return sum(self.outcomes[place] for place in GOOD)

    def add(self, other: Requests) -> None:
        self.outcomes = [mine + theirs for mine, theirs in zip(self.outcomes, other.outcomes, strict=True)]
        add_buckets(self.response, other.response)
        add_buckets(self.service, other.service)


class Checks(msgspec.Struct):
    """Reads at one level, judged against writes at one level or at all of them."""

    verdicts: list[int] = msgspec.field(default_factory=lambda: [0] * 4)
    """Fresh, stale, concurrent, unknown."""
    seconds: Buckets = {}
    """How stale the stale ones were, in nanoseconds; fresh ones are not in it."""
    versions: Buckets = {}
    """How many acknowledged writes they missed: the number itself, not a bucket."""

    @property
    def stale(self) -> int:
        return self.verdicts[1]

    @property
    def judged(self) -> int:
        """The denominator of a stale share. A concurrent read is as new as it had to be, and more."""
        return sum(self.verdicts[:3])

    def add(self, other: Checks) -> None:
        self.verdicts = [mine + theirs for mine, theirs in zip(self.verdicts, other.verdicts, strict=True)]
        add_buckets(self.seconds, other.seconds)
        add_buckets(self.versions, other.versions)


class Probed(msgspec.Struct):
    """Probes of one pair of levels at one delay."""

    verdicts: list[int] = msgspec.field(default_factory=lambda: [0] * 4)
    waited_s: float = 0.0
    """From the acknowledgement to the read, all of them together; the delay that was meant is the least."""
    versions: int = 0
    """Acknowledged writes that stale ones missed, all of them together."""

    def add(self, other: Probed) -> None:
        self.verdicts = [mine + theirs for mine, theirs in zip(self.verdicts, other.verdicts, strict=True)]
        self.waited_s += other.waited_s
        self.versions += other.versions


class Promise(msgspec.Struct):
    """A session guarantee at one level of reads."""

    checked: int = 0
    broken: int = 0

    def add(self, other: Promise) -> None:
        self.checked += other.checked
        self.broken += other.broken


class Counts(msgspec.Struct):
    """All of it, for a stretch of time."""

    requests: dict[str, Requests] = {}
    checks: dict[str, Checks] = {}
    probes: dict[str, Probed] = {}
    """Keys: read level, write level, delay in milliseconds."""
    promises: dict[str, Promise] = {}
    """Keys: read level, guarantee."""
    send_delay: Buckets = {}
    """From the intended start to the moment it was sent."""
    arrived: int = 0
    """Operations that were due."""
    dropped: int = 0
    """Operations that were due and never sent, as no connection became free in time."""
    retried: int = 0
    client_s: float = 0.0
    """Processor time of the workers."""

    def add(self, other: Counts) -> None:
        """Count all that the other one counted."""
        _add_all(self.requests, other.requests, Requests)
        _add_all(self.checks, other.checks, Checks)
        _add_all(self.probes, other.probes, Probed)
        _add_all(self.promises, other.promises, Promise)
        add_buckets(self.send_delay, other.send_delay)
        self.arrived += other.arrived
        self.dropped += other.dropped
        self.retried += other.retried
        self.client_s += other.client_s

    @property
    def done(self) -> int:
        """Operations that ended, one way or the other."""
        return sum(each.count for each in self.requests.values())


def add_buckets(mine: Buckets, theirs: Buckets) -> None:
    """Add counts by bucket."""
    for bucket, count in theirs.items():
        mine[bucket] = mine.get(bucket, 0) + count


class _Adds(Protocol):
    def add(self, other: Self) -> None: ...


_T = TypeVar("_T", bound=_Adds)


def _add_all(mine: dict[str, _T], theirs: dict[str, _T], make: type[_T]) -> None:
    for name, each in theirs.items():
        if name not in mine:
            mine[name] = make()
        mine[name].add(each)
