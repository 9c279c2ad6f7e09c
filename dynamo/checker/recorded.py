"""From the events of our own histories to operations on keys.

Events are put in order by their times, those of one instant as they were recorded: who records writes a call before it
is sent and a return after it came. The calls of one request (its idempotency key) are one operation: it takes effect at
most once, after the first call and before the first answer. So all answers to a request must say the same, also "not
applied"; where two differ that is a violation by itself. A `resolve` is one more call of the request it asks about.
"""

from __future__ import annotations

from math import inf

import msgspec

from dynamo.checker.history import Call, History, Place, Remark, Return
from dynamo.checker.operation import Op, describe
from dynamo.checker.verdict import Verdict


class Aside(msgspec.Struct):
    """What happened besides: faults, phases. `at` is its place among the events, `at_s` the time that was noted."""

    at: float
    at_s: float
    text: str


class Recording(msgspec.Struct):
    """A history by keys."""

    keys: dict[str, list[Op]] = {}
    """Operations by bucket/key, in the order of their first calls."""
    contradictions: list[Verdict] = []
    """Requests that were answered in two ways."""
    asides: list[Aside] = []


class _Attempt(msgspec.Struct, gc=False):
    """One call and the first return of it; ranks are places in the order of all events."""

    call: Call
    called: float
    returned: float = inf
    answer: Return | None = None


def operations(history: History, bucket: str | None = None) -> Recording:
    """The history as operations, of one bucket or of all. Raises ValueError for a `cas` that names no condition."""
    recording = Recording({}, [], [])
    for attempts in _requests(history, bucket, recording.asides):
        op = _folded(attempts)
        if op is not None:
            recording.keys.setdefault(op.key, []).append(op)
            other = _contradiction(attempts, op)
            if other is not None:
                recording.contradictions.append(other)
    return recording


def _requests(history: History, bucket: str | None, asides: list[Aside]) -> list[list[_Attempt]]:
    """The attempts of each request, requests in the order of their first calls. Remarks go to `asides`."""
    events = [event for event in history.events if isinstance(event, Call | Return | Remark)]
    events.sort(key=lambda event: event.at)
    found: list[list[_Attempt]] = []
    by_request: dict[tuple[Place, str], list[_Attempt]] = {}
    by_op: dict[int, _Attempt] = {}
    for rank, event in enumerate(events):
        if isinstance(event, Return):
            attempt = by_op.get(event.op)
            if attempt is not None and attempt.answer is None:
                attempt.answer, attempt.returned = event, rank
        elif isinstance(event, Remark):
            asides.append(Aside(rank, event.at, event.text))
        elif bucket is None or event.bucket == bucket:
            attempt = by_op[event.op] = _Attempt(event, rank)
            if event.request and event.kind != "get":
                attempts = by_request.setdefault((event.place, event.request), [])
                attempts.append(attempt)
                if len(attempts) > 1:
                    continue
                found.append(attempts)
            else:
                found.append([attempt])
    return found


def _folded(attempts: list[_Attempt]) -> Op | None:
    """The operation that a request is; None for a `resolve` of a request that is not in the history."""
    asked = [attempt for attempt in attempts if attempt.call.kind != "resolve"]
    if not asked:
        return None
    op = _plain(asked[0].call)
    op.called, op.called_s = asked[0].called, asked[0].call.at
    answered = [attempt for attempt in attempts if attempt.answer is not None and attempt.answer.outcome == "ok"]
    if answered:
        _answer(op, min(answered, key=lambda attempt: attempt.returned))
    else:
        is_certain = all(attempt.answer is not None and attempt.answer.outcome == "fail" for attempt in asked)
        op.outcome = "fail" if is_certain else "unknown"
        _failed(op, asked)
    return op


def _plain(call: Call) -> Op:
    op = Op(call.op, call.process, call.kind, "/".join(call.place), 0.0)
    op.written, op.amount, op.then = call.value, call.amount, call.then
    if call.kind == "cas":
        if call.condition is None:
            raise ValueError(f"operation {call.op} is a cas without a condition")
        op.condition, op.expected = call.condition.of, call.condition.value
        op.expected_number = call.condition.number
    return op


def _answer(op: Op, attempt: _Attempt) -> None:
    answer = attempt.answer
    assert answer is not None, "only answered attempts decide"
    op.returned, op.returned_s = attempt.returned, answer.at
    op.applied, op.number = answer.applied, answer.number
    if attempt.call.kind == "resolve":
        if not answer.applied:
            op.outcome, op.applied = "fail", True
        return
    if not answer.applied:
        # It evaluated its condition within that attempt, not before.
        op.called, op.called_s = attempt.called, attempt.call.at
    op.told = answer.told and (op.kind == "get" or not op.applied or (_adds(op) and bool(answer.values)))
    if op.told:
        op.seen = _seen(answer.values)


def _adds(op: Op) -> bool:
    return op.kind == "add" or (op.kind == "cas" and op.then == "add")


def _failed(op: Op, asked: list[_Attempt]) -> None:
    """When the last attempt ended, for a picture; an unknown outcome ends never."""
    if op.outcome == "fail":
        last = max(asked, key=lambda attempt: attempt.returned)
        op.returned = last.returned
        op.returned_s = inf if last.answer is None else last.answer.at


def _seen(values: tuple[str, ...]) -> object:
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def _contradiction(attempts: list[_Attempt], op: Op) -> Verdict | None:
    answers = [attempt for attempt in attempts if attempt.answer is not None and attempt.answer.outcome == "ok"]
    first = answers[0].answer if answers else None
    for other in answers[1:]:
        assert first is not None, "there is one before"
        assert other.answer is not None, "answers were kept only"
        numbers = {first.number, other.answer.number} - {None}
        if first.applied != other.answer.applied or (first.applied and len(numbers) > 1):
            text = (
                f"one request ({describe(op)}) was answered {_said(first)} as operation {first.op} "
                f"and {_said(other.answer)} as operation {other.answer.op}"
            )
            return Verdict("illegal", "answers", op.key, text, (first.op, other.answer.op))
    return None


def _said(answer: Return) -> str:
    number = "" if answer.number is None else f" with version {answer.number}"
    return f"{'applied' if answer.applied else 'not applied'}{number}"
