"""The writes that this node coordinated lately, and when it acknowledged them: asked for by those who judge reads.

A write is noted when its dot is minted, and its acknowledgement when its quorum is there, so a write that is found here
without one was not acknowledged: it is under way, or it failed. Each entry knows the actor's dot before it on the same
key. So the writes of one key can be followed from the newest backwards, though counters grow over the whole node, and
where an entry is missing it is known that something is unknown, instead of taking it for nothing.

Bounded in number and in age: the oldest are forgotten, in the order in which they were begun, and all of them at a
restart. What is forgotten is answered as unknown, never as not acknowledged.

A version of a linearizable key is noted once it was chosen and acknowledged. The version before it is always one less.

The writes are rows of numbers in one block of memory. As objects, which stay for a minute and then go one by one, they
would leave holes all over the heap, and all that is made later would lie scattered in them (decision 0024).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf
from struct import Struct

from xxhash import xxh3_64_intdigest

from dynamo.consensus.record import CHOSEN
from dynamo.ports import Clock, Respond
from dynamo.protocol.messages import Acknowledged, AskAcknowledged, SpanAcks
from dynamo.versioning.clock import Dot

WRITES_TOLD_MAX = 128
"""Of one span; older ones are unknown."""

_ROW = Struct("=QQQQddB")
"""Whose write it is, and which: hash and counter of the actor, or of a linearizable key, whose numbers are its own. The
hash of bucket and key; the counter of the actor's write of this key before, 0 if there is none; when it was begun, and
acknowledged (infinite: it was not); and how many replicas had it on disk then.
"""
_NAME = Struct("=QQ")
_ACK = Struct("=dB")
_ACK_AT = _ROW.size - _ACK.size
"""Where the last two begin."""
_BEGUN = Struct("=d")
_BEGUN_AT = _ACK_AT - _BEGUN.size


class RecentAcks:
    """One per node."""

    def __init__(self, clock: Clock, entries_max: int, age_max_s: float) -> None:
        self._clock = clock
        self._entries_max = entries_max
        self._age_max_s = age_max_s
        self._places: dict[int, int] = {}
        """Where the row of a write begins, by its name."""
        self._rows = bytearray()
        """A ring of them, as long as there ever were at a time."""
        self._oldest = 0
        """Where the oldest begins."""

    def __len__(self) -> int:
        return len(self._places)

    def handlers(self) -> dict[type, Callable[..., None]]:
        """Who handles which message."""
        return {AskAcknowledged: self.tell}

    def begun(self, bucket: str, key: bytes, dot: Dot, previous: int) -> None:
        """A write got its dot; the actor's dot before it on this key had the counter `previous`."""
        self._note(_hash_of_actor(dot[0]), dot[1], _hash_of(bucket, key), previous, self._clock.monotonic(), inf)

    def acknowledged(self, dot: Dot, copies: int) -> None:
        """A write reached its quorum. The first time counts: a repeat of the request is the same write."""
        place = self._places.get(_name(_hash_of_actor(dot[0]), dot[1]))
        if place is not None and _ACK.unpack_from(self._rows, place + _ACK_AT)[0] == inf:
            _ACK.pack_into(self._rows, place + _ACK_AT, self._clock.monotonic(), copies)

    def chosen(self, bucket: str, key: bytes, version: int) -> None:
        """A change of a linearizable key is acknowledged. Its record, for weaker reads, is written afterwards."""
        now = self._clock.monotonic()
        of_key = _hash_of(bucket, key)
        self._note(of_key, version, of_key, version - 1, now, now)

    def clear(self) -> None:
        """Forget all of it: what was not noted while this was switched off must not look as if it had not been."""
        self._places.clear()
        self._rows.clear()
        self._oldest = 0

    def tell(self, message: AskAcknowledged, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Acknowledged."""
        now, of_key = self._clock.monotonic(), _hash_of(message.bucket, message.key)
        spans = [self._told(of_key, actor, after, upto, now) for actor, after, upto in message.spans]
        respond(Acknowledged(now, spans))

    def _told(self, of_key: int, actor: str, after: int, upto: int, now: float) -> SpanAcks:
        """Follow the actor's writes of the key back from the newest."""
        found = SpanAcks([])
        whose = of_key if actor == CHOSEN else _hash_of_actor(actor)
        while upto > after:
            place = self._places.get(_name(whose, upto))
            row = None if place is None else _ROW.unpack_from(self._rows, place)
            if row is None or row[2] != of_key or len(found.writes) == WRITES_TOLD_MAX:
                found.unknown_upto = upto
                break
            _, _, _, previous, _, acknowledged_at, copies = row
            age_s = -1.0 if acknowledged_at == inf else now - acknowledged_at
            found.writes.append((upto, age_s, copies))
            upto = previous
        return found

    def _note(
        self,
        whose: int,
        number: int,
        of_key: int,
        previous: int,
        begun_at: float,
        acknowledged_at: float,
    ) -> None:
        name = _name(whose, number)
        if name in self._places or not self._entries_max:
            return
        while self._places and self._is_over(begun_at - self._age_max_s):
            del self._places[_name(*_NAME.unpack_from(self._rows, self._oldest))]
            self._oldest = self._behind(self._oldest, 1)
        place = self._behind(self._oldest, len(self._places))
        if place == len(self._rows):
            self._rows += bytes(_ROW.size)
        _ROW.pack_into(self._rows, place, whose, number, of_key, previous, begun_at, acknowledged_at, 0)
        self._places[name] = place

    def _is_over(self, oldest_at: float) -> bool:
        """Whether the oldest entry has to go."""
        if len(self._places) == self._entries_max:
            return True
        return bool(_BEGUN.unpack_from(self._rows, self._oldest + _BEGUN_AT)[0] < oldest_at)

    def _behind(self, place: int, count: int) -> int:
        """Where the row begins that comes so many rows later."""
        return (place + count * _ROW.size) % (self._entries_max * _ROW.size)


def _name(whose: int, number: int) -> int:
    return whose << 64 | number


@lru_cache
def _hash_of_actor(actor: str) -> int:
    return xxh3_64_intdigest(actor.encode())


def _hash_of(bucket: str, key: bytes) -> int:
    return xxh3_64_intdigest(bucket.encode() + b"\0" + key)
