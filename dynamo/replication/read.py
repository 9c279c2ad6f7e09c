"""QuorumRead: one key from R of its N replicas.

The nearest R are asked (all N for a sampled share), another one for each that fails. At R answers they are merged. If
they differ and the read is a majority read, the stale ones are repaired *before* the answer: a later majority read then
cannot go backwards. Otherwise, and for answers that come after the decision, repair happens behind the client's back.

A context demands an answer at least that new: as long as the merge has not seen it, the rest is asked, then all again
after a pause, until the deadline. A missing key is an answer, not a failure.
"""

from __future__ import annotations

from dynamo.errors import ContextNotReached, CorruptValue, DynamoError, ReadTimeout
from dynamo.protocol.commands import ReadOutcome
from dynamo.protocol.effects import Effects, Finish, PeerError, Send, WakeAt
from dynamo.protocol.messages import Fetch, Fetched, Message, Store, Stored
from dynamo.replication.quorum import ReadQuorum
from dynamo.replication.read_repair import Reconciled, Resolve
from dynamo.versioning.clock import Clock, descends
from dynamo.versioning.record import Record

RETRY_PAUSE_S = 0.02
RETRY_PAUSE_MAX_S = 0.5


class QuorumRead:
    """Machine. `replicas` are the live primaries, nearest first; the caller has checked that there are enough."""

    __slots__ = (
        "_answers",
        "_behind",
        "_chosen",
        "_context",
        "_corrupt",
        "_deadline",
        "_fetch",
        "_holders",
        "_pause_s",
        "_pending",
        "_quorum",
        "_repaired",
        "_repairing",
        "_replicas",
        "_unasked",
        "mismatched",
        "outcome",
        "repaired_later",
    )

    def __init__(
        self,
        replicas: tuple[str, ...],
        fetch: Fetch,
        quorum: ReadQuorum,
        resolve: Resolve,
        deadline: float,
        *,
        ask_all: bool = False,
        context: Clock | None = None,
    ) -> None:
        assert len(replicas) >= quorum.needed, "too few replicas must be refused before"
        first = len(replicas) if ask_all else quorum.needed
        self._replicas = replicas
        self._unasked = list(replicas[first:])
        self._pending: dict[str, bytes] = dict.fromkeys(replicas[:first], b"")
        """Peers that owe an answer; with the bytes they are to store, if it is a repair."""
        self._answers = Reconciled(resolve)
        self._fetch = fetch
        self._quorum = quorum
        self._deadline = deadline
        self._context = context
        self._pause_s = RETRY_PAUSE_S
        self._corrupt: CorruptValue | None = None
        self._behind = False
        """Whether a quorum has answered that had not seen the context."""
        self._repairing = b""
        self._chosen: Record | None = None
        self._repaired = 0
        self._holders = 0
        self.mismatched = False
        """Whether any two answers differed."""
        self.repaired_later = 0
        """Repairs that came too late for the decision, or were sent after it."""
        self.outcome: ReadOutcome | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None and not self._pending

    def start(self, now: float) -> Effects:
        asks: Effects = [Send(peer, self._fetch) for peer in self._pending]
        asks.append(WakeAt(self._deadline))
        return asks

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self._pending.pop(peer, None) is None:
            return []
        if isinstance(message, Stored):
            return self._on_repaired(peer)
        assert isinstance(message, Fetched), message
        try:
            self._answers.add(peer, message.record)
        except CorruptValue as problem:
            self._corrupt = problem
            return self._replace(now)
        return self._on_answer(peer, now)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self._pending.pop(peer, None) is None:
            return []
        if isinstance(error.error, CorruptValue):
            self._corrupt = error.error
        return self._replace(now)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if now >= self._deadline:
            return self._finish(self._too_late())
        if not self._pending and not self._repairing:
            return self._ask_again(now)
        return []

    def _on_answer(self, peer: str, now: float) -> Effects:
        if self.outcome is not None:
            return self._repair_later()
        if self._repairing:
            return self._on_answer_while_repairing(peer)
        if len(self._answers) < self._quorum.needed:
            return []
        if self._context is not None and not descends(self._answers.record.clock, self._context):
            self._behind = True
            return self._ask_further(now)
        self._behind = False
        stale = self._answers.stale()
        self.mismatched = self.mismatched or bool(stale)
        if stale and self._quorum.repairs_first:
            return self._repair_first(stale)
        return self._answer()

    def _repair_first(self, stale: list[str]) -> Effects:
        """Hold the answer until `needed` replicas are known to have what it shows.

        What it shows is fixed now: something newer that a late answer brings may be on too few replicas.
        """
        self._repairing = self._answers.data
        self._chosen = self._answers.record
        self._holders = len(self._answers) - len(stale)
        if self._holders >= self._quorum.needed:
            return self._answer()
        return [self._repair(peer) for peer in stale]

    def _repair(self, peer: str) -> Send:
        data = self._repairing or self._answers.data
        self._pending[peer] = data
        return Send(peer, Store(self._fetch.bucket, self._fetch.key, data))

    def _on_answer_while_repairing(self, peer: str) -> Effects:
        """A late answer: this replica is a holder, or becomes one, should the others fail."""
        if not self._answers.holds(peer, self._repairing):
            return [self._repair(peer)]
        self._holders += 1
        return self._answer() if self._holders >= self._quorum.needed else []

    def _on_repaired(self, peer: str) -> Effects:
        self._answers.brought_up_to_date(peer, self._repairing)
        if self.outcome is not None:
            self.repaired_later += 1
            return self._repair_later()
        self._holders += 1
        self._repaired += 1
        return self._answer() if self._holders >= self._quorum.needed else []

    def _repair_later(self) -> Effects:
        """A late answer: once all are in, bring everyone to the merge, without anybody waiting."""
        if self._pending:
            return []
        stale = self._answers.stale()
        self.mismatched = self.mismatched or bool(stale)
        self.repaired_later += len(stale)
        sends: Effects = [Send(peer, Store(self._fetch.bucket, self._fetch.key, self._answers.data)) for peer in stale]
        for peer in stale:
            self._answers.brought_up_to_date(peer, self._answers.data)
        return sends

    def _replace(self, now: float) -> Effects:
        """A replica failed: ask (or, while repairing, bring up to date) the next one, or give up."""
        if self.outcome is not None:
            return self._repair_later()
        if self._unasked:
            peer = self._unasked.pop(0)
            if self._repairing:
                return [self._repair(peer)]
            self._pending[peer] = b""
            return [Send(peer, self._fetch)]
        if self._context is not None and not self._repairing:
            return [] if self._pending else [self._pause(now)]
        known = self._holders if self._repairing else len(self._answers)
        if known + len(self._pending) >= self._quorum.needed:
            return []
        return self._finish(self._corrupt or self._too_late())

    def _ask_further(self, now: float) -> Effects:
        """The merge is older than the context: ask who has not been asked, or all again after a pause."""
        more: Effects = []
        for peer in self._unasked:
            self._pending[peer] = b""
            more.append(Send(peer, self._fetch))
        self._unasked = []
        if more or self._pending:
            return more
        return [self._pause(now)]

    def _pause(self, now: float) -> WakeAt:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, RETRY_PAUSE_MAX_S)
        return WakeAt(min(now + pause_s, self._deadline))

    def _ask_again(self, now: float) -> Effects:
        self._answers.forget()
        self._pending = dict.fromkeys(self._replicas, b"")
        return [Send(peer, self._fetch) for peer in self._pending]

    def _answer(self) -> Effects:
        record = self._chosen or (self._answers.record if self._answers.data else None)
        finished = self._finish(ReadOutcome(record, len(self._answers), self._repaired))
        return finished + self._repair_later()

    def _too_late(self) -> DynamoError:
        got, needed = len(self._answers), self._quorum.needed
        if self._behind:
            return ContextNotReached(
                "no answer as new as the given context before the deadline; retry, or read without the context",
                received=got,
            )
        if self._repairing:
            return ReadTimeout(
                f"{self._holders} of the {needed} replicas needed hold the newest value found, the others could not be "
                "brought up to date in time; retry, or lower r",
                received=self._holders,
                required=needed,
            )
        return ReadTimeout(
            f"{got} of the {needed} replicas needed answered in time; retry, or lower r", received=got, required=needed
        )

    def _finish(self, outcome: ReadOutcome | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
