"""Ballots: which of two attempts at a key's next value is the later one.

(counter, proposer, boot), compared in that order. The counter is a hybrid of wall clock and largest counter seen, which
makes ballots fresh; that no two are equal does not depend on clocks: the proposer is a node in one run (its id and a
number drawn at each start), the boot counts the starts on its store, and within a run the counter only grows.
"""

from __future__ import annotations

Ballot = tuple[int, str, int]
ZERO: Ballot = (0, "", 0)
"""Below every ballot: nothing was promised or accepted."""


def after(highest: Ballot, wall_ms: int, proposer: str, boot: int) -> Ballot:
    """A ballot above `highest`, by this proposer, as fresh as its clock (milliseconds since 1970)."""
    return (max(highest[0], wall_ms) + 1, proposer, boot)
