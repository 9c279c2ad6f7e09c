"""Judges each read as its answer comes, and counts what it finds: staleness by pairs of levels, session guarantees.

Holds nothing of the network: it is told what was sent and what came back, in the order in which that happened.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.load.answers import Corrupt
from dynamo.load.book import NOTHING, STALE, UNKNOWN, Book, Floors
from dynamo.load.plan import Plan
from dynamo.load.sessions import GUARANTEES, Sessions, broken
from dynamo.load.values import Written
from dynamo.report.counts import ANY, Checks, Counts, Promise
from dynamo.workload.histogram import bucket_of


class Judge:
    """Book and sessions of one worker, and the counts of the present interval, which its owner takes away."""

    def __init__(self, plan: Plan, part: int) -> None:
        self._run, self._part = plan.run, part
        self._reads = [each.level for each in plan.reads]
        self._writes = [each.level for each in plan.writes]
        self._is_mixed = len(self._writes) > 1
        self.book = Book(len(self._writes))
        self.sessions = Sessions(plan.sessions)
        self.checks: list[list[Checks]] = []
        """By read level, by write level; the last one towards all writes."""
        self.promises: list[list[Promise]] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from nothing."""
        self.checks = [[Checks() for _ in (*self._writes, ANY)] for _ in self._reads]
        self.promises = [[Promise(), Promise()] for _ in self._reads]

    def numbers(self, found: Sequence[Written]) -> list[int] | None:
        """The numbers of the writes that were returned; None if one is of another run. Raises Corrupt.

        A number that was never issued ends the run, since nobody can have written it; so does a write whose sender was
        told that it was not applied.
        """
        if not found:
            return [NOTHING]
        numbers = []
        for written in found:
            if written.run != self._run:
                return None
            if written.number and (written.worker != self._part or written.number > self.book.issued):
                raise Corrupt(f"key {written.key} has the value of write {written.worker}.{written.number}, never sent")
            if written.number in self.book.refused:
                raise Corrupt(
                    f"key {written.key} has the value of write {written.worker}.{written.number}, was refused"
                )
            numbers.append(written.number)
        return numbers

    def read(
        self, level: int, session: int, key: int, numbers: list[int] | None, began: float,
        floors: Floors, promised: tuple[float, float], *, counts: bool,
    ) -> None:  # fmt: skip
        """A read has been answered. `floors` and `promised` are what the book and the sessions said when it was sent.

        `counts` is false while the run warms up: then it only teaches the session what it was shown.
        """
        if numbers is None:
            if counts:
                for checks in self.checks[level]:
                    checks.verdicts[UNKNOWN] += 1
            return
        book = self.book
        latest = book.acknowledged_at(numbers)
        if counts:
            self._check(self.checks[level], key, latest, floors, began)
            promises = self.promises[level]
            for promise, floor, is_broken in zip(promises, promised, broken(promised, latest), strict=True):
                if floor > 0:
                    promise.checked += 1
                    promise.broken += is_broken
        seen = max(book.began[number] if number >= 0 else 0.0 for number in numbers)
        if seen > 0:
            self.sessions.has_read(session, key, seen)

    def _check(self, row: list[Checks], key: int, latest: float, floors: Floors, began: float) -> None:
        whole = max(floors)
        verdict = self.book.verdict(latest, whole, began)
        row[-1].verdicts[verdict] += 1
        if verdict == STALE:
            self._note(row[-1], key, latest, began, None)
        if not self._is_mixed:
            row[0].verdicts[verdict] += 1
            if verdict == STALE:
                self._note(row[0], key, latest, began, None)
            return
        for place, floor in enumerate(floors):
            # Towards a level at which the key was never written there is nothing to be judged.
            if floor >= 0:
                each = self.book.verdict(latest, floor, began)
                row[place].verdicts[each] += 1
                if each == STALE:
                    self._note(row[place], key, latest, began, place)

    def _note(self, checks: Checks, key: int, latest: float, began: float, level: int | None) -> None:
        missed = self.book.missed(key, latest, began, level)
        bucket = bucket_of(max(0, int(missed.seconds * 1e9)))
        checks.seconds[bucket] = checks.seconds.get(bucket, 0) + 1
        checks.versions[missed.writes] = checks.versions.get(missed.writes, 0) + 1

    def give(self, counts: Counts) -> None:
        """Add what was counted to `counts`, and begin anew."""
        for read, row in zip(self._reads, self.checks, strict=True):
            for write, checks in zip((*self._writes, ANY), row, strict=True):
                if any(checks.verdicts):
                    counts.checks[f"{read} {write}"] = checks
        for read, promises in zip(self._reads, self.promises, strict=True):
            for guarantee, promise in zip(GUARANTEES, promises, strict=True):
                if promise.checked:
                    counts.promises[f"{read} {guarantee}"] = promise
        self.begin_anew()


def probe_verdict(book: Book, numbers: list[int] | None, needed: int, began: float) -> tuple[int, int]:
    """Of a probe's read after its write `needed`: the verdict, and how many acknowledged writes it missed."""
    if numbers is None:
        return UNKNOWN, 0
    latest = book.acknowledged_at(numbers)
    verdict = book.verdict(latest, book.began[needed], began)
    return (verdict, 0) if verdict != STALE else (STALE, 1)
