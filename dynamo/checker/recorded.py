"""From the events of our own histories to operations on keys.

Events are put in order by their times, those of one instant as they were recorded: who records writes a call before it
is sent and a return after it came. The calls of one request (its idempotency key) are one operation: it takes effect at
most once, after the first call and before the first answer. So all answers to a request must say the same; where two
differ that is a violation by itself. A `resolve` is one more call of the request it asks about.

One thing a call says for itself only: that its condition did not hold. That is a read, within that call. Another call
of the same request, earlier, later or at the same time, may find that it holds; but none is refused that was called
after an answer that the request was applied, and a `resolve` speaks for all calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from operator import attrgetter

import msgspec

from dynamo.checker.history import Call, Event, History, Remark, Return
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
    repeats: list[_Attempt] | None = None
    """Of the first call of a request: the other ones."""


def operations(history: History, bucket: str | None = None) -> Recording:
    """The history as operations, of one bucket or of all. Raises ValueError for a `cas` that names no condition."""
    return of_events(history.events, bucket)


def of_events(events: Iterable[Event], bucket: str | None = None) -> Recording:
    """The same. Raises ValueError as well for a return without its call, and for a call number used twice."""
    recording = Recording({}, [], [])
    is_sorted = True
    for first in _requests(events, bucket, recording.asides):
        if first.repeats:
            _take_apart(first, recording)
            is_sorted = False
        else:
            op = _folded([first]) if first.call.kind == "resolve" else _single(first)
            if op is not None:
                recording.keys.setdefault(op.key, []).append(op)
    if not is_sorted:
        for ops in recording.keys.values():
            ops.sort(key=_called)
    return recording


def _take_apart(first: _Attempt, recording: Recording) -> None:
    """A request that was made several times: each call that was refused is a read, all others are one operation."""
    attempts = [first, *(first.repeats or ())]
    refused = [attempt for attempt in attempts if _is_refused(attempt)]
    others = [attempt for attempt in attempts if not _is_refused(attempt)]
    folded = [op for op in map(_folded, [*([each] for each in refused), others]) if op is not None]
    for op in folded:
        recording.keys.setdefault(op.key, []).append(op)
    other = _contradiction(refused, others, folded[-1]) if folded else None
    if other is not None:
        recording.contradictions.append(other)


def _called(op: Op) -> float:
    return op.called


def _is_refused(attempt: _Attempt) -> bool:
    """Whether it was answered that its condition did not hold."""
    answer = attempt.answer
    return attempt.call.kind != "resolve" and answer is not None and answer.outcome == "ok" and not answer.applied


def _requests(events: Iterable[Event], bucket: str | None, asides: list[Aside]) -> Iterable[_Attempt]:
    """The first attempt of each request, in the order of their calls. Remarks go to `asides`."""
    timed = [event for event in events if isinstance(event, Call | Return | Remark)]
    timed.sort(key=attrgetter("at"))
    by_request: dict[tuple[str, str, str], _Attempt] = {}
    by_op: dict[int, _Attempt] = {}
    firsts: list[_Attempt] = []
    for rank, event in enumerate(timed):
        if isinstance(event, Return):
            attempt = by_op.get(event.op)
            if attempt is None:
                raise ValueError(f"operation {event.op} returns and was never called")
            if attempt.answer is None:
                attempt.answer, attempt.returned = event, rank
        elif isinstance(event, Remark):
            asides.append(Aside(rank, event.at, event.text))
        elif event.op in by_op:
            raise ValueError(f"operation {event.op} is called twice")
        else:
            attempt = by_op[event.op] = _Attempt(event, rank)
            if bucket is not None and event.bucket != bucket:
                continue
            first = attempt
            if event.request and event.kind != "get":
                first = by_request.setdefault((event.bucket, event.key, event.request), attempt)
            if first is attempt:
                firsts.append(attempt)
            else:
                first.repeats = [*(first.repeats or ()), attempt]
    return firsts


def _single(attempt: _Attempt) -> Op:
    """The operation that one call is."""
    op = _plain(attempt.call, attempt.called)
    if attempt.answer is None or attempt.answer.outcome == "unknown":
        op.outcome = "unknown"
    elif attempt.answer.outcome == "ok":
        _answer(op, attempt)
    else:
        op.outcome, op.returned, op.returned_s = "fail", attempt.returned, attempt.answer.at
    return op


def _folded(attempts: list[_Attempt]) -> Op | None:
    """The operation that a request is; None for a `resolve` of a request that is not in the history."""
    asked = [attempt for attempt in attempts if attempt.call.kind != "resolve"]
    if not asked:
        return None
    op = _plain(asked[0].call, asked[0].called)
    answered = [attempt for attempt in attempts if attempt.answer is not None and attempt.answer.outcome == "ok"]
    if answered:
        _answer(op, min(answered, key=lambda attempt: attempt.returned))
    else:
        is_certain = all(attempt.answer is not None and attempt.answer.outcome == "fail" for attempt in asked)
        op.outcome = "fail" if is_certain else "unknown"
        _failed(op, asked)
    return op


def _plain(call: Call, called: float) -> Op:
    key = f"{call.bucket}/{call.key}"
    op = Op(call.op, call.process, call.kind, key, called, written=call.value, amount=call.amount, called_s=call.at)
    if call.kind == "cas":
        if call.condition is None:
            raise ValueError(f"operation {call.op} is a cas without a condition")
        op.condition, op.expected, op.then = call.condition.of, call.condition.value, call.then
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


def _contradiction(refused: list[_Attempt], others: list[_Attempt], op: Op) -> Verdict | None:
    """Two answers to one request that cannot both be right."""
    answers = [attempt for attempt in others if attempt.answer is not None and attempt.answer.outcome == "ok"]
    for other in answers[1:]:
        first, second = answers[0].answer, other.answer
        assert first is not None, "there is one before"
        assert second is not None, "answers were kept only"
        numbers = {first.number, second.number} - {None}
        if first.applied != second.applied or (first.applied and len(numbers) > 1):
            return _differs(op, first, second)
    applied = min(
        (attempt for attempt in answers if attempt.answer and attempt.answer.applied), key=_ended, default=None
    )
    may_apply = any(attempt.call.kind != "resolve" for attempt in others)
    for attempt in refused:
        if applied is not None and (attempt.called > applied.returned or not may_apply):
            assert applied.answer is not None, "answers were kept only"
            assert attempt.answer is not None, "a refusal is an answer"
            return _differs(op, applied.answer, attempt.answer)
    return None


def _ended(attempt: _Attempt) -> float:
    return attempt.returned


def _differs(op: Op, first: Return, second: Return) -> Verdict:
    text = (
        f"one request ({describe(op)}) was answered {_said(first)} as operation {first.op} "
        f"and {_said(second)} as operation {second.op}"
    )
    return Verdict("illegal", "answers", op.key, text, (first.op, second.op))


def _said(answer: Return) -> str:
    number = "" if answer.number is None else f" with version {answer.number}"
    return f"{'applied' if answer.applied else 'not applied'}{number}"
