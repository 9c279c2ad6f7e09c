"""Which requests a register remembers, so that a repeated one takes effect once.

The newest are kept: WINDOW_MS long, and at least KEEP_MIN, but never more than KEEP_MAX. Moments are those of
`change.py`, so all coordinators drop the same entries. Of those that are too old the newest is kept as well: while it
is there, nothing younger than the window is missing. A table that was cut for its length begins with a young entry
instead, and then nobody may say of a request that it never came (`covers`).

An unnamed request nobody repeats, and no second node was asked for it. Only the coordinator that makes it looks for its
entry, while it works on it, and sees by the version whether that may have been dropped. Such entries go after
UNNAMED_MS: else each register of a busy bucket would carry hundreds.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial

from dynamo.layout.register import (
    ENTRY_BYTES,
    NAME_BYTES,
    UNNAMED,
    Done,
    Register,
    counter_at,
    last_counter,
    packed,
    unpacked,
)

KEEP_MAX = 256
KEEP_MIN = 8
WINDOW_MS = 600_000
"""As long is a repeat recognised, and a request can be called off, unless more than KEEP_MAX changes come."""
UNNAMED_MS = 10_000
_KEEP_MIN_BYTES = KEEP_MIN * ENTRY_BYTES
_KEEP_MAX_BYTES = KEEP_MAX * ENTRY_BYTES


def find(register: Register, request: bytes) -> Done | None:
    """The entry of a request."""
    assert len(request) == NAME_BYTES, "a part of a name would be found in the entry of another request"
    place = register.done.find(request)
    while place > 0 and place % ENTRY_BYTES:  # The same bytes by chance, across parts of entries.
        place = register.done.find(request, place + 1)
    return None if place < 0 else unpacked(register.done[place : place + ENTRY_BYTES])[0]


def remembered(register: Register, entry: Done) -> tuple[bytes, int]:
    """The entries after this decision, packed, and up to which version entries may be missing."""
    before, gone = _without_unnamed(register.done, entry.counter - UNNAMED_MS)
    done = before + packed(entry)
    if len(done) <= _KEEP_MIN_BYTES and not gone:
        return done, register.dropped
    drop = max(0, len(done) - _KEEP_MAX_BYTES)
    oldest = entry.counter - WINDOW_MS
    while len(done) - drop > _KEEP_MIN_BYTES and counter_at(done, drop + ENTRY_BYTES) < oldest:
        drop += ENTRY_BYTES
    gone += unpacked(done[:drop])
    return (done[drop:], _missing_up_to(register, gone)) if gone else (done, register.dropped)


def _without_unnamed(done: bytes, oldest: int) -> tuple[bytes, tuple[Done, ...]]:
    """The entries, and apart from them those of unnamed requests from before `oldest`.

    What was so old at the decision before has been gone through then: in hundreds of entries only a few are looked at.
    """
    if not done or counter_at(done, 0) >= oldest:
        return done, ()
    end = _place_of(done, oldest)
    begin = min(end, _place_of(done, last_counter(done) - UNNAMED_MS))
    entries = unpacked(done[begin:end])
    gone = tuple([entry for entry in entries if entry.fingerprint == UNNAMED and entry.version])
    if not gone:
        return done, ()
    kept = [entry for entry in entries if entry.fingerprint != UNNAMED or not entry.version]
    return done[:begin] + packed(*kept) + done[end:], gone


def _place_of(done: bytes, counter: int) -> int:
    """Where the first entry of this moment or later begins."""
    return bisect_left(range(0, len(done), ENTRY_BYTES), counter, key=partial(counter_at, done)) * ENTRY_BYTES


def _missing_up_to(register: Register, dropped: tuple[Done, ...]) -> int:
    """Of one that was called off there is no version: whoever sent it must not take it for one that never came."""
    return max(register.dropped, *(entry.version or register.version for entry in dropped))


def covers(register: Register, moment: int) -> bool:
    """Whether all that was decided in the window before this moment is remembered."""
    done = register.done
    return len(done) < _KEEP_MAX_BYTES or register.dropped == 0 or counter_at(done, 0) <= moment - WINDOW_MS


def is_kept(register: Register, since: int, moment: int) -> bool:
    """Whether all that was decided from `since` to `moment` is there: that is young, and the table not full."""
    return since >= moment - UNNAMED_MS and 0 < len(register.done) < _KEEP_MAX_BYTES
