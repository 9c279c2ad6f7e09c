"""One probe: ask a node directly, after a time-out through others, and give up at the end of the round (SWIM, 3.1).

The direct question stays open until the end: an answer that is only slow counts as well as one that came through a
helper. A helper that could not reach the target either says so (Refused, `read-timeout`): it is a witness against the
target, and a sign that this node's own connections work, as Lifeguard's nack is.

A wake-up or failure that comes much later than its time means that this process did not run: answers may be waiting
unread, so the round ends without a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from dynamo.errors import DynamoError, ReadTimeout
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import MemberState, Message, Probe, ProbeAck, ProbeFor

Tell = Callable[[str], list[MemberState]]
"""News for a node, counted as told when it is called."""


class Result(StrEnum):
    """How a probe ended."""

    DIRECT = "direct"
    """The target answered."""
    INDIRECT = "indirect"
    """It answered another node."""
    FAILED = "failed"
    """It answered nobody."""
    LATE = "late"
    """Nothing is known: this process did not run for a while."""


class Probed(msgspec.Struct):
    """The outcome."""

    result: Result
    news: list[MemberState]
    """What the answer said."""
    witnesses: list[str]
    """Helpers that could not reach the target either."""
    was_heard: bool
    """Whether anybody answered, be it with a refusal."""


class ProbeRound:
    """Machine. Times are monotonic seconds; `late_s` is how late a timer may be before this process is to blame."""

    __slots__ = (
        "_ask_at",
        "_asked",
        "_end",
        "_helpers",
        "_late_s",
        "_pending",
        "_refusals",
        "_target",
        "_tell",
        "_witnesses",
        "outcome",
    )

    def __init__(
        self, target: str, helpers: list[str], tell: Tell, *, ask_at: float, end: float, late_s: float
    ) -> None:
        assert ask_at < end, "helpers need time"
        self._target = target
        self._helpers = helpers
        self._tell = tell
        self._ask_at = ask_at
        self._end = end
        self._late_s = late_s
        self._asked = False
        self._pending = {target: None}
        self._refusals = 0
        self._witnesses: list[str] = []
        self.outcome: Probed | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        probe = Probe(self._tell(self._target))
        return [Send(self._target, probe, self._end), WakeAt(self._ask_at), WakeAt(self._end)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None or peer not in self._pending:
            return []
        assert isinstance(message, ProbeAck), message
        return self._finish(Result.DIRECT if peer == self._target else Result.INDIRECT, message.news)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None or peer not in self._pending:
            return []
        if self._is_late(now):
            return self._finish(Result.LATE)
        del self._pending[peer]
        if error.failure is PeerFailure.REFUSED:
            if peer == self._target:
                return self._finish(Result.DIRECT)  # it refuses, so it works
            self._refusals += 1
            if isinstance(error.error, ReadTimeout):
                self._witnesses.append(peer)
        return self._ask_helpers() or self._give_up_early()

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if self._is_late(now):
            return self._finish(Result.LATE)
        if now >= self._end:
            return self._finish(Result.FAILED)
        return self._ask_helpers() if now >= self._ask_at else []

    def _ask_helpers(self) -> Effects:
        if self._asked:
            return []
        self._asked = True
        self._pending.update(dict.fromkeys(self._helpers))
        return [Send(helper, ProbeFor(self._target, self._tell(helper)), self._end) for helper in self._helpers]

    def _give_up_early(self) -> Effects:
        return [] if self._pending else self._finish(Result.FAILED)

    def _is_late(self, now: float) -> bool:
        """Whether the next time that this machine asked to be woken at is long over."""
        return now > (self._end if self._asked else self._ask_at) + self._late_s

    def _finish(self, result: Result, news: list[MemberState] | None = None) -> Effects:
        heard = bool(self._refusals) or result in (Result.DIRECT, Result.INDIRECT)
        self.outcome = Probed(result, news or [], self._witnesses, heard)
        return [Finish(self.outcome)]
