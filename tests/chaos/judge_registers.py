"""Did linearizable keys behave like registers? Judged by the checker, key by key, and by what the replicas hold.

The checker looks for one order of all operations on a key that explains every answer, those to reads after the end of
all faults included: so nothing acknowledged is lost, and nothing half done comes up later. Beside it stands what other
buckets promise as well (`judge.py`), here of the records that weaker reads see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dynamo.checker import linearizability, recorded, replicas
from dynamo.checker.explain import explain
from dynamo.checker.history import Call, History, Place, Return, Violation
from dynamo.checker.operation import Op, considered
from dynamo.checker.picture import Judged
from dynamo.checker.verdict import Verdict as KeyVerdict
from tests.chaos.judge import Evidence, Verdict

MODEL = "kv"
BUDGET = 2_000_000
"""Configurations that the search may look at for one key: some twenty seconds."""
EXPECTED = frozenset(
    {
        "",
        "siblings",
        "called-off",
        "clock-drift",
        "connection-lost",
        "draining",
        "node-unreachable",
        "not-ready",
        "outcome-forgotten",
        "overloaded",
        "precondition-failed",
        "quorum-unavailable",
        "read-timeout",
        "storage-full",
        "write-timeout",
    }
)
"""Errors that faults may bring about."""
PROMISES = {
    "linearizable": "one order of all operations of a key explains every answer, those after the last fault included",
    "decided": "the checker came to an end with every key",
    "one-answer": "a change that was asked for several times was answered in one way",
    "unexpected": "no answer but those that the contract has for such a call",
    "diverged": "the records of a key are identical on its replicas, and nobody else holds one",
    "behind": "the records are what the last linearizable read showed",
    "hints-left": "no hint is left",
    "converged": "after the last heal all replicas were equal within the stated time",
    "clean": "no node ended by itself, logged a bug, or refused to stop",
}


@dataclass(slots=True)
class Keys:
    """What the checker made of a history."""

    recording: recorded.Recording
    verdicts: list[KeyVerdict] = field(default_factory=list)

    @property
    def ops(self) -> dict[str, list[Op]]:
        """Operations by key."""
        return self.recording.keys

    @property
    def judged(self) -> int:
        """Operations on keys that are legal: those that a check has to place."""
        legal = [verdict.key for verdict in self.verdicts if verdict.result == "legal"]
        return sum(len(considered(self.ops[key])) for key in legal)

    def worst(self) -> Judged | None:
        """The illegal key with the fewest operations, and its counterexample; None if all are legal."""
        illegal = [verdict for verdict in self.verdicts if verdict.result == "illegal"]
        if not illegal:
            return None
        chosen = min(illegal, key=lambda verdict: len(self.ops[verdict.key]))
        return explain(chosen, self.ops[chosen.key], MODEL)


def check(history: History) -> Keys:
    """A verdict on each key; what was answered in two ways is in the recording."""
    keys = Keys(recorded.operations(history))
    keys.verdicts.extend(linearizability.check(keys.ops, MODEL, budget=BUDGET))
    return keys


def judge(evidence: Evidence) -> Verdict:
    """All rules."""
    keys = check(evidence.history)
    found = [_violation("linearizable", each) for each in keys.verdicts if each.result == "illegal"]
    found += [_violation("decided", each) for each in keys.verdicts if each.result == "undecided"]
    found += [_violation("one-answer", each) for each in keys.recording.contradictions]
    found += list(_unexpected(evidence.history))
    for keeper, target, version in evidence.hints:
        found.append(Violation("hints-left", ("", ""), f"{keeper} keeps {version.clock} for {target}"))
    found.extend(replicas.check(evidence.holdings, evidence.homes))
    found.extend(_behind(evidence))
    found.extend(Violation("clean", ("", ""), text) for text in evidence.mishaps)
    return Verdict(_counts(evidence.history, keys), found)


def judge_quorums(evidence: Evidence) -> Verdict:
    """Whether a bucket of another mode behaved like registers: what its clients saw, and nothing else."""
    keys = check(evidence.history)
    found = [_violation("linearizable", each) for each in keys.verdicts if each.result == "illegal"]
    return Verdict(_counts(evidence.history, keys), found)


def _violation(rule: str, verdict: KeyVerdict) -> Violation:
    bucket, _, key = verdict.key.partition("/")
    return Violation(rule, (bucket, key), verdict.reason, verdict.operations)


def _unexpected(history: History) -> Iterator[Violation]:
    for operation in history.operations.values():
        for returned in operation.returns:
            if returned.error not in EXPECTED:
                text = f"a {operation.call.kind} at {operation.call.via} was answered {returned.error}"
                yield Violation("unexpected", operation.call.place, text, (operation.call.op,))


def _behind(evidence: Evidence) -> Iterator[Violation]:
    """Replicas whose record is not the version of the last read."""
    last: dict[Place, tuple[Call, Return]] = {}
    for operation in evidence.history.operations.values():
        if operation.call.process == "last" and operation.outcome == "ok" and operation.last is not None:
            last[operation.call.place] = (operation.call, operation.last)
    for place, (call, returned) in sorted(last.items()):
        for node in evidence.homes.get(place, ()):
            copy = evidence.holdings[node].copies.get(place)
            held = 0 if copy is None else max(copy.version.clock.values(), default=0)
            if not returned.values:
                # Deleted keys are forgotten in time, and their version numbers with them.
                is_right = copy is None or all(sibling.value is None for sibling in copy.version.siblings)
            else:
                is_right = held == returned.number
            if not is_right:
                text = f"{node} holds version {held}, and the last read showed version {returned.number}"
                yield Violation("behind", place, text, (call.op,))


def _counts(history: History, keys: Keys) -> dict[str, int]:
    """What was looked at."""
    operations = list(history.operations.values())
    changes = [o for o in operations if o.call.kind not in ("get", "resolve")]
    made = [o for o in changes if o.outcome == "ok" and o.last is not None and o.last.applied]
    methods = Counter(verdict.method for verdict in keys.verdicts)
    return {
        "keys": len(keys.verdicts),
        "operations": len(operations),
        "operations judged legal": keys.judged,
        "reads answered": sum(o.outcome == "ok" and o.call.kind == "get" for o in operations),
        "writes acknowledged": len(made),
        "conditions that did not hold": sum(o.outcome == "ok" for o in changes) - len(made),
        "writes refused": sum(o.outcome == "fail" for o in changes),
        "writes of unknown outcome": sum(o.outcome == "unknown" for o in changes),
        "attempts that were repeats": len(changes) - len({o.call.request for o in changes}),
        "resolved": sum(o.outcome == "ok" and o.call.kind == "resolve" for o in operations),
        **{f"keys judged by {method}": count for method, count in sorted(methods.items())},
    }
