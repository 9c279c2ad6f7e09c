"""How long rounds take at present: what a proposer that was overtaken measures its waiting by.

Only rounds that nobody interfered with are counted. The others contain the very waits that are derived from here, and
would make them longer and longer.

Source: research note, section 1.7.
"""

from __future__ import annotations

from collections import deque

FIRST_P50_S = 0.005
FIRST_P95_S = 0.02
"""Until rounds were measured."""
SAMPLES_MIN = 8
_SAMPLES = 128
_REFRESH = 16


class RoundPace:
    """One per node (`consensus.proposer.Pace`)."""

    __slots__ = ("_samples", "_since", "p50_s", "p95_s")

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._since = 0
        self.p50_s = FIRST_P50_S
        self.p95_s = FIRST_P95_S

    def took(self, seconds: float) -> None:
        """A round that nobody interfered with has ended."""
        self._samples.append(seconds)
        self._since += 1
        if len(self._samples) >= SAMPLES_MIN and (self._since >= _REFRESH or len(self._samples) == SAMPLES_MIN):
            self._since = 0
            ordered = sorted(self._samples)
            self.p50_s = ordered[len(ordered) // 2]
            self.p95_s = ordered[len(ordered) * 95 // 100]
