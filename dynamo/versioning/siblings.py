"""Reconciling records: drop what was superseded, keep what is concurrent.

The rule of dotted version vectors: a sibling survives a merge if both sides hold it, or if the side that lacks it has
not seen its dot. Hence merge commutes, associates and repeats harmlessly; `tests/unit/versioning` asserts it.

In an lww bucket the same merge runs and then keeps the newest sibling only. That stays associative because a write's
stamp is greater than the stamp of everything it has seen, so the newest of all is never the superseded one.

No dot ever has two values: asserted here on every merge.
"""

from __future__ import annotations

from dynamo.errors import CorruptValue
from dynamo.versioning.clock import Clock, advanced, covers, descends, merge
from dynamo.versioning.record import Record, Sibling

EMPTY = Record({}, [])


def merged(left: Record, right: Record) -> Record:
    """The record that has seen all that both have. Raises CorruptValue if one dot carries two values."""
    if left.clock == right.clock and left.siblings == right.siblings:
        return left
    if descends(right.clock, left.clock) and not any(covers(left.clock, s.dot) for s in right.siblings):
        return right  # the usual case of a replica that follows: all of ours is superseded, nothing of theirs is known
    by_dot = {s.dot: s for s in left.siblings}
    kept: list[Sibling] = []
    for theirs in right.siblings:
        ours = by_dot.pop(theirs.dot, None)
        if ours is not None:
            _assert_same(ours, theirs)
            kept.append(ours)
        elif not covers(left.clock, theirs.dot):
            kept.append(theirs)
    kept.extend(ours for ours in by_dot.values() if not covers(right.clock, ours.dot))
    kept.sort(key=_by_dot)
    return Record(merge(left.clock, right.clock), kept)


def written(base: Record, context: Clock, new: Sibling) -> Record:
    """`base` after a write of `new` by a client that had seen `context`.

    Siblings that the context covers are superseded; the others stay beside the new one. The caller mints `new.dot`
    greater than everything of its actor in `base`, which is what makes the dot unique.
    """
    assert not covers(base.clock, new.dot), "a dot is minted once"
    kept = [s for s in base.siblings if not covers(context, s.dot)]
    kept.append(new)
    kept.sort(key=_by_dot)
    return Record(advanced(merge(base.clock, context), new.dot), kept)


def living(record: Record, now_ms: int) -> Record:
    """The record without tombstones and expired values, its clock unchanged: the base that a new write sees.

    A dead sibling has done its work once a later write is there; the clock goes on covering what it covered.
    """
    if all(s.is_live(now_ms) for s in record.siblings):
        return record
    return Record(record.clock, [s for s in record.siblings if s.is_live(now_ms)])


def newest_only(record: Record) -> tuple[Record, int]:
    """The record with only its newest sibling, and how many concurrent ones were discarded (lww buckets)."""
    if len(record.siblings) < 2:
        return record, 0
    winner = max(record.siblings, key=_by_time)
    return Record(record.clock, [winner]), len(record.siblings) - 1


def _by_dot(sibling: Sibling) -> tuple[str, int]:
    return (sibling.actor, sibling.counter)


def _by_time(sibling: Sibling) -> tuple[int, bool, str, int]:
    """Newest first; of equal stamps the tombstone, then the greater dot: the same choice on every replica."""
    return (sibling.hybrid, sibling.value is None, sibling.actor, sibling.counter)


def _assert_same(ours: Sibling, theirs: Sibling) -> None:
    if ours != theirs:
        raise CorruptValue(f"the dot {ours.actor}:{ours.counter} has two values", actor=ours.actor)
