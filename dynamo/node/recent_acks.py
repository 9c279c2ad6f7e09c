"""The writes that this node coordinated lately, and when it acknowledged them: asked for by those who judge reads.

A write is noted when its dot is minted, and its acknowledgement when its quorum is there, so a write that is found here
without one was not acknowledged: it is under way, or it failed. Each entry knows the actor's dot before it on the same
key. So the writes of one key can be followed from the newest backwards, though counters grow over the whole node, and
where an entry is missing it is known that something is unknown, instead of taking it for nothing.

Bounded in number and in age: the oldest are forgotten, in the order in which they were begun, and all of them at a
restart. What is forgotten is answered as unknown, never as not acknowledged.

A version of a linearizable key is noted once it was chosen and acknowledged. The version before it is always one less.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.consensus.record import CHOSEN
from dynamo.ports import Clock, Respond
from dynamo.protocol.messages import Acknowledged, AskAcknowledged, SpanAcks
from dynamo.versioning.clock import Dot

WRITES_TOLD_MAX = 128
"""Of one span; older ones are unknown."""


_Name = Dot | tuple[int, int]
"""A dot; of a version of a linearizable key, whose numbers are the key's own, its place instead of an actor."""


class Entry(msgspec.Struct, gc=False):
    """One write. Not tracked by the garbage collector: tens of thousands of them stay for a minute."""

    place: int
    """Hash of bucket and key."""
    previous: int
    """Counter of the actor's write of this key before; 0 if there is none."""
    begun_at: float
    acknowledged_at: float = inf
    copies: int = 0
    """Replicas that had it on disk then."""


class RecentAcks:
    """One per node."""

    def __init__(self, clock: Clock, entries_max: int, age_max_s: float) -> None:
        self._clock = clock
        self._entries_max = entries_max
        self._age_max_s = age_max_s
        self._entries: dict[_Name, Entry] = {}
        self._order: deque[_Name] = deque()
        """Their dots, oldest first. (A dict's first key is slow to find once many before it were removed.)"""

    def __len__(self) -> int:
        return len(self._entries)

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {AskAcknowledged: self.tell}

    def begun(self, bucket: str, key: bytes, dot: Dot, previous: int) -> None:
        """A write got its dot; the actor's dot before it on this key had the counter `previous`."""
        now = self._clock.monotonic()
        self._note(dot, Entry(_place(bucket, key), previous, now))

    def acknowledged(self, dot: Dot, copies: int) -> None:
        """A write reached its quorum. The first time counts: a repeat of the request is the same write."""
        entry = self._entries.get(dot)
        if entry is not None and entry.acknowledged_at == inf:
            entry.acknowledged_at = self._clock.monotonic()
            entry.copies = copies

    def chosen(self, bucket: str, key: bytes, version: int) -> None:
        """A change of a linearizable key is acknowledged. Its record, for weaker reads, is written afterwards."""
        now = self._clock.monotonic()
        place = _place(bucket, key)
        self._note((place, version), Entry(place, version - 1, now, now))

    def clear(self) -> None:
        """Forget all of it: what was not noted while this was switched off must not look as if it had not been."""
        self._entries.clear()
        self._order.clear()

    def tell(self, message: AskAcknowledged, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Acknowledged."""
        now, place = self._clock.monotonic(), _place(message.bucket, message.key)
        spans = [self._told(place, actor, after, upto, now) for actor, after, upto in message.spans]
        respond(Acknowledged(now, spans))

    def _told(self, place: int, actor: str, after: int, upto: int, now: float) -> SpanAcks:
        """Follow the actor's writes of the key back from the newest."""
        found = SpanAcks([])
        while upto > after:
            entry = self._entries.get((place, upto) if actor == CHOSEN else (actor, upto))
            if entry is None or entry.place != place or len(found.writes) == WRITES_TOLD_MAX:
                found.unknown_upto = upto
                break
            age_s = -1.0 if entry.acknowledged_at == inf else now - entry.acknowledged_at
            found.writes.append((upto, age_s, entry.copies))
            upto = entry.previous
        return found

    def _note(self, dot: _Name, entry: Entry) -> None:
        if self._entries.setdefault(dot, entry) is not entry:
            return
        self._order.append(dot)
        oldest_at = entry.begun_at - self._age_max_s
        while self._order and self._is_over(oldest_at):
            del self._entries[self._order.popleft()]

    def _is_over(self, oldest_at: float) -> bool:
        """Whether the oldest entry has to go."""
        return len(self._order) > self._entries_max or self._entries[self._order[0]].begun_at < oldest_at


def _place(bucket: str, key: bytes) -> int:
    return xxh3_64_intdigest(bucket.encode() + b"\0" + key)
