"""Which requests a register remembers, so that a repeated one takes effect once.

The newest are kept: WINDOW_MS long, and at least KEEP_MIN, but never more than KEEP_MAX. Moments are those of
`change.py`, so all coordinators drop the same entries. A register knows up to which moment it has dropped entries that
somebody may ask for (`cut`): of a request that was born later it can be said that it never came (`covers`).

A request can come in several attempts, and an old one may lie in a stopped process or a socket until after all others.
The first of them knows nothing of the rest, and asks nothing but whether its entry is there. So if another one, which
knows that it is not the first, takes effect, or is called off, its entry stays all the window (`lasting`), whatever
else comes. There are few of those; where there are LASTING_MAX no other is made.

An unnamed request nobody repeats, and no second node was asked for it. Only the coordinator that makes it looks for its
entry, while it works on it, and sees by the version whether that may have been dropped. Such entries go after
UNNAMED_MS: else each register of a busy bucket would carry hundreds.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import NamedTuple

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
LASTING_MAX = 256
"""Entries that stay for all of the window, beside those."""
WINDOW_MS = 600_000
"""As long is a repeat recognised, and a request can be called off, unless more than KEEP_MAX changes come."""
UNNAMED_MS = 10_000
_KEEP_MIN_BYTES = KEEP_MIN * ENTRY_BYTES
_KEEP_MAX_BYTES = KEEP_MAX * ENTRY_BYTES
_LASTING_MAX_BYTES = LASTING_MAX * ENTRY_BYTES


class Memory(NamedTuple):
    """The last fields of a register."""

    done: bytes
    dropped: int
    lasting: bytes
    cut: int


def find(register: Register, request: bytes) -> Done | None:
    """The entry of a request."""
    assert len(request) == NAME_BYTES, "a part of a name would be found in the entry of another request"
    return _found(register.done, request) or (_found(register.lasting, request) if register.lasting else None)


def _found(done: bytes, request: bytes) -> Done | None:
    place = done.find(request)
    while place > 0 and place % ENTRY_BYTES:  # The same bytes by chance, across parts of entries.
        place = done.find(request, place + 1)
    return None if place < 0 else unpacked(done[place : place + ENTRY_BYTES])[0]


def remembered(register: Register, entry: Done, *, lasts: bool = False) -> Memory:
    """What a register remembers after this decision. `lasts`: an older attempt is known of; there is room for it."""
    dropped, lasting, cut = register.dropped, register.lasting, register.cut
    oldest = entry.counter - WINDOW_MS
    if lasting and counter_at(lasting, 0) < oldest:
        place = _place_of(lasting, oldest)
        gone, lasting = unpacked(lasting[:place]), lasting[place:]
        dropped, cut = _missing_up_to(register, dropped, gone), max(cut, gone[-1].counter)
    if lasts:
        return Memory(register.done, dropped, lasting + packed(entry), cut)
    before, gone = _without_unnamed(register.done, entry.counter - UNNAMED_MS)
    if gone:
        dropped = _missing_up_to(register, dropped, gone)
    done = before + packed(entry)
    drop = max(0, len(done) - _KEEP_MAX_BYTES)
    while len(done) - drop > _KEEP_MIN_BYTES and counter_at(done, drop) < oldest:
        drop += ENTRY_BYTES
    if not drop:
        return Memory(done, dropped, lasting, cut)
    gone = unpacked(done[:drop])
    cut = max([cut, *(each.counter for each in gone if not _is_unnamed(each))])
    return Memory(done[drop:], _missing_up_to(register, dropped, gone), lasting, cut)


def may_last(register: Register, moment: int) -> bool:
    """Whether there is room for one more entry that lasts."""
    lasting = register.lasting
    return len(lasting) - _place_of(lasting, moment - WINDOW_MS) < _LASTING_MAX_BYTES


def _without_unnamed(done: bytes, oldest: int) -> tuple[bytes, tuple[Done, ...]]:
    """The entries, and apart from them those of unnamed requests from before `oldest`.

    What was so old at the decision before has been gone through then: in hundreds of entries only a few are looked at.
    """
    if not done or counter_at(done, 0) >= oldest:
        return done, ()
    end = _place_of(done, oldest)
    begin = min(end, _place_of(done, last_counter(done) - UNNAMED_MS))
    entries = unpacked(done[begin:end])
    gone = tuple([entry for entry in entries if _is_unnamed(entry)])
    if not gone:
        return done, ()
    kept = [entry for entry in entries if not _is_unnamed(entry)]
    return done[:begin] + packed(*kept) + done[end:], gone


def _place_of(done: bytes, counter: int) -> int:
    """Where the first entry of this moment or later begins."""
    return bisect_left(range(0, len(done), ENTRY_BYTES), counter, key=partial(counter_at, done)) * ENTRY_BYTES


def _is_unnamed(entry: Done) -> bool:
    return entry.fingerprint == UNNAMED and entry.version > 0


def _missing_up_to(register: Register, dropped: int, gone: tuple[Done, ...]) -> int:
    """Of one that was called off there is no version: whoever sent it must not take it for one that never came."""
    return max(dropped, *(entry.version or register.version for entry in gone))


def covers(register: Register, born: int, moment: int) -> bool:
    """Whether the entry of a request that was born then (0: in the window) is there, if it was ever made."""
    return register.cut < (born or moment - WINDOW_MS + 1)


def is_kept(register: Register, since: int, moment: int) -> bool:
    """Whether all that was decided from `since` to `moment` is there: that is young, and the table not full."""
    return since >= moment - UNNAMED_MS and 0 < len(register.done) < _KEEP_MAX_BYTES
