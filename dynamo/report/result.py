"""The result of a run, as the JSON file has it: what was asked, what came of it, whether it may be believed.

Totals are the sum of the slices. A slice is an interval of the run (a second, unless the run was so long that slices
were put together); an operation counts in the one in which it ended.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dynamo.report.counts import Counts

FORMAT = 1
SLICES_MAX = 300
"""More are put together, so that a long run has no huge file."""
DROPPED_MAX = 0.001
"""Share of arrivals that may be dropped by the generator before the run is invalid."""
SEND_DELAY_MAX = 0.1
"""Share of the p99 response time above which the p99 send delay says that the generator was too slow."""


class Moment(msgspec.Struct, frozen=True):
    """Something that was done to the cluster. Times in seconds since the begin of the run."""

    at_s: float
    kind: str
    """kill, pause, resume or start."""
    node: str


class Slice(msgspec.Struct):
    """What ended within a stretch of the run."""

    at_s: float
    seconds: float
    counts: Counts
    in_flight: int = 0


class Agreement(msgspec.Struct, frozen=True):
    """How many of a sample of keys all replicas agreed on, at a time after a heal."""

    at_s: float
    """Since the begin of the run."""
    keys: int
    agreed: int
    fixed: dict[str, float] = {}
    """Repairs since the heal by who made them: read repair, hints, anti-entropy; as the nodes count them."""
    oldest_s: float = 0.0
    """For how long that key has differed which has done so longest, counted from the heal at the earliest; 0: none."""


class Predicted(msgspec.Struct, frozen=True):
    """What the nodes predict of one partial quorum (PBS), on the average over them."""

    read_replies: int
    write_acks: int
    curve: list[tuple[float, float]]
    """Seconds since a write's acknowledgement, probability that a read through another node is fresh then."""
    nodes: int
    """How many had a prediction."""

    def fresh(self, after_s: float) -> float:
        """That probability at any time, on the straight line between the two times next to it."""
        before = max((point for point in self.curve if point[0] <= after_s), default=self.curve[0])
        behind = min((point for point in self.curve if point[0] >= after_s), default=self.curve[-1])
        if behind[0] <= before[0]:
            return before[1]
        return before[1] + (behind[1] - before[1]) * (after_s - before[0]) / (behind[0] - before[0])


class Held(msgspec.Struct, frozen=True):
    """A threshold, and whether it was kept."""

    text: str
    value: float | None
    """What was measured, in the threshold's own unit; None: nothing was."""
    failed: bool


class Result(msgspec.Struct, kw_only=True):
    """A whole run."""

    format: int = FORMAT
    taken: str
    """UTC, to the second: when it began."""
    began_s: float
    """The same in seconds since 1970."""
    machine: dict[str, str] = {}
    plan: dict[str, Any]
    """Everything that decided what was asked; equal plans ask for the same operations in the same order."""
    n: int
    reads: list[str]
    writes: list[str]
    nodes: list[str]
    seconds: float
    """That count: without the warm-up."""
    warm_up_s: float = 0.0
    workers: int = 1
    totals: Counts
    slices: list[Slice] = []
    moments: list[Moment] = []
    agreements: list[Agreement] = []
    hints: list[tuple[float, float]] = []
    """Seconds since the begin, and hints that waited then; empty where nobody could be asked."""
    predicted: list[Predicted] = []
    """By the nodes at the end of the run, for its N; empty where they could not be asked, or there was no probe."""
    nodes_s: float | None = None
    """Processor time of the nodes, where it could be read."""
    unsettled: int = 0
    """Writes whose outcome nobody knows."""
    first_failure: str = ""
    corrupt: str = ""
    """What a read returned that nobody wrote: the end of the run."""
    interrupted: bool = False
    thresholds: list[Held] = []

    @property
    def dropped_share(self) -> float:
        """Of the arrivals, those that the generator never sent."""
        return self.totals.dropped / self.totals.arrived if self.totals.arrived else 0.0

    @property
    def problems(self) -> list[str]:
        """Why the run is not to be believed; empty if it is."""
        found = []
        if self.corrupt:
            found.append(f"corrupt: {self.corrupt}")
        if self.dropped_share > DROPPED_MAX:
            found.append(
                f"{self.totals.dropped} of {self.totals.arrived} operations were never sent ({self.dropped_share:.2%}, "
                f"and {DROPPED_MAX:.1%} is allowed): more --connections, or a lower rate"
            )
        if self.interrupted:
            found.append("interrupted before its end")
        if not self.totals.done:
            found.append("nothing was asked")
        return found

    @property
    def valid(self) -> bool:
        return not self.problems

    @property
    def client_us(self) -> float:
        """Processor time of the workers for each operation, in microseconds."""
        return self.totals.client_s * 1e6 / self.totals.done if self.totals.done else 0.0

    def is_strict(self, read: str, write: str) -> bool:
        """Whether R + W > N for this pair."""
        return waits_for(read, self.n) + waits_for(write, self.n) > self.n

    def prediction(self, read: str, write: str) -> Predicted | None:
        """What the nodes predict for this pair. None for strict ones, too, whose reads are always fresh."""
        pair = waits_for(read, self.n), waits_for(write, self.n)
        return next((each for each in self.predicted if (each.read_replies, each.write_acks) == pair), None)


def waits_for(level: str, n: int) -> int:
    """Of how many of N replicas a level waits for an answer."""
    names = {"one": 1, "quorum": n // 2 + 1, "linearizable": n // 2 + 1, "all": n}
    return names[level] if level in names else int(level)


def thinned(slices: list[Slice], most: int = SLICES_MAX) -> list[Slice]:
    """The same in at most so many slices: neighbours are put together."""
    together = -(-len(slices) // most)
    if together <= 1:
        return slices
    found = []
    for first in range(0, len(slices), together):
        group = slices[first : first + together]
        counts = Counts()
        for each in group:
            counts.add(each.counts)
        found.append(Slice(group[0].at_s, sum(each.seconds for each in group), counts, group[-1].in_flight))
    return found


def to_json(result: Result) -> bytes:
    return msgspec.json.encode(result) + b"\n"


def from_json(text: bytes) -> Result:
    """The result of such a file. Raises ValueError for anything else."""
    try:
        result = msgspec.json.decode(text, type=Result)
    except msgspec.DecodeError as problem:
        raise ValueError(f"this is no result of `dynamo bench run`: {problem}") from problem
    if result.format != FORMAT:
        raise ValueError(f"the result has format {result.format}; this version reads {FORMAT}")
    return result
