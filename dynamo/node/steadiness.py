"""For how long this process has run without a pause, and its wall clock without a jump.

Other parts rest on requests ending by their deadlines. A process that was stopped for a while (SIGSTOP, a frozen
virtual machine) carries requests out later than anybody reckons with. It notices by a timer that came much too late, or
by asking before that timer had its turn.
"""

from __future__ import annotations

from dynamo.ports import Clock
from dynamo.telemetry.logs import Log

log = Log("node")

PERIOD_S = 0.5
PAUSE_S = 2.0
"""A timer that is later than this means a pause."""


class Steadiness:
    """One per node."""

    def __init__(self, clock: Clock, jump_max_ms: int) -> None:
        self._clock = clock
        self._jump_max_ms = jump_max_ms
        self._looked_at = clock.monotonic()
        self._ahead_ms = self._offset_ms()
        self._since: float | None = None

    def watch(self) -> None:
        """Look again and again, from now on."""
        self._looked_at = self._clock.monotonic()
        self._ahead_ms = self._offset_ms()
        self._clock.call_at(self._looked_at + PERIOD_S, self._tick)

    def lasts(self, seconds: float) -> bool:
        """Whether neither a pause nor a jump was noticed for so long; a start is none, it has no old requests."""
        self._look()
        return self._since is None or self._clock.monotonic() - self._since >= seconds

    def _tick(self) -> None:
        self._look()
        self._clock.call_at(self._looked_at + PERIOD_S, self._tick)

    def _look(self) -> None:
        now, ahead_ms = self._clock.monotonic(), self._offset_ms()
        paused_s, jumped_ms = now - self._looked_at, ahead_ms - self._ahead_ms
        self._looked_at, self._ahead_ms = now, ahead_ms
        if paused_s > PERIOD_S + PAUSE_S or abs(jumped_ms) > self._jump_max_ms:
            self._since = now
            log.warning("this process was paused, or its clock has jumped", paused_s=paused_s, jumped_ms=jumped_ms)

    def _offset_ms(self) -> int:
        return self._clock.wall_ms() - int(self._clock.monotonic() * 1000)
