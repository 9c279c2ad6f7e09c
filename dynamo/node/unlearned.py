"""What this node has accepted, and has not heard to be chosen: until then its record does not show it.

Nearly always the word comes within a hundredth of a second. So what was accepted is kept at hand until then: a ballot
has one register, hence what was accepted in it needs not be read and decoded again to be shown. Where the word does not
come, the settler finds out what was chosen (`daemons/settler.py`).

Both are bounded. A register that is not at hand any more is on disk; keys that are too many the auditor finds.
"""

from __future__ import annotations

import msgspec

from dynamo.ports import Clock
from dynamo.versioning.ballot import ZERO, Ballot

COUNT_MAX = 16384
"""Keys that are remembered."""
BYTES_MAX = 8 * 2**20
"""Of registers that are kept at hand, all together."""


class _Accepted(msgspec.Struct, gc=False):
    since: float
    ballot: Ballot
    register: bytes


class Unlearned:
    """One per node. Keys are stored ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[bytes, _Accepted] = {}
        """Oldest first."""
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, stored: bytes) -> bool:
        return stored in self._keys

    def add(self, stored: bytes, ballot: Ballot = ZERO, register: bytes = b"") -> None:
        """The key's state holds this register since now, or (without one) nobody knows for how long."""
        keys, size_bytes = self._keys, len(register)
        if stored in keys:
            self.drop(stored)
        elif len(keys) >= COUNT_MAX:
            self.drop(next(iter(keys)))
        if self._bytes + size_bytes > BYTES_MAX:
            register, size_bytes = b"", 0
        keys[stored] = _Accepted(self._clock.monotonic(), ballot, register)
        self._bytes += size_bytes

    def drop(self, stored: bytes) -> None:
        """There is nothing to be learnt of the key any more, or somebody is about to find out."""
        accepted = self._keys.pop(stored, None)
        if accepted is not None:
            self._bytes -= len(accepted.register)

    def take(self, stored: bytes, ballot: Ballot) -> bytes:
        """What was accepted in this ballot, which then waits no longer; empty, and all as it was, if not at hand."""
        accepted = self._keys.get(stored)
        if accepted is None or accepted.ballot != ballot or not accepted.register:
            return b""
        del self._keys[stored]
        self._bytes -= len(accepted.register)
        return accepted.register

    def since(self, until: float) -> list[bytes]:
        """Keys that have waited since then (monotonic seconds) or longer, oldest first."""
        return [stored for stored, accepted in self._keys.items() if accepted.since <= until]
