"""What one version may look like, given all the writes and all the other versions of its key.

Rules, for every version that a client was shown and for the final ones:
    thin-air           each sibling is a write that somebody asked for, before the version was shown
    failed-write       no sibling is a write that was answered "not applied"
    dot-reused         one dot is one write, for ever and everywhere
    minted-twice       one run of a node gives a request one dot, however often it is repeated
    hidden             a dot that the clock covers is among the siblings, or superseded by one of them
    superseded         no sibling is covered by the context of another one
    resurrected        a sibling that a version had dropped is in no version that has seen that one
    wrong-values       a user is shown every value, and once, however many dots its repeats got
    not-held           what R or W stand for lies on so many disks when it is said: an acknowledged write, or an answer
                       that no later majority read may go back behind
    ack-without-write  an acknowledgement shows the write, unless it says that the request was a repeat

A tombstone, or a value that has expired, has done its work once any later write is there: it may be gone without having
been superseded, and then what it superseded is accounted for by such a write that took effect, or may have.
A key that has been dead for long enough may be forgotten altogether, see `forgotten`.
In an lww bucket "superseded by" means: older than the one sibling there is, by stamp and the fixed tie-break.
"""

from __future__ import annotations

from collections.abc import Iterator

from dynamo.checker.clocks import covers, descends
from dynamo.checker.forgotten import may_be_forgotten
from dynamo.checker.history import Dot, Operation, Place, Sibling, Version, Violation
from dynamo.checker.writes import Ledger, Sighting

REPEATED = "repeated"
"""What a return says in place of an error where the request had been applied before."""


def check(ledger: Ledger) -> list[Violation]:
    """All rules on every version that was shown to a client."""
    found = list(_reused_dots(ledger)) + list(_minted_twice(ledger))
    for place in ledger.places():
        for sighting in ledger.sightings.get(place, []):
            at, op = _return_time(sighting.operation), (sighting.operation.call.op,)
            found.extend(judge(ledger, place, sighting.version, at, op))
            found.extend(_not_held(ledger, sighting.operation))
            found.extend(_misshown(ledger, sighting.operation, sighting.version))
        found.extend(_resurrected(ledger, place))
    return found


def judge(
    ledger: Ledger, place: Place, version: Version, shown_at: float, operations: tuple[int, ...]
) -> Iterator[Violation]:
    """The rules that look at one version alone. `operations` are named in what is found."""
    for sibling in version.siblings:
        yield from _origin(ledger, place, sibling, shown_at, operations)
        yield from _still_shown(ledger, place, version, sibling, operations)
    if ledger.mode(place) == "lww" and len(version.siblings) > 1:
        shown = ", ".join(map(_named, version.siblings))
        yield Violation("superseded", place, f"an lww key shows {shown}", operations)
    for dot, sibling in ledger.dots.get(place, {}).items():
        if covers(version.clock, dot) and not accounted_for(ledger, place, sibling, version, shown_at):
            origin = ledger.shown_by[place, dot]
            text = f"the clock covers {_named(sibling)}, which is neither shown nor superseded by what is"
            yield Violation("hidden", place, text, (origin.call.op, *operations))


def accounted_for(ledger: Ledger, place: Place, lost: Sibling, version: Version, shown_at: float) -> bool:
    """Whether `lost`, which the version's clock covers, is in it, or superseded by what is or was."""
    if any(sibling.dot == lost.dot for sibling in version.siblings):
        return True
    if may_be_forgotten(ledger, place, lost, shown_at):
        return True
    if ledger.mode(place) == "lww":
        return any(sibling.rank > lost.rank for sibling in version.siblings)
    if version.siblings and (lost.value is None or may_have_expired(ledger, lost, shown_at)):
        return True
    writes = [ledger.write_of(sibling) for sibling in version.siblings]
    writes.extend(ledger.fleeting(place))
    return any(write is not None and ledger.supersedes(write, lost) for write in writes)


def may_have_expired(ledger: Ledger, sibling: Sibling, at: float) -> bool:
    """Whether some node's clock may have been past its expiry by then."""
    return sibling.expires_at is not None and sibling.expires_at <= at + ledger.history.clock_error_s


def _origin(
    ledger: Ledger, place: Place, sibling: Sibling, shown_at: float, operations: tuple[int, ...]
) -> Iterator[Violation]:
    write = ledger.write_of(sibling)
    if write is None or write.place != place or write.value != sibling.value:
        yield Violation("thin-air", place, f"nobody wrote {_named(sibling)}", operations)
    elif write.called_at > shown_at:
        yield Violation("thin-air", place, f"{_named(sibling)} is shown before it was written", operations)
    elif write.outcome == "fail":
        text = f"{_named(sibling)} is shown, and its write was answered as not applied"
        yield Violation("failed-write", place, text, (*write.ops, *operations))


def _still_shown(
    ledger: Ledger, place: Place, version: Version, sibling: Sibling, operations: tuple[int, ...]
) -> Iterator[Violation]:
    for other in version.siblings:
        write = ledger.write_of(other)
        if write is not None and write.context is not None and covers(write.context, sibling.dot):
            text = f"{_named(sibling)} is shown beside {_named(other)}, which was written by one who had seen it"
            yield Violation("superseded", place, text, (*write.ops, *operations))


def _not_held(ledger: Ledger, operation: Operation) -> Iterator[Violation]:
    call, returned = operation.call, operation.last
    if returned is None or returned.held_by is None or returned.version is None:
        return
    going = all(may_be_forgotten(ledger, call.place, each, returned.at) for each in returned.version.siblings)
    if returned.held_by < call.quorum and not going:
        text = f"the {call.kind} stands for {call.quorum} replicas, and {returned.held_by} have it on disk"
        yield Violation("not-held", call.place, text, (call.op,))


def _misshown(ledger: Ledger, operation: Operation, version: Version) -> Iterator[Violation]:
    call, returned = operation.call, operation.last
    if returned is None:
        return
    if call.kind == "get":
        may = {sibling.value for sibling in version.siblings if _may_live(ledger, sibling, returned.at)}
        must = {s.value for s in version.siblings if not may_have_expired(ledger, s, returned.at)} - {None}
        shown = set(returned.values)
        if len(shown) != len(returned.values) or not must <= shown <= may:
            text = f"the user is shown {list(returned.values)} of {sorted(s.value or '' for s in version.siblings)}"
            yield Violation("wrong-values", call.place, text, (call.op,))
    elif returned.error != REPEATED and all(s.request != call.request for s in version.siblings):
        yield Violation("ack-without-write", call.place, "the acknowledged version lacks the write", (call.op,))


def _may_live(ledger: Ledger, sibling: Sibling, at: float) -> bool:
    """Whether it is a value that some node's clock may still hold to be alive."""
    return sibling.value is not None and (
        sibling.expires_at is None or sibling.expires_at > at - ledger.history.clock_error_s
    )


def _reused_dots(ledger: Ledger) -> Iterator[Violation]:
    meaning: dict[Dot, tuple[Place, Sibling, Operation]] = {}
    for place in ledger.places():
        for sighting in ledger.sightings.get(place, []):
            for sibling in sighting.version.siblings:
                first = meaning.setdefault(sibling.dot, (place, sibling, sighting.operation))
                if first[0] != place or first[1] != sibling:
                    text = f"{_named(sibling)} has the dot of {_named(first[1])} of {'/'.join(first[0])}"
                    ops = (first[2].call.op, sighting.operation.call.op)
                    yield Violation("dot-reused", place, text, ops)


def _minted_twice(ledger: Ledger) -> Iterator[Violation]:
    for place in ledger.places():
        first: dict[tuple[str, str], Sibling] = {}
        for sibling in ledger.dots.get(place, {}).values():
            known = first.setdefault((sibling.actor, sibling.request), sibling)
            if known is not sibling and ledger.history.runs.get(sibling.actor, 0) <= 1:
                text = f"one request became {_named(known)} and {_named(sibling)}"
                write = ledger.write_of(sibling)
                yield Violation("minted-twice", place, text, () if write is None else write.ops)


def _resurrected(ledger: Ledger, place: Place) -> Iterator[Violation]:
    """A version that has seen another one shows nothing that the other had seen and no longer held."""
    sightings = _distinct(ledger.sightings.get(place, []))
    for earlier in sightings:
        held = {sibling.dot for sibling in earlier.version.siblings}
        for later in sightings:
            if later is not earlier and descends(later.version.clock, earlier.version.clock):
                for sibling in later.version.siblings:
                    if sibling.dot not in held and covers(earlier.version.clock, sibling.dot):
                        text = f"{_named(sibling)} had been dropped, and is shown by who has seen that"
                        ops = (earlier.operation.call.op, later.operation.call.op)
                        yield Violation("resurrected", place, text, ops)


def _distinct(sightings: list[Sighting]) -> list[Sighting]:
    """One sighting of each different version."""
    first: dict[tuple[tuple[tuple[str, int], ...], tuple[Sibling, ...]], Sighting] = {}
    for sighting in sightings:
        form = (tuple(sorted(sighting.version.clock.items())), sighting.version.siblings)
        first.setdefault(form, sighting)
    return list(first.values())


def _named(sibling: Sibling) -> str:
    what = "a delete" if sibling.value is None else sibling.value
    return f"{what} ({sibling.actor}:{sibling.counter})"


def _return_time(operation: Operation) -> float:
    return operation.returns[0].at
