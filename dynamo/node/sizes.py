"""How large a key may become: the limits of siblings and of a record's bytes, and who hears of them.

A client's write over a limit is refused: the way out is to read the key, merge its values and write the result with the
context of the read, which leaves one. A merge with what another replica holds is never refused, or replicas would not
converge, so a record may be over a limit by what came from elsewhere; that is counted. Above the lower marks writes go
through and the log says so, now and then: keys and values it does not name.
"""

from __future__ import annotations

from dynamo.config import LimitsSection
from dynamo.errors import DynamoError, TooManySiblings, ValueTooLarge
from dynamo.ports import Clock
from dynamo.telemetry.logs import QUIET_S, Log
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record

log = Log("node")


class Sizes:
    """One per node."""

    def __init__(self, limits: LimitsSection, clock: Clock, metrics: Metrics) -> None:
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._quiet_until = 0.0

    def written(self, bucket: str, record: Record, data: bytes) -> None:
        """Judge what a client's write would leave. Raises TooManySiblings, ValueTooLarge."""
        count, limits = len(record.siblings), self._limits
        if count > limits.siblings_max:
            raise self._refused("siblings", _too_many(count, limits.siblings_max))
        if len(data) > limits.object_bytes_max:
            raise self._refused("object_bytes", _too_large(len(data), limits.object_bytes_max))
        self._metrics.write_siblings.observe(count)
        if count > limits.siblings_warn:
            self._warn("siblings", bucket, count, limits.siblings_warn)
        if len(data) > limits.object_bytes_warn:
            self._warn("object_bytes", bucket, len(data), limits.object_bytes_warn)

    def merged(self, record: Record, data: bytes) -> None:
        """Count what a merge with another replica leaves, if that is over a limit."""
        if len(record.siblings) > self._limits.siblings_max:
            self._metrics.limit_overruns["siblings"].value += 1
        if len(data) > self._limits.object_bytes_max:
            self._metrics.limit_overruns["object_bytes"].value += 1

    def _refused(self, limit: str, error: DynamoError) -> DynamoError:
        self._metrics.limit_refusals[limit].value += 1
        return error

    def _warn(self, limit: str, bucket: str, found: int, mark: int) -> None:
        self._metrics.limit_warnings[limit].value += 1
        if self._clock.monotonic() >= self._quiet_until:
            self._quiet_until = self._clock.monotonic() + QUIET_S
            log.warning(
                "a key grows",
                bucket=bucket,
                limit=limit,
                found=found,
                warns_above=mark,
                advice="read it, merge its values, and write the result with the Dynamo-Context of the read",
            )


def _too_many(count: int, limit: int) -> TooManySiblings:
    return TooManySiblings(
        f"the key has {count - 1} concurrent values, {limit} are allowed; read it, merge them, and write the result "
        "with the Dynamo-Context of the read",
        limit=limit,
    )


def _too_large(size_bytes: int, limit: int) -> ValueTooLarge:
    return ValueTooLarge(
        f"the key with all its concurrent values would take {size_bytes} bytes, {limit} are allowed; merge them first",
        limit=limit,
    )
