"""How many client requests a node works on at once, and whether it takes new ones.

Refusing early is kind: a request that is shed before work starts costs its client one round trip and nobody else
anything. A queue is not: once it is as long as the requests' time, a node that works through it in order answers each
one just too late, does all of the work and none of the good, and goes on like that long after the load has gone.

So the limit follows what the node can do. Every request says how long it lay between its arrival and its start, which
is how far the loop is behind, and how much time it has in all. If the first is on average more than DELAY_SHARE of the
second over a window, more was let in than can be carried in time, and the limit shrinks in proportion; otherwise it
grows back. Slow peers and slow disks do not shrink it: waiting for them holds up nobody else. (To judge a queue by the
time spent in it is CoDel's idea, RFC 8289; to scale a limit by target over measurement, that of Netflix's
concurrency-limits.)

Peers' and operators' requests are not counted here, so a flood of clients cannot silence them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from dynamo.errors import Draining, DynamoError, Overloaded
from dynamo.telemetry.stall import Stall

DELAY_SHARE = 0.05
"""Of a request's time, that it may lie before its start: an answer takes several more turns of the loop, here and on
other nodes, and each of them is as late as the first."""
TURNS = 4
"""Delays that a request will meet again before its answer is there."""
WINDOW_S = 0.1
LIMIT_MIN = 96
"""So many are always let in: fewer could not keep disk and peers busy, and one hiccup must not shut the door."""
_SHRINK_MIN = 0.5
_TIME_MIN_S = 0.001
_GROWTH = 1.15
RETRY_AFTER_S = (1, 2, 3)
"""Told to refused clients in turn, so that they do not come back together."""


class AdaptiveLimit:
    """The number of requests that may be under way: between LIMIT_MIN and `most`."""

    __slots__ = ("_count", "_most", "_peak", "_share_sum", "_wait_sum_s", "_window_ends", "delay_s", "value")

    def __init__(self, most: int) -> None:
        self._most = most
        self.value = most
        self.delay_s = 0.0
        """Mean delay in the last window; 0 while it is in order."""
        self._window_ends = 0.0
        self._wait_sum_s = 0.0
        self._share_sum = 0.0
        self._count = 0
        self._peak = 0

    def waited(self, wait_s: float, time_s: float, inflight: int, now: float) -> None:
        """A request is started at `now` that lay for `wait_s` of its `time_s`, with so many under way."""
        if now >= self._window_ends:
            self._judge()
            self._window_ends = now + WINDOW_S
        self._wait_sum_s += wait_s
        self._share_sum += wait_s / time_s
        self._count += 1
        if inflight > self._peak:  # noqa: PLR1730  # a call less for each request
            self._peak = inflight

    def _judge(self) -> None:
        share = self._share_sum / self._count if self._count else 0.0
        if share <= DELAY_SHARE:
            self.delay_s = 0.0
            self.value = min(self._most, int(self.value * _GROWTH) + 1)
        else:
            self.delay_s = self._wait_sum_s / self._count
            scale = max(_SHRINK_MIN, DELAY_SHARE / share)
            # From what was really there: a limit that nobody reached says nothing.
            self.value = min(self._most, max(LIMIT_MIN, int(min(self._peak, self.value) * scale)))
        self._wait_sum_s, self._share_sum, self._count, self._peak = 0.0, 0.0, 0, 0


class Admission:
    """Bounded count of client requests in flight."""

    __slots__ = (
        "_bytes_max",
        "_limit",
        "_on_idle",
        "_refused",
        "_stall",
        "arriving",
        "draining",
        "inflight",
        "inflight_bytes",
    )

    def __init__(self, limit: int, bytes_max: int = 2**63, stall: Stall | None = None) -> None:
        self._limit = AdaptiveLimit(limit)
        self._stall = stall or Stall(inf)
        self._bytes_max = bytes_max
        self.inflight = 0
        self.inflight_bytes = 0
        """Bodies of the requests in flight, as announced."""
        self.arriving = 0
        """Whole requests that came and were not started yet: counted before they enter."""
        self.draining = False
        self._refused = 0
        self._on_idle: Callable[[], None] = _nothing

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._limit.value

    @property
    def is_full(self) -> bool:
        """Whether a request that arrives now is refused for sure."""
        return self.inflight + self.arriving >= self._limit.value

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Let nobody in any more; `on_idle` is called once nobody is left."""
        self.draining = True
        self._on_idle = on_idle
        if self.inflight == 0:
            on_idle()

    def begin(self, started: float, deadline: float, now: float) -> Overloaded | None:
        """A request is begun that came at `started`; the error if its time is over, or as good as over.

        All in monotonic seconds. Nothing was done then.
        """
        time_s = deadline - started
        if time_s < _TIME_MIN_S:  # noqa: PLR1730  # a call less for each request
            time_s = _TIME_MIN_S
        self._limit.waited(now - started, time_s, self.inflight + self.arriving, now)
        if now + TURNS * self._limit.delay_s < deadline:
            return None
        text = "the request's time was over, or as good as over, before work began; nothing was done"
        return self._overloaded(text, reason="deadline")

    def enter(self, body_bytes: int = 0, arrived: float = -inf) -> DynamoError | None:
        """None: go on, and call `leave` once at the end. Otherwise the error to answer with, at once.

        `arrived` is when the request was read from its socket, in monotonic seconds, where that is known.
        """
        if self.draining:
            return Draining("this node is stopping and takes no new requests; use another node")
        if arrived > -inf and (stalled := self.stalled(arrived)):
            return stalled
        if self.inflight >= self._limit.value:
            return self.refusal()
        refused = self.reserve(body_bytes) if body_bytes else None
        if refused is None:
            self.inflight += 1
        return refused

    def stalled(self, arrived: float) -> Overloaded | None:
        """The error of a request whose last bytes were read then, if they may have waited for too long before."""
        if not self._stall.doubts(arrived):
            return None
        text = "this node did not run for a while and begins nothing that may have waited since; nothing was done"
        return self._overloaded(text, reason="stalled")

    def leave(self, body_bytes: int = 0) -> None:
        """A request that was let in, with so large a body, has its outcome."""
        assert self.inflight > 0, "every request leaves once"
        self.inflight -= 1
        if body_bytes:
            self.free(body_bytes)
        if self.inflight == 0:
            self._on_idle()

    def reserve(self, body_bytes: int) -> Overloaded | None:
        """Memory for a body: None: go on, and `free` it once. Otherwise the error to answer with."""
        if body_bytes and self.inflight_bytes + body_bytes > self._bytes_max:
            text = "the bodies of other requests take all the memory that there is for them; nothing was done"
            return self._overloaded(text, reason="memory", limit=self._bytes_max)
        self.inflight_bytes += body_bytes
        return None

    def free(self, body_bytes: int) -> None:
        """The body is not needed any more."""
        self.inflight_bytes -= body_bytes
        assert self.inflight_bytes >= 0, "what was reserved is freed once"

    def refusal(self) -> Overloaded:
        """The error of a request that finds the node full."""
        limit = self._limit.value
        return self._overloaded(
            f"this node works on {limit} requests already; nothing was done, try again or use another node",
            reason="overloaded",
            limit=limit,
        )

    def _overloaded(self, detail: str, **members: object) -> Overloaded:
        error = Overloaded(detail, **members)
        error.retry_after_s = RETRY_AFTER_S[self._refused % len(RETRY_AFTER_S)]
        self._refused += 1
        return error


def shed_reason(error: DynamoError) -> str:
    """The reason under which the metrics count a refusal."""
    return str(error.members.get("reason", error.code))


def _nothing() -> None:
    pass
