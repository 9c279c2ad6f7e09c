"""What a read owes to what happened before it.

    context-not-honoured   a read that demanded a context answers with something that has seen all of it
    missed-write           a read of R replicas sees every write that W had acknowledged before it began, if R + W > N
    went-back              ... and every answer that R' had given before it began, if R + R' > N: majority reads repair
                           what differs before they answer, so they never go backwards, whoever asks
    came-back              ... and shows nothing that such a version had seen and dropped
The last three hold where quorums are strict: only the key's N replicas count. What may have been forgotten because it
was dead (`forgotten`) is owed no more; a read that demands a context of such a key may find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from dynamo.checker.clocks import descends, join
from dynamo.checker.forgotten import all_may_be_forgotten, came_back
from dynamo.checker.history import Bucket, Call, Clock, History, Operation, Place, Return, Violation
from dynamo.checker.writes import Ledger


def check(history: History) -> list[Violation]:
    """All rules on every read that was answered."""
    found: list[Violation] = []
    done: dict[Place, dict[int, Clock]] = {}
    owed: dict[int, Clock] = {}
    ledger = Ledger(history)
    for event in history.events:
        if isinstance(event, Call) and event.kind == "get" and event.bucket in history.buckets:
            owed[event.op] = _owed(event, history.buckets[event.bucket], done.get(event.place, {}))
        elif isinstance(event, Return) and event.outcome == "ok":
            operation = history.operations[event.op]
            found.extend(_unpaid(ledger, operation, event, owed.get(event.op, {})))
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


def _unpaid(ledger: Ledger, operation: Operation, returned: Return, owed: Clock) -> Iterator[Violation]:
    call, clock = operation.call, _clock(returned)
    if call.kind != "get":
        return
    if call.context is not None and not descends(clock, call.context):
        is_gone = not clock and all_may_be_forgotten(ledger, call.place, call.context, clock, returned.at)
        if not is_gone:
            yield Violation("context-not-honoured", call.place, "the answer has not seen the context", (call.op,))
    yield from _came_back(ledger, call, returned)
    if not descends(clock, owed) and not all_may_be_forgotten(ledger, call.place, owed, clock, returned.at):
        before = _culprit(ledger.history, call, returned)
        rule, what = ("went-back", "answer") if before.call.kind == "get" else ("missed-write", "write")
        text = f"a read of {call.quorum} misses the {what} that {before.call.quorum} had given before it began"
        yield Violation(rule, call.place, text, (before.call.op, call.op))


def _came_back(ledger: Ledger, call: Call, returned: Return) -> Iterator[Violation]:
    """Where clocks may be forgotten they do not show that a read went back to what was deleted."""
    bucket = ledger.history.buckets.get(call.bucket)
    if ledger.history.forgets_after_s is None or returned.version is None or bucket is None or not bucket.strict:
        return
    earlier = [
        sighting
        for sighting in ledger.sightings.get(call.place, [])
        if sighting.operation.call.quorum + call.quorum > bucket.n and sighting.operation.returns[0].at <= call.at
    ]
    for sibling, sighting in came_back(returned.version, earlier):
        text = (
            f"{sibling.value} ({sibling.actor}:{sibling.counter}) had been dropped before the read began, and is shown"
        )
        yield Violation("came-back", call.place, text, (sighting.operation.call.op, call.op))


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
