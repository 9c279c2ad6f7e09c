"""What every request about keys meets first: its bucket's properties, the time it has, the value that it brings."""

from __future__ import annotations

import time

from dynamo.api import wire
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.errors import InvalidParameter
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.http_fields import COORDINATOR, EPOCH, REQUEST_ID

CLOCKS_APART_S = 10
"""By so much the clocks of nodes may differ for a repeat through another node to be told from one that comes too late.
"""


class Desk:
    """The front of a node's keys."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._admission = node.admission
        self._limits = node.config.limits
        self._requests = node.config.requests
        self.defaults = BucketProperties(name="", mode=Mode(node.config.buckets.mode), n=node.config.default_n)
        """What a new bucket gets."""

    def bucket(self, name: str) -> BucketProperties:
        """What a request to that bucket is checked against: its properties; the defaults where there is none yet."""
        return self._node.buckets.known(name) or self.defaults

    def timeout_s(self, asked: float | None) -> float:
        """How long the store may work on the request, from when it was complete. Raises InvalidParameter."""
        if asked is None:
            return self._requests.timeout_s
        if not 0 < asked <= self._requests.timeout_max_s:
            raise InvalidParameter(
                f"timeout must be above 0 and at most {self._requests.timeout_max_s:g}s", parameter="timeout"
            )
        return asked

    def deadline(self, call: Call, timeout_s: float) -> float:
        """When the store has to be done with a request, in monotonic seconds. Raises Overloaded if it cannot be."""
        deadline = call.started + timeout_s
        if call.waits_known:
            refused = self._admission.begin(call.started, deadline, time.monotonic())
            if refused is not None:
                self._node.metrics.shed_requests["deadline"].value += 1
                raise refused
        return deadline

    def base_fields(self, call: Call) -> dict[str, str]:
        """Header fields of every answer about a key."""
        return {
            REQUEST_ID: call.trace,
            COORDINATOR: self._node.id,
            EPOCH: str(self._node.ring.epoch),
            "Cache-Control": "no-cache",
        }

    def born(self, call: Call) -> int:
        """The moment before which no attempt was made, if the client says that this is not the first; else 0.

        To be asked before the body is waited for. Raises InvalidParameter.
        """
        age_ms = wire.retry_age_ms(call.request)
        if age_ms is None:
            return 0
        on_its_way_s = max(self._limits.header_timeout_s, self._requests.timeout_s)
        return max(1, now_ms() - age_ms - int(1000 * (CLOCKS_APART_S + on_its_way_s)))

    async def body(self, call: Call, limit: int) -> bytes:
        """The request's body, from which on its time counts. Raises as `wire.body_of`, and Overloaded."""
        body = await wire.body_of(call.request, limit, self._limits.body_timeout_s)
        if not call.waits_known:
            call.started = time.monotonic()
            if refused := self._admission.stalled(call.started):  # it was let in before its body was there
                self._node.metrics.shed_requests["stalled"].value += 1
                raise refused
        return body

    def value_limit(self, properties: BucketProperties) -> int:
        """Largest value of a bucket, in bytes."""
        return wire.value_limit(properties, self._limits.value_bytes_max)


def now_ms() -> int:
    """Wall-clock milliseconds since 1970: what decides whether a value has expired."""
    return time.time_ns() // 1_000_000
