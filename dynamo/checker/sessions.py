"""What a read owes to what happened before it.

    context-not-honoured   a read that demanded a context answers with something that has seen all of it
    missed-write           a read of R replicas sees every write that W had acknowledged before it began, if R + W > N
    went-back              ... and every answer that R' had given before it began, if R + R' > N: majority reads repair
                           what differs before they answer, so they never go backwards, whoever asks
The last two hold where quorums are strict: only the key's N replicas count.
"""

from __future__ import annotations

from collections.abc import Iterator

from dynamo.checker.clocks import descends, join
from dynamo.checker.history import Bucket, Call, Clock, History, Operation, Place, Return, Violation


def check(history: History) -> list[Violation]:
    """All rules on every read that was answered."""
    found: list[Violation] = []
    done: dict[Place, dict[int, Clock]] = {}
    owed: dict[int, Clock] = {}
    for event in history.events:
        if isinstance(event, Call) and event.kind == "get" and event.bucket in history.buckets:
            owed[event.op] = _owed(event, history.buckets[event.bucket], done.get(event.place, {}))
        elif isinstance(event, Return) and event.outcome == "ok":
            operation = history.operations[event.op]
            found.extend(_unpaid(history, operation, event, owed.get(event.op, {})))
            _enter(done, operation.call, _clock(event))
    return found


def _owed(call: Call, bucket: Bucket, done: dict[int, Clock]) -> Clock:
    """What a read must have seen: all that is done on so many replicas that it cannot miss them."""
    if not bucket.strict:
        return {}
    return join([clock for quorum, clock in done.items() if quorum + call.quorum > bucket.n])


def _enter(done: dict[Place, dict[int, Clock]], call: Call, clock: Clock) -> None:
    at = done.setdefault(call.place, {})
    at[call.quorum] = join([at.get(call.quorum, {}), clock])


def _unpaid(history: History, operation: Operation, returned: Return, owed: Clock) -> Iterator[Violation]:
    call = operation.call
    if call.kind != "get":
        return
    if call.context is not None and not descends(_clock(returned), call.context):
        yield Violation("context-not-honoured", call.place, "the answer has not seen the context", (call.op,))
    if not descends(_clock(returned), owed):
        before = _culprit(history, call, returned)
        rule, what = ("went-back", "answer") if before.call.kind == "get" else ("missed-write", "write")
        text = f"a read of {call.quorum} misses the {what} that {before.call.quorum} had given before it began"
        yield Violation(rule, call.place, text, (before.call.op, call.op))


def _culprit(history: History, call: Call, returned: Return) -> Operation:
    """The first operation that the read should have seen and has not."""
    n = history.buckets[call.bucket].n
    for operation in history.at(call.place):
        last = operation.last
        if last is None or last.outcome != "ok" or last.at > call.at or operation.call.quorum + call.quorum <= n:
            continue
        if not descends(_clock(returned), _clock(last)):
            return operation
    raise AssertionError("a debt has a creditor")


def _clock(returned: Return) -> Clock:
    return {} if returned.version is None else returned.version.clock
