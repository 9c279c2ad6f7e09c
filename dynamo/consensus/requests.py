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
from operator import attrgetter

from dynamo.layout.register import UNNAMED, Done, Register

KEEP_MAX = 256
KEEP_MIN = 8
WINDOW_MS = 600_000
"""As long is a repeat recognised, and a request can be called off, unless more than KEEP_MAX changes come."""
UNNAMED_MS = 10_000
_request = attrgetter("request")
_fingerprint = attrgetter("fingerprint")
_counter = attrgetter("counter")


def find(register: Register, request: bytes) -> Done | None:
    """The entry of a request. Most are not there, which is said without a step of the interpreter for each entry."""
    if request not in map(_request, register.done):
        return None
    return next(entry for entry in register.done if entry.request == request)


def remembered(register: Register, entry: Done) -> tuple[tuple[Done, ...], int]:
    """The entries after this decision, and up to which version entries may be missing."""
    before, gone = _without_unnamed(register.done, entry.counter - UNNAMED_MS)
    done = (*before, entry)
    if len(done) <= KEEP_MIN and not gone:
        return done, register.dropped
    drop = max(0, len(done) - KEEP_MAX)
    oldest = entry.counter - WINDOW_MS
    while len(done) - drop > KEEP_MIN and done[drop + 1].counter < oldest:
        drop += 1
    gone += done[:drop]
    return (done[drop:], _missing_up_to(register, gone)) if gone else (done, register.dropped)


def _without_unnamed(done: tuple[Done, ...], oldest: int) -> tuple[tuple[Done, ...], tuple[Done, ...]]:
    """The entries, and apart from them those of unnamed requests from before `oldest`."""
    old = done[: bisect_left(done, oldest, key=_counter)]
    if UNNAMED not in map(_fingerprint, old):
        return done, ()
    gone = tuple([entry for entry in old if entry.fingerprint == UNNAMED and entry.version])
    kept = tuple([entry for entry in old if entry.fingerprint != UNNAMED or not entry.version])
    return kept + done[len(old) :], gone


def _missing_up_to(register: Register, dropped: tuple[Done, ...]) -> int:
    """Of one that was called off there is no version: whoever sent it must not take it for one that never came."""
    return max(register.dropped, *(entry.version or register.version for entry in dropped))


def covers(register: Register, moment: int) -> bool:
    """Whether all that was decided in the window before this moment is remembered."""
    done = register.done
    return len(done) < KEEP_MAX or register.dropped == 0 or done[0].counter <= moment - WINDOW_MS


def is_kept(register: Register, since: int, moment: int) -> bool:
    """Whether all that was decided from `since` to `moment` is there: that is young, and the table not full."""
    return since >= moment - UNNAMED_MS and 0 < len(register.done) < KEEP_MAX
