"""What a write makes of a key: its new sibling, with stamp and time to live, over what the writer has seen.

Whoever mints, this node as a replica or as one that stands in for replicas, composes the record here. Stamps come from
the one hybrid clock of the node.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.config import Config
from dynamo.node.sizes import Sizes
from dynamo.ports import Clock
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import WriteCommand
from dynamo.versioning import siblings
from dynamo.versioning.clock import Clock as VersionClock
from dynamo.versioning.clock import Dot, merge
from dynamo.versioning.hybrid_time import HybridClock
from dynamo.versioning.record import Record, Sibling, encode

_EXPIRES_MS_MAX = 2**63 - 1


class Author:
    """One per node."""

    def __init__(self, config: Config, clock: Clock, sizes: Sizes) -> None:
        self._sizes = sizes
        self._clock = clock
        self._hybrid = HybridClock(config.requests.clock_drift_max_ms)

    def observe(self, hybrid: int) -> None:
        """Take in a stamp of another node. Raises ClockDrift."""
        self._hybrid.observe(hybrid, self._now_ms())

    def _now_ms(self) -> int:
        """The wall clock, after it was compared with the one that only grows."""
        now_ms = self._clock.wall_ms()
        self._hybrid.look(now_ms, int(self._clock.monotonic() * 1000))
        return now_ms

    def compose(
        self, base: Record, command: WriteCommand, bucket: BucketProperties, mint: Callable[[VersionClock], Dot]
    ) -> tuple[Record, bytes]:
        """The record after the command, and its byte form; `mint` gives the dot of a write over a clock.

        Raises TooManySiblings, ValueTooLarge, ClockDrift, and what `mint` raises.
        """
        now_ms = self._now_ms()
        stamp = self._stamp(base, command, bucket, now_ms)
        actor, counter = mint(base.clock)
        ttl_ms = bucket.ttl_s * 1000 if command.ttl_ms is None else command.ttl_ms
        new = Sibling(
            actor=actor,
            counter=counter,
            hybrid=stamp,
            value=command.value,
            content_type=command.content_type,
            meta=command.meta,
            expires_ms=min(now_ms + ttl_ms, _EXPIRES_MS_MAX) if ttl_ms and command.value is not None else 0,
            request=command.request,
        )
        record = siblings.written(siblings.living(base, now_ms), _seen(base, command, bucket), new)
        data = encode(record)
        self._sizes.written(bucket.name, record, data)
        return record, data

    def _stamp(self, base: Record, command: WriteCommand, bucket: BucketProperties, now_ms: int) -> int:
        """Greater than all that the write has seen.

        A stamp here that lies too far ahead must not carry away this node's clock, and every other key with it. In a
        siblings bucket, where stamps decide nothing, it is passed over. In an lww bucket it is exceeded for this key
        alone: the others take that if it is this node's clock that is behind, and refuse it if theirs agree with it.
        """
        above = max(base.hybrid_max(), command.context_hybrid)
        if bucket.mode is Mode.LWW:
            self._hybrid.observe(command.context_hybrid, now_ms)
            if self._hybrid.is_too_far_ahead(above, now_ms):
                return above + 1
        elif self._hybrid.is_too_far_ahead(above, now_ms):
            above = 0
        return self._hybrid.tick(now_ms, above)


def _seen(base: Record, command: WriteCommand, bucket: BucketProperties) -> VersionClock:
    """What the write supersedes: all that the client has seen; for last-write-wins, and for a delete that names no
    context, all that is known here as well.
    """
    seen = command.context or {}
    if bucket.mode is Mode.LWW or (command.value is None and command.context is None):
        return merge(base.clock, seen)
    return seen
