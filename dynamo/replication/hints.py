"""Hints: what a node keeps for a replica that could not take a write, and how each of them ends.

A hint is a share of a write, not a copy of a queue: a second one for the same key and target is merged into it, as the
target itself would merge, so what waits is bounded by the keys that changed, not by their changes. It ends when a
replica has acknowledged exactly the bytes that are kept: the target, or, where the target stays away too long or is no
replica any more, the key's other replicas. It is never dropped unread, save by an operator's word or with its bucket.

Paper: DeCandia et al. 2007, section 4.6.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from dynamo.layout.hint import Hint
from dynamo.replication.read_repair import Resolve
from dynamo.versioning.record import Record, decode, encode


class HintTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All hints for one target. Kept beside them, in the batch that changes them."""

    count: int = 0
    size_bytes: int = 0
    """Of keys and stored forms."""
    oldest_ms: int = 0
    """Wall-clock milliseconds: no hint is older. Exact again after each round of delivery; 0 without hints."""

    def changed(self, stored_key: bytes, old: bytes | None, new: bytes | None, first_failed_ms: int = 0) -> HintTotals:
        """After the hint under `stored_key` went from `old` to `new` (None: there is none)."""
        count = self.count + (new is not None) - (old is not None)
        # A damaged hint may have another size than it was counted with.
        size = max(0, self.size_bytes + _size(stored_key, new) - _size(stored_key, old))
        assert count >= 0, "totals count what is there"
        if count == 0:
            return HintTotals()
        if new is None:
            return HintTotals(count, size, self.oldest_ms)
        return HintTotals(count, size, min(self.oldest_ms, first_failed_ms) if self.count else first_failed_ms)


def _size(stored_key: bytes, data: bytes | None) -> int:
    return 0 if data is None else len(stored_key) + len(data)


def kept(held: Hint | None, data: bytes, incoming: Record, resolve: Resolve, *, now_ms: int, age_max_ms: int) -> Hint:
    """The hint to keep once the record `incoming`, whose byte form is `data`, was added. Raises CorruptValue.

    Age counts from the oldest write in it: a key that is written again and again does not stay here for ever.
    """
    if held is None:
        return Hint(data, now_ms, now_ms + age_max_ms)
    first_failed_ms, expires_ms = min(held.first_failed_ms, now_ms), min(held.expires_ms, now_ms + age_max_ms)
    if held.record == data:
        return Hint(data, first_failed_ms, expires_ms)
    ours = decode(held.record)
    both = resolve(ours, incoming)
    if both is not incoming:
        data = held.record if both is ours else encode(both)
    return Hint(data, first_failed_ms, expires_ms)


def _enough(replicas: int) -> int:
    """How many of a key's replicas must take over an old hint: a majority, since it may be one of a quorum's copies; of
    two replicas the other one.
    """
    return max(1, min(replicas // 2 + 1, replicas - 1))


class Fate(Enum):
    """What to do with a hint now."""

    DELIVER = "deliver"
    """Send it to its target."""
    HAND_OVER = "hand over"
    """Send it to those of the key's other replicas that are alive, a majority of all; then it may go."""
    SPREAD = "spread"
    """Its target is no replica any more: send it to all that are; then it may go."""
    DROP = "drop"
    """Its bucket was dropped."""
    WAIT = "wait"


def fate(
    hint: Hint, target: str, primaries: tuple[str, ...], is_alive: Callable[[str], bool], *, dropped: bool, now_ms: int
) -> Fate:
    """What becomes of a hint, by who replicates its key now and who is alive."""
    if dropped:
        return Fate.DROP
    alive = [node for node in primaries if is_alive(node)]
    if target in alive:
        return Fate.DELIVER
    if now_ms >= hint.expires_ms and len(alive) >= _enough(len(primaries)):
        return Fate.HAND_OVER
    if target not in primaries and len(alive) == len(primaries):
        return Fate.SPREAD
    return Fate.WAIT
