"""When a deleted or expired key may be forgotten, and why nothing comes back afterwards.

A dead record (every sibling a tombstone or expired) is all that holds older copies down: its clock covers them, so a
merge drops them. Once it is gone from one replica, an older copy that turns up there would be taken for something new.
So it may go only when there is no older copy left that could turn up, anywhere. Time alone never shows that: a node can
be away for longer than any period. These are the places where an older copy can be:

    on a replica                     all N primaries must hold exactly this version, on disk, nothing newer waiting
    as a hint, for whomever          no node of the cluster may keep a hint for the key; a node that is away may, so
                                     every node must answer
    in a message on its way          it is there for seconds only: a connection that brings no answer is given up
    in a request under way           its machine holds what it has read or is writing, and may still send that; it
                                     ends at its deadline, and a write goes on after that only to hand out hints
    in a process that is stopped     (SIGSTOP, a frozen machine) it goes on where it was, with old requests and full
                                     sockets, hours later
    in a copy of a disk              `membership/store_ages.py`: each node's consent is numbered before anything is
                                     removed, and a store that shows a lower number is refused

Hence two looks, `settle_s` apart, at which every node of the cluster agrees. What is in messages and requests at the
first look comes from replicas and hints of before it. A request that starts later can only read and pass on this very
version, or write something newer over it: at the first look there is nothing older to start from. So whatever older
copy is under way at the first look was under way before it, and `settle_min_s` later it has either ended or arrived;
and if it arrived, the second look finds it, as another version or as a hint. A node that did not run without a pause
between the looks says no, since its requests did not end in time. After the second look no older copy exists, and none
can come into being: removal is then safe at any later time, in any order, on any part of the replicas, by a message
that comes late or twice. It only must hit exactly this version, so that nothing newer is lost.

Not unanimous is no: a no, an error or silence of a single node, replica or not. Wall clocks decide when a key is old
enough to be asked about, and whether a value has expired; each replica goes by its own, so one clock that is right
protects a value from all that are ahead. Nothing else above rests on wall clocks.

What may come back is the dead record itself, where one replica removed it and another did not (it missed the message,
or had something newer by then): that brings nothing to life, and is reaped again.

Other stores go by time (Cassandra's gc_grace, Riak's delete_mode); why not here: docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dynamo.protocol.messages import DeadKey
from dynamo.versioning import hybrid_time
from dynamo.versioning.record import Record

IN_TRANSPORT_S = 5.0
"""Longest time for which a message is on its way between two running processes: a connection is given up after 3 s
without an answer (`transport/connection.py`), and both ends look a few times a second.
"""


def dead_for_ms(record: Record, now_ms: int) -> int:
    """For how long nothing of the record is alive, by this clock; negative if something is, or if it died in future.

    A tombstone counts from its stamp, an expired value from its expiry. A clock that was ahead when it stamped makes a
    record look younger than it is, which only delays.
    """
    if not record.siblings:
        return -1
    since_ms = 0
    for sibling in record.siblings:
        if sibling.is_live(now_ms):
            return -1
        born_ms = hybrid_time.wall_ms(sibling.hybrid)
        since_ms = max(since_ms, born_ms if sibling.value is None else max(born_ms, sibling.expires_ms))
    return now_ms - since_ms


def settle_min_s(timeout_max_s: float, hints_after_s: float, hint_timeout_s: float, nodes: int) -> float:
    """How far apart the looks must be at least: a request, then a hint offered to one node after the other, then the
    last of these messages on its way. What daemons ask (repairs, deliveries) has seconds, less than all that.
    """
    return timeout_max_s + hints_after_s + hint_timeout_s * nodes + IN_TRANSPORT_S


def unanimous(votes: Mapping[str, list[bool] | None], asked: Iterable[str], count: int) -> list[bool]:
    """For each of `count` keys whether every node of `asked` said yes. None stands for no usable answer."""
    agreed = [True] * count
    for node in asked:
        said = votes.get(node)
        if said is None or len(said) != count:
            return [False] * count
        agreed = [so_far and vote for so_far, vote in zip(agreed, said, strict=True)]
    return agreed


class Looks:
    """Keys that everybody agreed on once, until it is time to ask again. Bounded by whoever asks for `room`."""

    def __init__(self, settle_s: float, held_max: int) -> None:
        self.settle_s = settle_s
        self._held_max = held_max
        self._waiting: dict[tuple[str, bytes], tuple[float, DeadKey]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more keys may wait."""
        return self._held_max - len(self._waiting)

    def knows(self, bucket: str, key: bytes) -> bool:
        """Whether the key waits for its second look."""
        return (bucket, key) in self._waiting

    def agreed(self, keys: Iterable[DeadKey], now: float) -> None:
        """Everybody has said yes to these, the last one by `now` (seconds, monotonic)."""
        for key in keys:
            self._waiting[key.bucket, key.key] = (now + self.settle_s, key)

    def take_due(self, now: float, limit: int) -> list[DeadKey]:
        """Keys whose second look may begin now, oldest first; they wait here no longer, whatever comes of it."""
        due: list[DeadKey] = []
        for when, key in self._waiting.values():
            if when > now or len(due) == limit:
                break
            due.append(key)
        for key in due:
            del self._waiting[key.bucket, key.key]
        return due
