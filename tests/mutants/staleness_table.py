"""What keeps the verdicts on stale reads true: each rule taken out in turn, and the tests that must notice."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from unittest.mock import patch

from dynamo.node import judging
from dynamo.node.recent_acks import RecentAcks
from dynamo.protocol.messages import SpanAcks
from dynamo.replication import inquiry
from dynamo.replication.remote_clock import RemoteClock
from dynamo.replication.staleness import CLEAN, STALE, Event, Judgement, Known
from tests.mutants.mutant import Mutant, Taken

SEEDS = "tests/simulation/test_staleness.py::"
STRICT = f"{SEEDS}test_overlapping_quorums_are_never_stale[1]"
JUDGING = "tests/unit/node/test_judging.py::"


def newer_is_enough() -> Taken:
    def naive(view: Mapping[str, int], known: Mapping[str, Known], *_: object) -> Judgement:
        newest = {actor: max([said.doubtful_upto, *(e.counter for e in said.events)]) for actor, said in known.items()}
        missed = sum(counter > view.get(actor, 0) for actor, counter in newest.items())
        return Judgement(STALE, 0.0, missed) if missed else CLEAN

    return patch.object(judging, "judged", naive)


def failed_is_acknowledged() -> Taken:
    placed = inquiry._placed

    def old(said: SpanAcks, clock_s: float, clock: RemoteClock) -> Known:
        known = placed(said, clock_s, clock)
        events = tuple(Event(e.counter, 0.0, 0.0) if e.latest == inf else e for e in known.events)
        return Known(events, known.doubtful_upto)

    return patch.object(inquiry, "_placed", old)


def estimates_beat_overlaps() -> Taken:
    def precedes(self: Event, started_at: float, replies: int, replicas: int) -> bool:
        return self.likely < started_at

    return patch.object(Event, "precedes", precedes)


def clocks_are_taken_as_equal() -> Taken:
    return patch.object(RemoteClock, "window", lambda _, theirs: (theirs, theirs))


def forgotten_is_not_acknowledged() -> Taken:
    told = RecentAcks._told

    def sure(self: RecentAcks, *asked: object) -> SpanAcks:
        return SpanAcks(told(self, *asked).writes)  # type: ignore[arg-type]  # handed on as it came

    return patch.object(RecentAcks, "_told", sure)


STALENESS: tuple[Mutant, ...] = (
    Mutant(
        "staleness-asking",
        "whatever some replica shows newer counts as acknowledged, and nobody is asked",
        newer_is_enough,
        (STRICT, f"{JUDGING}test_a_failed_write_left_on_one_replica_makes_nothing_stale"),
    ),
    Mutant(
        "staleness-failed",
        "a write that was begun counts as acknowledged",
        failed_is_acknowledged,
        (STRICT, f"{JUDGING}test_a_failed_write_left_on_one_replica_makes_nothing_stale"),
    ),
    Mutant(
        "staleness-overlap",
        "the middle of the bounds decides, though quorums overlap",
        estimates_beat_overlaps,
        (STRICT,),
    ),
    Mutant(
        "staleness-clocks",
        "the clocks of all nodes are taken as one",
        clocks_are_taken_as_equal,
        (f"{SEEDS}test_the_measured_share_is_the_true_one[slow-disks]",),
    ),
    Mutant(
        "staleness-forgotten",
        "what a coordinator has forgotten counts as not acknowledged",
        forgotten_is_not_acknowledged,
        (f"{JUDGING}test_a_coordinator_that_has_forgotten_leaves_it_unresolved",),
    ),
)
