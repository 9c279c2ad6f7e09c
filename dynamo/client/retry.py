"""When to try again, where, and how long to wait before. Decides only; `caller.py` acts.

Three things keep retries from making a bad hour worse. A *deadline* ends every call. A *budget* is shared by all calls
of a client: each call earns a fraction of a retry, so under a general failure retries stay a fraction of the traffic.
*Full jitter* spreads what remains (delay uniform in [0, base * 2^round], capped), so that clients do not return
together.

Moving to another node because nothing was sent, or because the node said so and did nothing, costs no budget: the load
on the cluster has not grown. Writes may be repeated because every attempt of a call carries the same idempotency key,
and says how long ago the first one was sent if that may have been applied.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from dynamo.client.results import ConnectionLost, NodeUnreachable
from dynamo.errors import Applied, Draining, DynamoError, NotReady
from dynamo.protocol.http_fields import TIMEOUT_S_MAX

BACKOFF_BASE_S = 0.02
BACKOFF_MAX_S = 0.5
ATTEMPT_MIN_S = 0.25
"""An attempt gets half of the time that is left, but not less than this: the rest is for another node."""
LEFT_MIN_S = 0.001
BUDGET_MAX = 100.0
BUDGET_PER_CALL = 0.2
BUDGET_PER_S = 5.0


class Verdict(Enum):
    """What to do after an attempt that failed."""

    STOP = "stop"
    """Another attempt would meet the same."""
    ELSEWHERE = "elsewhere"
    """Nothing happened there; try a node that was not tried yet, at no cost."""
    AGAIN = "again"
    """Worth another attempt, on the next node, out of the budget."""


def judge(error: DynamoError) -> Verdict:
    """What an error means for the next attempt."""
    if isinstance(error, NodeUnreachable | Draining | NotReady):
        return Verdict.ELSEWHERE
    if isinstance(error, ConnectionLost) or error.retryable:
        return Verdict.AGAIN
    # A full store may be one node's trouble only: the others are worth a try each, but not a second one.
    return Verdict.ELSEWHERE if error.http_status == 503 else Verdict.STOP


def may_have_applied(error: DynamoError) -> bool:
    """Whether a write that met this error may be in the store. What the answer itself said goes first."""
    said = error.members.get("applied", error.applied.value)
    return said != Applied.NO.value


def attempt_s(left_s: float) -> float:
    """Seconds that one attempt may take when `left_s` are left for the call; never more than a node accepts.

    Above 0 also when the deadline has passed since somebody looked: to the HTTP library no time means no limit.
    """
    return min(max(left_s, LEFT_MIN_S), max(left_s / 2, ATTEMPT_MIN_S), TIMEOUT_S_MAX)


def backoff_s(round_number: int, random: Callable[[], float], retry_after_s: int | None = None) -> float:
    """Seconds to wait before a round of attempts (1: all nodes were asked once); what the server asked for is added."""
    ceiling: float = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** min(round_number, 16))
    return (retry_after_s or 0) + random() * ceiling


class Budget:
    """A bucket of retries, shared by all calls of a client. Starts full."""

    __slots__ = ("_last", "_tokens")

    def __init__(self) -> None:
        self._tokens = BUDGET_MAX
        self._last: float | None = None

    @property
    def tokens(self) -> float:
        """Retries that could be taken now."""
        return self._tokens

    def earn(self, now: float) -> None:
        """A call begins at `now` (monotonic seconds)."""
        idle_s = now - self._last if self._last is not None else 0.0
        self._last = now
        self._tokens = min(BUDGET_MAX, self._tokens + BUDGET_PER_CALL + BUDGET_PER_S * idle_s)

    def take(self) -> bool:
        """Whether a retry may be made; if so it is paid for."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
