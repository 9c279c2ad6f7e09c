"""How stale reads are, by consistency level: what `node/judging.py` counts. What is meant: docs/staleness.md.

A read that is not stale, fresh or with a write in flight, observes 0 in both histograms, whose first bound is 0. So one
family gives the share of stale reads, and of reads no staler than t. Label sets are closed: levels as the API spells
them, replies and acknowledgements up to a stated number, whatever N a bucket has.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from dynamo.telemetry.exposition import Cell, Histogram
from dynamo.telemetry.series import Catalogue

LEVELS = ("one", "quorum", "all", "linearizable")
VERDICTS = ("fresh", "stale", "inflight", "unresolved")
"""Spelt as in `replication.staleness`."""
GUARANTEES = ("monotonic_reads", "read_your_writes")
SESSION_VERDICTS = ("kept", "violated")
REPLIES_MAX = 9
"""Replies, and acknowledgements, beyond this number are not counted."""
STALENESS_BOUNDS_S = (
    *(0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
VERSION_BOUNDS = (0, 1, 2, 3, 5, 10, 20, 50)
ARRIVAL_BOUNDS_S = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""From 0, since a node's own reply takes no time."""

NUMBERS = tuple(str(number) for number in range(1, REPLIES_MAX + 1))


class LevelSeries:
    """The series of one consistency level."""

    __slots__ = ("seconds", "verdicts", "versions")

    def __init__(self, catalogue: Catalogue, level: str) -> None:
        checks = "Judged reads by verdict; a share of stale ones is one of all but the unresolved."
        seconds = "Age, at a read's start, of the oldest acknowledged write that it missed; 0 if it was not stale."
        versions = "Acknowledged writes that a read missed; 0 if it was not stale."
        self.verdicts = {
            verdict: catalogue.cell("dynamo_read_checks_total", "counter", checks, consistency=level, verdict=verdict)
            for verdict in VERDICTS
        }
        self.seconds = catalogue.histogram(
            "dynamo_read_staleness_seconds", seconds, STALENESS_BOUNDS_S, consistency=level
        )
        self.versions = catalogue.histogram(
            "dynamo_read_staleness_versions", versions, VERSION_BOUNDS, consistency=level
        )

    def count_fresh(self, reads: int) -> None:
        """So many fresh reads."""
        self.verdicts["fresh"].value += reads
        self.seconds.buckets[0] += reads
        self.versions.buckets[0] += reads

    def count(self, verdict: str, age_s: float = 0.0, versions: int = 0) -> None:
        """One judged read. It is in no histogram if it is not known whether it was stale."""
        self.verdicts[verdict].value += 1
        if verdict != "unresolved":
            self.seconds.observe(age_s)
            self.versions.observe(versions)


class StalenessSeries:
    """All of them. Lists by number of replies begin with that of one reply."""

    def __init__(self, catalogue: Catalogue, peers: Sequence[str]) -> None:
        self.levels = {level: LevelSeries(catalogue, level) for level in LEVELS}
        sessions = "Reads with a context, by whether their first replies had seen what it demands."
        self.sessions: dict[tuple[str, str, str], Cell] = {
            (level, guarantee, verdict): catalogue.cell(
                "dynamo_session_checks_total",
                "counter",
                sessions,
                consistency=level,
                guarantee=guarantee,
                verdict=verdict,
            )
            for level, guarantee, verdict in product(LEVELS, GUARANTEES, SESSION_VERDICTS)
        }
        """By level, guarantee and verdict."""
        whatif = "What the merge of the first replies of judged reads would have come to."
        self.whatif = [
            {
                verdict: catalogue.cell(
                    "dynamo_whatif_read_checks_total", "counter", whatif, replies=number, verdict=verdict
                )
                for verdict in VERDICTS
            }
            for number in NUMBERS
        ]
        reads = "Time from a judged read's start to its n-th reply."
        self.reply_times = self._arrivals(catalogue, "dynamo_whatif_read_duration_seconds", reads, "replies")
        writes = "Time from a write's start to its n-th acknowledgement by a replica; of a sample."
        self.ack_times = self._arrivals(catalogue, "dynamo_whatif_write_duration_seconds", writes, "acks")
        shed = "Judged reads that are unresolved because too many others waited for an answer."
        self.shed = catalogue.cell("dynamo_read_checks_shed_total", "counter", shed)
        waiting = "Judged reads that wait to hear when a write was acknowledged."
        self.waiting = catalogue.cell("dynamo_waiting_read_checks_requests", "gauge", waiting)
        ratio = "Share of reads that is judged where a bucket says nothing; 0 while that is switched off."
        self.sample_ratio = catalogue.cell("dynamo_read_checks_sample_ratio", "gauge", ratio)
        offset = "How far the peer's monotonic clock is ahead of this node's, as far as it is known; 0 until it is."
        error = "How far from that the truth may be; 0 while nothing is known."
        self.clock_offset_s = {
            peer: catalogue.cell("dynamo_clock_offset_seconds", "gauge", offset, peer=peer) for peer in peers
        }
        self.clock_error_s = {
            peer: catalogue.cell("dynamo_clock_offset_error_seconds", "gauge", error, peer=peer) for peer in peers
        }

    @staticmethod
    def _arrivals(catalogue: Catalogue, name: str, meaning: str, label: str) -> list[Histogram]:
        return [catalogue.histogram(name, meaning, ARRIVAL_BOUNDS_S, **{label: number}) for number in NUMBERS]
