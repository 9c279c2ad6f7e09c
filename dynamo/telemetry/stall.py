"""Whether this process did not run for a while, so that what waits in its sockets may be older than anybody waits for.

A process that was stopped (SIGSTOP, a frozen virtual machine) finds requests in its sockets when it goes on, and cannot
see how long they have been there. Their senders have given up, asked another node, and perhaps written something newer
since: carried out now, such a write would bring back what was replaced. Refused, nothing is lost.

It is noticed by a beat of the event loop that comes much too late, or by asking before the beat had its turn.
"""

from __future__ import annotations

from math import inf

BACKLOG_S = 0.5
"""After a stall: how long it takes at most to read what had gathered."""


class Stall:
    """One per node. `longest_s` is how long a request may have waited without being in doubt. Times are monotonic."""

    __slots__ = ("_beat_at", "_doubtful_until", "_longest_s")

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._beat_at = inf
        self._doubtful_until = -inf

    def beat(self, now: float) -> None:
        """The loop runs: to be called several times a second."""
        if now - self._beat_at > self._longest_s:
            self._doubtful_until = now + BACKLOG_S
        self._beat_at = now

    def doubts(self, now: float) -> bool:
        """Whether what is read from a socket now may have waited there for longer than `longest_s`."""
        return now < self._doubtful_until or now - self._beat_at > self._longest_s
