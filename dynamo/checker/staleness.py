"""How stale each read was: by how many versions, and for how long.

    k   newer versions that were complete before the read was called
    t   seconds from the first completion of a newer version to the call of the read
Both are 0 for a read that was fresh. A version is complete when any answer has shown it: its write's, or that of a read
of it. Histories with version numbers are judged by these, others by dots: what a clock does not cover is newer. One
pass over calls and returns; the terms are those of Bailis et al., Probabilistically Bounded Staleness, 2012.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator

import msgspec

from dynamo.checker.history import Call, Clock, Dot, History, Return
from dynamo.checker.operation import Keyed, Op


class Staleness(msgspec.Struct, frozen=True):
    """Of one read: its index, its key, and by how much it was late."""

    operation: int
    key: str
    versions: int
    seconds: float


class Report(msgspec.Struct):
    """Over all reads. `by_versions` counts them by k, `by_seconds` by t up to each power of ten, fresh ones at 0."""

    reads: int = 0
    stale: int = 0
    unjudged: int = 0
    """Reads whose answer says no version."""
    versions_max: int = 0
    seconds_max: float = 0.0
    by_versions: dict[int, int] = {}
    by_seconds: dict[float, int] = {}
    worst: Staleness | None = None

    @property
    def stale_share(self) -> float:
        return self.stale / self.reads if self.reads else 0.0


class _Known:
    """The versions of one key that are complete, by actor; version numbers are the counters of one actor."""

    def __init__(self) -> None:
        self._counters: dict[str, list[int]] = {}
        self._records: dict[str, tuple[list[int], list[float]]] = {}

    def complete(self, dot: Dot, at: float) -> None:
        actor, counter = dot
        counters = self._counters.setdefault(actor, [])
        place = bisect_right(counters, counter)
        if place and counters[place - 1] == counter:
            return
        insort(counters, counter)
        if place == len(counters) - 1:
            # The first of all that are newer than some version is always newer than all before it.
            highs, times = self._records.setdefault(actor, ([], []))
            highs.append(counter)
            times.append(at)

    def behind(self, clock: Clock, at: float) -> tuple[int, float]:
        """How many are newer than a clock, and how long the first of them has been complete."""
        count, since = 0, at
        for actor, counters in self._counters.items():
            seen = clock.get(actor, 0)
            newer = len(counters) - bisect_right(counters, seen)
            if newer:
                highs, times = self._records[actor]
                since = min(since, times[bisect_right(highs, seen)])
                count += newer
        return count, at - since


class _Answer(msgspec.Struct, gc=False):
    """What one answer says of a key; `clock` None says nothing."""

    operation: int
    key: str
    is_read: bool
    called: float
    returned: float
    called_s: float
    returned_s: float
    clock: Clock | None
    shows: tuple[Dot, ...]


def of_versions(keys: Keyed) -> list[Staleness]:
    """Each read of keys with version numbers. A read without one is left out."""
    return _judge(_numbered(op) for ops in keys.values() for op in ops if op.outcome == "ok")


def of_siblings(history: History) -> list[Staleness]:
    """Each read of a key that has siblings. Where keys are forgotten it says too much."""
    return _judge(_answers(history))


def _numbered(op: Op) -> _Answer:
    shows = () if op.number is None or op.number == 0 else (("", op.number),)
    clock = None if op.number is None else {"": op.number}
    return _Answer(op.index, op.key, not op.changes, op.called, op.returned, op.called_s, op.returned_s, clock, shows)


def _answers(history: History) -> Iterator[_Answer]:
    called: dict[int, tuple[int, Call]] = {}
    for place, event in enumerate(history.events):
        if isinstance(event, Call):
            if not history.is_linearizable(event.bucket):
                called[event.op] = (place, event)
        elif isinstance(event, Return) and event.outcome == "ok" and event.op in called:
            first, call = called.pop(event.op)
            version = event.version
            shows = () if version is None else tuple(each.dot for each in version.siblings)
            clock: Clock = {} if version is None else version.clock
            where = "/".join(call.place)
            yield _Answer(event.op, where, call.kind == "get", first, place, call.at, event.at, clock, shows)


def _judge(answers: Iterable[_Answer]) -> list[Staleness]:
    moments: list[tuple[float, bool, _Answer]] = []
    for answer in answers:
        moments.append((answer.returned, True, answer))
        if answer.is_read and answer.clock is not None:
            moments.append((answer.called, False, answer))
    # At one instant calls come before returns: who returned then was not complete before.
    moments.sort(key=lambda moment: moment[:2])
    known: dict[str, _Known] = {}
    found: list[Staleness] = []
    for _, returns, answer in moments:
        of_key = known.setdefault(answer.key, _Known())
        if returns:
            for dot in answer.shows:
                of_key.complete(dot, answer.returned_s)
        elif answer.clock is not None:
            count, seconds = of_key.behind(answer.clock, answer.called_s)
            found.append(Staleness(answer.operation, answer.key, count, round(max(seconds, 0.0), 9)))
    return found


def report(found: Iterable[Staleness], reads: int | None = None) -> Report:
    """Histograms. `reads` is how many reads there were, those that could not be judged among them."""
    total = Report(by_versions={}, by_seconds={})
    for each in found:
        total.reads += 1
        total.stale += each.versions > 0
        total.versions_max = max(total.versions_max, each.versions)
        total.seconds_max = max(total.seconds_max, each.seconds)
        bound = _bound_s(each) if each.versions else 0.0
        total.by_versions[each.versions] = total.by_versions.get(each.versions, 0) + 1
        total.by_seconds[bound] = total.by_seconds.get(bound, 0) + 1
        if each.versions and (total.worst is None or _rank(each) > _rank(total.worst)):
            total.worst = each
    total.unjudged = 0 if reads is None else reads - total.reads
    total.by_versions = dict(sorted(total.by_versions.items()))
    total.by_seconds = dict(sorted(total.by_seconds.items()))
    return total


def _bound_s(each: Staleness) -> float:
    """The least power of ten, from a tenth of a millisecond on, that is not below it."""
    bound_s = 1e-4
    while bound_s < each.seconds:
        bound_s = round(bound_s * 10, 4)
    return bound_s


def _rank(each: Staleness) -> tuple[int, float]:
    return (each.versions, each.seconds)
