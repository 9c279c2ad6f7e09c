"""Was a read stale? What its replicas showed, and what is known of the writes that it missed, come to a verdict.

A read is *stale* only if it missed a write that was acknowledged before the read began. That a replica shows something
newer is not enough: that write may still be under way, may have failed and been left on one replica, or may have been
acknowledged while the read was. Who counts such reads as stale finds one in ten at quorum, where none is (research note
on telemetry, section 1.2).

So all N replicas are waited for, behind the client's back, and merged. Clocks, not siblings, say what was missed: an
acknowledged write may be superseded already by one that is not. Between the clock of the answer and that of the merge
lie some counters of some actors; which of those were writes of this key, acknowledged when, only the nodes know that
minted them (`replication/inquiry.py` asks, `node/recent_acks.py` answers). What nobody knows any more makes a read
*unresolved*, and so does any replica that did not answer: counting the stale ones of them, which can be told, and not
the fresh ones, which cannot, would make every outage look like staleness.

The moment of an acknowledgement is known within bounds (`replication/remote_clock.py`). Outside of them the order of
acknowledgement and read is proven. Inside, the middle decides, since leaving all such reads out would leave out most of
what a delay of the network makes stale; but never against an overlap of quorums: where replies that were merged and
replicas that had the write on disk are more than N together, one of them had shown it, had it been acknowledged before.

The same facts judge what the merge of the first one, two, ... replies would have been.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import msgspec

from dynamo.replication.read_repair import Resolve
from dynamo.versioning.clock import Actor, Clock, merge
from dynamo.versioning.record import Record, decode

FRESH, STALE, INFLIGHT, UNRESOLVED = "fresh", "stale", "inflight", "unresolved"
VERDICTS = (FRESH, STALE, INFLIGHT, UNRESOLVED)


UNCERTAIN_S = 0.2
"""Where a moment is not known better than this, its middle decides nothing."""


class Span(NamedTuple):
    """Counters of one actor that a reader may have missed: those above `after`, up to `upto`."""

    actor: Actor
    after: int
    upto: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """One write in a span, as its coordinator knows it. Times are the reader's own, monotonic seconds."""

    counter: int
    earliest: float = inf
    """It was acknowledged at this moment or later; infinite if it was not, by the time of asking."""
    latest: float = inf
    """And at this moment or earlier."""
    copies: int = 0
    """Replicas that are known to have had it on disk then, where reads look for it."""

    @property
    def likely(self) -> float:
        return (self.earliest + self.latest) / 2

    def precedes(self, started_at: float, replies: int, replicas: int) -> bool | None:
        """Whether it was acknowledged before a read began that merged so many replies; None if that cannot be said."""
        if self.latest < started_at:
            return True
        if self.earliest >= started_at or replies + self.copies > replicas:
            return False
        return None if self.latest - self.earliest > UNCERTAIN_S else self.likely < started_at


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of one actor's writes of the key."""

    events: tuple[Event, ...] = ()
    doubtful_upto: int = 0
    """Of counters up to this one that are not among the events nothing is known."""


class Judgement(NamedTuple):
    """What a read, or the merge of some replies, came to."""

    verdict: str
    """One of VERDICTS."""
    age_s: float = 0.0
    """Since when it was stale: the age, at its start, of the oldest acknowledgement that it missed."""
    versions: int = 0
    """How many acknowledged writes it missed."""


CLEAN = Judgement(FRESH)
NOBODY_KNOWS = Judgement(UNRESOLVED)


class Evidence:
    """What the replicas of one read answered, in order of arrival. Filled by `replication/read.py`."""

    __slots__ = ("arrivals", "started_at", "times")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        """When the coordinator began, monotonic seconds."""
        self.arrivals: list[tuple[str, bytes]] = []
        self.times: list[float] = []

    def arrived(self, peer: str, data: bytes, now: float) -> None:
        """Take note of an answer."""
        self.arrivals.append((peer, data))
        self.times.append(now)

    def is_complete(self, primaries: tuple[str, ...]) -> bool:
        """Whether each primary has answered once, and nobody else."""
        answered = dict(self.arrivals)
        return len(answered) == len(self.arrivals) == len(primaries) and all(node in answered for node in primaries)

    def agrees(self) -> bool:
        """Whether all answers are the same bytes: then nobody could miss anything."""
        first = self.arrivals[0][1]
        return all(data == first for _, data in self.arrivals)


class Views:
    """What a reader would have known after one reply, after two, ... after all; and what this reader was told."""

    __slots__ = ("after", "answer")

    def __init__(self, after: list[Clock], answer: Clock) -> None:
        self.after = after
        self.answer = answer

    @staticmethod
    def of(evidence: Evidence, answer: Record | None, resolve: Resolve) -> Views:
        """Raises CorruptValue for an answer that is no record."""
        after: list[Clock] = []
        known: Clock = {}
        for _, data in evidence.arrivals:
            if data:
                shown = decode(data)
                known = merge(known, resolve(shown, shown).clock)
            after.append(known)
        return Views(after, {} if answer is None else answer.clock)

    def missed(self) -> list[Span]:
        """What any of the views lacks of the last one; in actor order."""
        spans = []
        for actor, upto in sorted(self.after[-1].items()):
            least = min(self.after[0].get(actor, 0), self.answer.get(actor, 0))
            if least < upto:
                spans.append(Span(actor, least, upto))
        return spans


def judged(view: Clock, known: dict[Actor, Known], started_at: float, replies: int, replicas: int) -> Judgement:
    """The verdict over one view of the key, merged of so many replies of its replicas.

    An actor of whom nothing was missed need not be among the known.
    """
    missed, oldest, doubt, running = 0, inf, False, False
    for actor, said in known.items():
        seen = view.get(actor, 0)
        doubt = doubt or said.doubtful_upto > seen
        for event in said.events:
            if event.counter <= seen:
                continue
            precedes = event.precedes(started_at, replies, replicas)
            if precedes:
                missed += 1
                oldest = min(oldest, event.likely)
            elif precedes is None:
                doubt = True
            else:
                running = True
    if missed:
        return Judgement(STALE, max(0.0, started_at - oldest), missed)
    if doubt:
        return NOBODY_KNOWS
    return Judgement(INFLIGHT) if running else CLEAN
