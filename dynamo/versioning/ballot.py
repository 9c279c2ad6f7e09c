"""Ballots: which of two attempts at a key's next value is the later one.

(counter, proposer, boot), compared in that order. The counter is a hybrid of wall clock and largest counter seen, which
makes ballots fresh; that no two are equal does not depend on clocks: the proposer is a node in one run (its id and a
number drawn at each start), the boot counts the starts on its store, and within a run the counter only grows.

A replica that lost its disk knows from others what was accepted in some ballot, without having accepted it itself
(`consensus/recovery.py`). It says so by a ballot of hearsay: just above that one, and equal to nobody else's.
"""

from __future__ import annotations

Ballot = tuple[int, str, int]
ZERO: Ballot = (0, "", 0)
"""Below every ballot: nothing was promised or accepted."""


def after(highest: Ballot, wall_ms: int, proposer: str, boot: int) -> Ballot:
    """A ballot above `highest`, by this proposer, as fresh as its clock (milliseconds since 1970)."""
    return (max(highest[0], wall_ms) + 1, proposer, boot)


_HEARSAY = "\0"
"""In no proposer's name."""


def hearsay(ballot: Ballot, store: str) -> Ballot:
    """What the replica on `store` says for a ballot in which others accepted something; above it, below all later."""
    counter, proposer, boot = ballot
    return (counter, proposer + _HEARSAY + store, boot)


def is_hearsay(ballot: Ballot) -> bool:
    """Whether nobody ever proposed in this ballot, so that nothing may be accepted in it."""
    return _HEARSAY in ballot[1]


def plain(ballot: Ballot) -> Ballot:
    """The ballot in which it was proposed."""
    counter, proposer, boot = ballot
    return (counter, proposer.partition(_HEARSAY)[0], boot)
