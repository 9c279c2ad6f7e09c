"""Did the cluster keep its promises? Judged by what the clients saw, and by what lies in the stores in the end.

    lost          an acknowledged put of a siblings bucket is among the final values, or superseded by a write that took
                  effect (or may have) and had been shown it, or by a delete that says what it saw by reading itself
    forgotten     the final clock has seen whatever any client was shown
    failed-write  no value whose put was answered "not applied" was ever shown, or is in any store or hint
    thin-air      no value is shown or held that nobody wrote, or that is another key's, or is not whole
    back          no value is shown or held in the end that an acknowledged write had replaced or deleted
    diverged      the N replicas of a key hold the same bytes, and nobody else holds any
    hints-left    no hint is left
    missed-write  in the bucket with strict quorums: `dynamo.checker.sessions`
    clean         no node ended by itself, logged a bug, or stopped with an error

Tombstones are forgotten in time, and the clock with them; so "forgotten" is asked only of keys that nobody deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dynamo.checker import replicas, sessions
from dynamo.checker.clocks import covers, descends, join
from dynamo.checker.history import History, Operation, Place, Version, Violation
from dynamo.checker.replicas import Holding
from tests.chaos import journal

PROMISES = {
    "lost": "every acknowledged write is there or superseded",
    "forgotten": "the final versions have seen all that clients were shown",
    "failed-write": "no write that was refused has left anything",
    "thin-air": "every value was written by somebody, to that key, and is whole",
    "back": "nothing that was deleted or replaced is back",
    "diverged": "the replicas of every key are identical, and nobody else holds it",
    "hints-left": "no hint is left",
    "missed-write": "strict quorum reads miss no write acknowledged before they began, and never go back",
    "context-not-honoured": "a read that demands a context has seen it",
    "converged": "after the last heal all replicas were equal within the stated time",
    "clean": "no node ended by itself, logged a bug, or refused to stop",
}
NOTHING = Version({}, ())


@dataclass(slots=True)
class Evidence:
    """What is judged."""

    history: History
    holdings: Mapping[str, Holding]
    homes: Mapping[Place, tuple[str, ...]]
    hints: list[tuple[str, str, Version]] = field(default_factory=list)
    """Those left in the end: keeper, target, what it holds."""
    strict: tuple[str, ...] = ()
    """Buckets with strict quorums."""
    mishaps: list[str] = field(default_factory=list)
    """What the nodes did that nobody asked for."""


@dataclass(slots=True)
class Verdict:
    """What came of it."""

    checked: dict[str, int]
    """How many of what were looked at."""
    violations: list[Violation]

    @property
    def passed(self) -> bool:
        return not self.violations

    def of(self, rule: str) -> list[Violation]:
        """Those of one promise."""
        aliases = {"missed-write": ("missed-write", "went-back"), "diverged": ("diverged", "misplaced", "wrong-leaf")}
        return [each for each in self.violations if each.rule in aliases.get(rule, (rule,))]


def judge(evidence: Evidence) -> Verdict:
    """All rules."""
    ledger = _Ledger(evidence)
    found: list[Violation] = []
    for place, operations in ledger.places.items():
        found.extend(_replaced(ledger, place, operations))
        found.extend(_forgotten(ledger, place, operations))
        for operation in operations:
            found.extend(_shown(ledger, operation))
    for node, holding in sorted(evidence.holdings.items()):
        for place, copy in sorted(holding.copies.items()):
            found.extend(ledger.origin(place, copy.version, f"in the store of {node}"))
    for keeper, target, version in evidence.hints:
        found.append(Violation("hints-left", ("", ""), f"{keeper} keeps {_values(version)} for {target}"))
    found.extend(replicas.check(evidence.holdings, evidence.homes))
    found.extend(sessions.check(journal.only(evidence.history, evidence.strict)))
    found.extend(Violation("clean", ("", ""), text) for text in evidence.mishaps)
    return Verdict(ledger.counts(), found)


class _Ledger:
    """Writes by their value, and what every key holds in the end."""

    def __init__(self, evidence: Evidence) -> None:
        self.places = journal.by_place(evidence.history)
        self.modes = {name: bucket.mode for name, bucket in evidence.history.buckets.items()}
        self.puts: dict[str, Operation] = {}
        self.shown: set[str] = set()
        self.final: dict[Place, Version] = {}
        for operation in evidence.history.operations.values():
            if operation.call.value is not None:
                self.puts[operation.call.value] = operation
            self.shown.update(operation.last.values if operation.last else ())
        for holding in evidence.holdings.values():
            for place, copy in holding.copies.items():
                self.final[place] = merged(self.final.get(place, NOTHING), copy.version)
                self.shown.update(_values(copy.version))

    def took_effect(self, write: Operation) -> bool:
        """Whether it did or, as far as anybody knows, may have: an unknown put that was never seen did not."""
        if write.outcome == "unknown" and write.call.value is not None:
            return write.call.value in self.shown
        return write.outcome != "fail"

    def origin(self, place: Place, version: Version, where: str) -> Iterator[Violation]:
        """What is wrong with the values of a version that is held somewhere."""
        for value in _values(version):
            yield from self.judge_value(place, value, where)

    def judge_value(self, place: Place, value: str, where: str) -> Iterator[Violation]:
        """Whether it may be seen at all."""
        write = self.puts.get(value)
        if write is None or write.call.place != place:
            yield Violation("thin-air", place, f"nobody wrote {value}, which is {where}")
        elif write.outcome == "fail":
            yield Violation("failed-write", place, f"{value} is {where}, and was refused", (write.call.op,))

    def counts(self) -> dict[str, int]:
        """What was looked at."""
        every = [operation for each in self.places.values() for operation in each]
        acknowledged = [o for o in journal.writes(every) if o.outcome == "ok"]
        return {
            "keys": len(self.places),
            "operations": len(every),
            "reads answered": sum(o.outcome == "ok" for o in every) - len(acknowledged),
            "writes acknowledged": len(acknowledged),
            "deletes acknowledged": sum(o.call.kind == "delete" for o in acknowledged),
            "writes refused": sum(o.outcome == "fail" for o in journal.writes(every)),
            "writes of unknown outcome": sum(o.outcome == "unknown" for o in journal.writes(every)),
            "values in the end": sum(len(_values(version)) for version in self.final.values()),
        }


def _replaced(ledger: _Ledger, place: Place, operations: list[Operation]) -> Iterator[Violation]:
    """Lost, or back: each acknowledged put against what is there in the end."""
    final = set(_values(ledger.final.get(place, NOTHING)))
    effective = [write for write in journal.writes(operations) if ledger.took_effect(write)]
    certain, possible = _followers(effective, for_certain=True), _followers(effective, for_certain=False)
    for write in effective:
        value = write.call.value
        if value is None:
            continue
        if value in final:
            for other in certain.get(value, []):
                if other.outcome == "ok":
                    text = f"{value} is there, and a {other.call.kind} that had seen it was acknowledged"
                    yield Violation("back", place, text, (write.call.op, other.call.op))
        elif write.outcome == "ok" and value not in possible and not _excused(ledger, place, write, effective):
            text = f"{value} was acknowledged at w={write.call.quorum} and is gone"
            yield Violation("lost", place, text, (write.call.op,))


def _followers(effective: list[Operation], *, for_certain: bool) -> dict[str, list[Operation]]:
    """Value to the writes that had seen it."""
    after: dict[str, list[Operation]] = {}
    for write in effective:
        for value in journal.seen_by(write, for_certain=for_certain):
            after.setdefault(value, []).append(write)
    return after


def _excused(ledger: _Ledger, place: Place, write: Operation, effective: list[Operation]) -> bool:
    """Whether it may be gone although nobody who was shown it wrote after it."""
    if ledger.modes.get(place[0]) == "lww":
        # Of concurrent writes one stays, whichever; but there is one, unless the last one was a delete.
        return any(other is not write for other in effective)
    # A delete without a context reads for itself what it removes.
    blind = (o for o in effective if o.call.kind == "delete" and o.call.context is None)
    return any(_over_at(other) >= write.call.at for other in blind)


def _over_at(operation: Operation) -> float:
    """When it cannot have begun to take effect any more: an unknown one may at any time."""
    last = operation.last
    return last.at if last is not None and last.outcome == "ok" else float("inf")


def _forgotten(ledger: _Ledger, place: Place, operations: list[Operation]) -> Iterator[Violation]:
    if any(operation.call.kind == "delete" and operation.outcome != "fail" for operation in operations):
        return
    clock = ledger.final.get(place, NOTHING).clock
    for operation in operations:
        last = operation.last
        shown = None if last is None or last.outcome != "ok" else last.version
        if shown is not None and not descends(clock, shown.clock):
            text = f"what a {operation.call.kind} was shown is not part of what the replicas hold in the end"
            yield Violation("forgotten", place, text, (operation.call.op,))


def _shown(ledger: _Ledger, operation: Operation) -> Iterator[Violation]:
    last = operation.last
    for value in last.values if last is not None else ():
        for found in ledger.judge_value(operation.call.place, value, "shown to a client"):
            yield Violation(found.rule, found.place, found.text, (*found.operations, operation.call.op))


def merged(left: Version, right: Version) -> Version:
    """What two replicas know together: what neither of them has dropped. Where they differ, that is said elsewhere."""
    kept = {sibling.dot: sibling for sibling in (*left.siblings, *right.siblings)}
    for one, other in ((left, right), (right, left)):
        held = {sibling.dot for sibling in one.siblings}
        for dot in [sibling.dot for sibling in other.siblings]:
            if dot not in held and covers(one.clock, dot):
                kept.pop(dot, None)
    return Version(join([left.clock, right.clock]), tuple(kept[dot] for dot in sorted(kept)))


def _values(version: Version) -> list[str]:
    return [sibling.value for sibling in version.siblings if sibling.value is not None]
