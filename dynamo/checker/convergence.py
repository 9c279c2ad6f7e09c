"""After all faults have ended and every key was repaired: nothing acknowledged is lost, nothing deleted is back.

What may be there in the end follows from the history alone:
    lost          everything that was ever shown to a client, acknowledged writes first of all, is in the final clock,
                  or was dead and may be forgotten
    resurrected   nothing is there that a version had dropped which was shown to a client, also if that was forgotten
    and, on the final versions, every rule of `answers`: what the clock covers is there or superseded, what was
    superseded is gone, writes that failed are nowhere. Writes of unknown outcome may be there or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from dynamo.checker import answers
from dynamo.checker.clocks import covers, descends
from dynamo.checker.forgotten import came_back, may_be_forgotten
from dynamo.checker.history import Place, Version, Violation
from dynamo.checker.writes import Ledger

NOTHING = Version({}, ())


def check(ledger: Ledger, final: Mapping[Place, Version]) -> list[Violation]:
    """`final` is what every replica of a key holds in the end; a key that is not in it is held by nobody."""
    found: list[Violation] = []
    for place in ledger.places():
        version = final.get(place, NOTHING)
        found.extend(_lost(ledger, place, version))
        found.extend(answers.judge(ledger, place, version, inf, ()))
        found.extend(_back(ledger, place, version))
    return found


def _lost(ledger: Ledger, place: Place, final: Version) -> Iterator[Violation]:
    for dot, sibling in ledger.dots.get(place, {}).items():
        if not covers(final.clock, dot) and not may_be_forgotten(ledger, place, sibling, inf):
            origin = ledger.shown_by[place, dot]
            what = "a delete" if sibling.value is None else str(sibling.value)
            text = f"{what} ({dot[0]}:{dot[1]}) was shown by a {origin.call.kind} and is gone without a trace"
            yield Violation("lost", place, text, (origin.call.op,))


def _back(ledger: Ledger, place: Place, final: Version) -> Iterator[Violation]:
    forgets = ledger.history.forgets_after_s is not None
    known = [each for each in ledger.sightings.get(place, []) if forgets or descends(final.clock, each.version.clock)]
    for sibling, sighting in came_back(final, known):
        what = "a delete" if sibling.value is None else sibling.value
        text = f"{what} ({sibling.actor}:{sibling.counter}) had been dropped, and is there in the end"
        yield Violation("resurrected", place, text, (sighting.operation.call.op,))
