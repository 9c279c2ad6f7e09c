"""How fast keys may be repaired: a bounded rate that falls when clients keep the node busy."""

from __future__ import annotations

from dynamo.daemons.daemon import pause
from dynamo.node.node import Node

BUSY_INFLIGHT = 16
"""So many client requests in flight halve the rate."""
LATE_S = 0.02
"""A wake-up that comes so late says that the loop is busy: half the rate."""


class Pace:
    """One for all the work that shares the rate of `repair.keys_per_s_max`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._free_at = 0.0
        self._wakes_late = False

    async def wait(self, keys: int, haste: float = 1.0) -> None:
        """Return when that many keys may be repaired; `haste` multiplies the rate."""
        clock = self._node.clock
        now = clock.monotonic()
        begin = max(now, self._free_at)
        self._free_at = begin + keys / self.rate(haste)
        if begin > now:
            await pause(clock, begin - now)
            self._wakes_late = clock.monotonic() > begin + LATE_S

    def rate(self, haste: float = 1.0) -> float:
        """Keys a second, now."""
        rate = self._node.config.repair.keys_per_s_max * haste / (1 + self._node.admission.inflight / BUSY_INFLIGHT)
        return max(1.0, rate / 2 if self._wakes_late else rate)
