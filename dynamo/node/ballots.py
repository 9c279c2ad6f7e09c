"""The ballots of this node: fresh, and never the same one twice.

Two proposers, or one in two lives, must never send two values under one ballot. So a ballot names the node with the
number that it drew at this start, and the count of its starts, which was on disk before the first request; and within a
run the counter grows with each ballot. The clock only makes ballots fresh: one that jumps back changes nothing, as
counters go on from the highest that was given out or seen; one that jumps ahead takes the counters along for good,
which is harmless and shows in `ahead_ms`.

Source: research note, sections 1.2 and 1.10 (rows 4 to 6).
"""

from __future__ import annotations

from dynamo.ports import Clock, Identity
from dynamo.versioning.ballot import ZERO, Ballot, after


class Ballots:
    """One per node: whatever it proposes takes its ballots here."""

    __slots__ = ("_boot", "_clock", "_highest", "_proposer")

    def __init__(self, node: str, clock: Clock, identity: Identity) -> None:
        self._clock = clock
        self._proposer = f"{node}~{identity.run}"
        self._boot = identity.starts
        self._highest: Ballot = ZERO

    def next(self, above: Ballot = ZERO) -> Ballot:
        """A ballot that was never given out, above all that were given out or seen, and above that one."""
        self.saw(above)
        self._highest = after(self._highest, self._clock.wall_ms(), self._proposer, self._boot)
        return self._highest

    def saw(self, ballot: Ballot) -> None:
        """Some replica has promised or accepted this ballot."""
        self._highest = max(self._highest, ballot)

    @property
    def now_ms(self) -> int:
        """The wall clock; or what counters have come to, if that is ahead of it."""
        return max(self._highest[0], self._clock.wall_ms())

    @property
    def ahead_ms(self) -> int:
        """How far counters are ahead of this node's wall clock: by more than an instant if some clock was wrong."""
        return max(0, self._highest[0] - self._clock.wall_ms())
