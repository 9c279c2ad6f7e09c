"""What a user may expect of a store while it shows one key to one user: session guarantees, checked on every read.

*Monotonic reads*: what I read is not older than what I read before. *Read your writes*: what I read is not older than
what I was told is written. (Terry et al., "Session guarantees for weakly consistent replicated data", 1994.) The
generator's users carry no context token and change nodes, so nothing but the level keeps these promises: that is what
is measured. Older means by real time, as in `book.py`: a floor for each user and key is enough.
"""

from __future__ import annotations

from collections import OrderedDict

GUARANTEES = ("monotonic_reads", "read_your_writes")
REMEMBERED = 200_000
"""Pairs of user and key; of the one that was longest not used all is forgotten then, and nothing is held against it."""


class Sessions:
    """The floors of users: the latest begin of what they have read, and of what they have written, by key."""

    def __init__(self, sessions: int, remembered: int = REMEMBERED) -> None:
        self._sessions = sessions
        self._remembered = remembered
        self._floors: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def floors(self, session: int, key: int) -> tuple[float, float]:
        """What a read that is sent now has to reach: not older than what was read, than what was written."""
        return self._floors.get(key * self._sessions + session, (0.0, 0.0))

    def has_read(self, session: int, key: int, began: float) -> None:
        """The user was shown a write that began then."""
        read, written = self.floors(session, key)
        if began > read:
            self._keep(session, key, began, written)

    def has_written(self, session: int, key: int, began: float) -> None:
        """The user was told that a write which began then is done."""
        read, written = self.floors(session, key)
        if began > written:
            self._keep(session, key, read, began)

    def _keep(self, session: int, key: int, read: float, written: float) -> None:
        place = key * self._sessions + session
        self._floors[place] = (read, written)
        self._floors.move_to_end(place)
        if len(self._floors) > self._remembered:
            self._floors.popitem(last=False)


def broken(floors: tuple[float, float], latest: float) -> tuple[bool, bool]:
    """Which guarantees a read broke, in the order of GUARANTEES: `latest` is when what it returned was acknowledged."""
    return latest < floors[0], latest < floors[1]
