"""What one session may expect of its own operations on a key (Terry et al., Session Guarantees, 1994).

    read-your-writes        a read is at least as new as the session's own last acknowledged write
    monotonic-reads         and as every answer that the session had before
    monotonic-writes        a write is newer than the session's own acknowledged writes before it
    writes-follow-reads     and than everything that the session had read

"Newer" is a greater version number or, in a history with clocks, a clock that has seen the other. A session is a
process, and what it had before is what had returned before the call. Linearizable keys owe all four; keys with siblings
owe the first two where the session sends its context, and this says how often they fail where it does not. What a store
may have forgotten there (`forgotten`) is owed no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dynamo.checker.clocks import descends, join
from dynamo.checker.forgotten import all_may_be_forgotten
from dynamo.checker.history import Call, Clock, History, Place, Return, Violation
from dynamo.checker.operation import Keyed, Op
from dynamo.checker.writes import Ledger

Mark = Any
"""How new something is: a version number, or a clock."""


class Guarantee(NamedTuple):
    """What a read, or a write, owes to an earlier read or write of its session."""

    rule: str
    of_read: bool
    to_read: bool
    text: str


GUARANTEES = (
    Guarantee("read-your-writes", True, False, "reads {mine}, and had written {owed} before"),
    Guarantee("monotonic-reads", True, True, "reads {mine}, and had read {owed} before"),
    Guarantee("monotonic-writes", False, False, "writes {mine}, and had written {owed} before"),
    Guarantee("writes-follow-reads", False, True, "writes {mine}, and had read {owed} before"),
)


class _Step(NamedTuple):
    """One answered operation of a session."""

    operation: int
    session: str
    place: Place
    is_read: bool
    called: float
    returned: float
    mark: Mark
    at: float


class _Order(NamedTuple):
    """How marks compare: of two debts the sum, whether one is paid, and what it is called."""

    joined: Callable[[Mark, Mark], Mark]
    pays: Callable[[_Step, Mark, bool], bool]
    named: Callable[[Mark], str]


def of_versions(keys: Keyed) -> list[Violation]:
    """By version numbers; an operation whose answer says none is not judged."""
    order = _Order(max, lambda step, owed, strictly: step.mark > owed or (step.mark == owed and not strictly), _version)
    return _judge([_numbered(op) for ops in keys.values() for op in ops if _is_judged(op)], order)


def _is_judged(op: Op) -> bool:
    return op.outcome == "ok" and op.number is not None


def _numbered(op: Op) -> _Step:
    bucket, _, key = op.key.partition("/")
    return _Step(op.index, op.process, (bucket, key), not op.changes, op.called, op.returned, op.number, op.returned_s)


def of_siblings(history: History) -> list[Violation]:
    """By clocks, of the version that each answer shows, of keys that have siblings."""
    ledger = Ledger(history)

    def pays(step: _Step, owed: Clock, strictly: bool) -> bool:  # noqa: FBT001 - the shape of _Order
        return descends(step.mark, owed) or all_may_be_forgotten(ledger, step.place, owed, step.mark, step.at)

    return _judge(list(_clocked(history)), _Order(lambda one, other: join([one, other]), pays, _clock))


def _clocked(history: History) -> Iterator[_Step]:
    calls: dict[int, tuple[int, Call]] = {}
    for place, event in enumerate(history.events):
        if isinstance(event, Call):
            if not history.is_linearizable(event.bucket):
                calls[event.op] = (place, event)
        elif isinstance(event, Return) and event.outcome == "ok" and event.op in calls:
            called, call = calls.pop(event.op)
            clock = {} if event.version is None else event.version.clock
            is_read = call.kind == "get"
            yield _Step(event.op, call.process, call.place, is_read, called, place, clock, event.at)


def _judge(steps: list[_Step], order: _Order) -> list[Violation]:
    """One sweep over calls and returns, with what each session is owed on each key."""
    moments = [(step.called, False, step) for step in steps] + [(step.returned, True, step) for step in steps]
    moments.sort(key=lambda moment: moment[:2])
    done: dict[tuple[str, Place, bool], tuple[Mark, int]] = {}
    owed: dict[int, list[tuple[Guarantee, Mark, int]]] = {}
    found: list[Violation] = []
    for _, returns, step in moments:
        if not returns:
            owed[step.operation] = list(_debts(step, done))
            continue
        found.extend(_unpaid(step, owed.pop(step.operation), order))
        at = (step.session, step.place, step.is_read)
        known = done.get(at)
        mark = step.mark if known is None else order.joined(known[0], step.mark)
        done[at] = (mark, known[1] if known is not None and known[0] == mark else step.operation)
    return found


def _debts(step: _Step, done: dict[tuple[str, Place, bool], tuple[Mark, int]]) -> Iterator[tuple[Guarantee, Mark, int]]:
    for guarantee in GUARANTEES:
        known = done.get((step.session, step.place, guarantee.to_read))
        if guarantee.of_read == step.is_read and known is not None:
            yield (guarantee, *known)


def _unpaid(step: _Step, debts: Iterable[tuple[Guarantee, Mark, int]], order: _Order) -> Iterator[Violation]:
    for guarantee, owed, before in debts:
        if not order.pays(step, owed, not guarantee.of_read):
            said = guarantee.text.format(mine=order.named(step.mark), owed=order.named(owed))
            yield Violation(guarantee.rule, step.place, f"{step.session} {said}", (before, step.operation))


def _version(mark: int) -> str:
    return f"version {mark}"


def _clock(mark: Clock) -> str:
    seen = " ".join(f"{actor}:{counter}" for actor, counter in sorted(mark.items()))
    return f"what has seen {seen}" if seen else "nothing"
