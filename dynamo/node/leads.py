"""Leads that this node's last rounds have left: with one, the next change of its key takes a single round trip.

A lead is handed out by removing it, so none is ever used twice (`consensus/lead.py` says what else must hold). One that
was forgotten for want of room costs a round trip. They are in memory only: a restart has none.
"""

from __future__ import annotations

from dynamo.consensus.lead import Lead

Place = tuple[bytes, tuple[str, ...]]
"""A stored key (`layout/keyspaces.py`) and its primaries."""
COUNT_MAX = 16384
BYTES_MAX = 16 * 2**20
"""Of all together, about."""
_ENTRY_BYTES = 512
"""What Python needs for one, beside the register."""


class Leads:
    """One per node."""

    def __init__(self) -> None:
        self._kept: dict[Place, Lead] = {}
        """Oldest first."""
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, place: Place, stores: int) -> Lead | None:
        """The lead for a key, if there is one and it was given by the stores that this node knows now."""
        lead = self._kept.pop(place, None)
        if lead is None:
            return None
        self._bytes -= _weight(place, lead)
        return lead if lead.stores == stores else None

    def keep(self, place: Place, lead: Lead) -> None:
        """A round of this key has just left it. Those that are too many go, oldest first."""
        assert place not in self._kept, "one round at a time for a key, which took the lead that there was"
        self._kept[place] = lead
        self._bytes += _weight(place, lead)
        while len(self._kept) > COUNT_MAX or self._bytes > BYTES_MAX:
            oldest = next(iter(self._kept))
            self._bytes -= _weight(oldest, self._kept.pop(oldest))


def _weight(place: Place, lead: Lead) -> int:
    return _ENTRY_BYTES + len(place[0]) + len(lead.register)
