"""What may have been forgotten: a store that reaps removes a key without a trace once it has been dead for some time.

Then a read that finds nothing, or only what was written later, owes nothing to what was there before. This holds of
what was dead by then and of what a dead write had superseded, and of nothing else:
    a delete, from its call on; a value that expires, from its expiry on;
    whatever a delete, or a value that has expired, had superseded: by context, as a blind delete, or in an lww bucket
    by its stamp.
A value that was forgotten and is there again was brought back from somewhere: `came_back`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dynamo.checker.clocks import covers
from dynamo.checker.history import Clock, Place, Sibling, Version
from dynamo.checker.writes import Ledger, Sighting, Write


def may_be_forgotten(ledger: Ledger, place: Place, sibling: Sibling, at: float) -> bool:
    """Whether a sibling may be gone from all replicas by then, together with whatever superseded it."""
    after_s = ledger.history.forgets_after_s
    if after_s is None:
        return False
    # The clocks that stamped it and that judge its age may both be wrong.
    died_by = at - after_s + 2 * ledger.history.clock_error_s
    if _is_dead(ledger, sibling, died_by):
        return True
    if ledger.mode(place) == "lww":
        known = ledger.dots.get(place, {}).values()
        if any(other.rank > sibling.rank and _is_dead(ledger, other, died_by) for other in known):
            return True
    return any(_buries(ledger, place, write, sibling, died_by) for write in ledger.fleeting(place))


def all_may_be_forgotten(ledger: Ledger, place: Place, clock: Clock, kept: Clock, at: float) -> bool:
    """Whether everything that is known under `clock`, and that `kept` has not seen, may be gone by then."""
    return ledger.history.forgets_after_s is not None and all(
        may_be_forgotten(ledger, place, sibling, at)
        for dot, sibling in ledger.dots.get(place, {}).items()
        if covers(clock, dot) and not covers(kept, dot)
    )


def came_back(shown: Version, earlier: Iterable[Sighting]) -> Iterator[tuple[Sibling, Sighting]]:
    """Siblings of a version that an earlier one had seen and dropped, with that one."""
    for sighting in earlier:
        held = {sibling.dot for sibling in sighting.version.siblings}
        for sibling in shown.siblings:
            if sibling.dot not in held and covers(sighting.version.clock, sibling.dot):
                yield sibling, sighting


def _is_dead(ledger: Ledger, sibling: Sibling, by: float) -> bool:
    if sibling.value is not None:
        return sibling.expires_at is not None and sibling.expires_at <= by
    write = ledger.write_of(sibling)
    return write is not None and write.called_at <= by


def _buries(ledger: Ledger, place: Place, write: Write, sibling: Sibling, by: float) -> bool:
    """Whether a fleeting write may have superseded the sibling and then died; under dots that nobody was shown, too."""
    if write.called_at > by:
        return False
    shown = [each for each in ledger.dots.get(place, {}).values() if each.request == write.request]
    if shown and not any(_is_dead(ledger, each, by) for each in shown):
        return False
    if ledger.mode(place) == "lww":
        origin = ledger.write_of(sibling)
        return not shown and origin is not None and origin.called_at <= write.over_at
    return ledger.supersedes(write, sibling)
