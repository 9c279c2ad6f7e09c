"""QuorumRead: one key from R of its N replicas.

The nearest R are asked (all N for a sampled share), another one for each that fails, and one more if the slowest answer
is late. At R answers they are merged. If they differ and the read is a majority read, the stale ones are repaired
*before* the answer: a later majority read then cannot go backwards. Otherwise, and for answers that come after the
decision, repair happens behind the client's back.

Where too few take what is to be shown, as its stamp lies too far ahead of their clocks, whoever has it counts as
failed. Were it acknowledged by so many that a read must meet it, too few would be left for an answer.

In a sloppy read a fallback answers for a primary that cannot, with the hint that it keeps for it. That it keeps none is
an answer only beside that of a primary. PR counts primaries alone.

A context demands an answer at least that new: as long as the merge has not seen it, the rest is asked, then all again
after a pause, until the deadline. A missing key is an answer, not a failure.

Paper: DeCandia et al. 2007, sections 4.5 and 4.6.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from dynamo.errors import ClockDrift, ContextNotReached, CorruptValue, DynamoError, ReadTimeout
from dynamo.protocol.commands import ReadOutcome
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Fetched, Message, Stored
from dynamo.replication.hedge import Hedging
from dynamo.replication.quorum import ReadQuorum
from dynamo.replication.read_repair import Reconciled, Resolve
from dynamo.replication.sources import Sources
from dynamo.replication.staleness import Evidence
from dynamo.versioning.clock import Clock, descends
from dynamo.versioning.record import Record

RETRY_PAUSE_S = 0.02
RETRY_PAUSE_MAX_S = 0.5
_REPAIR = -1.0


class QuorumRead:
    """Machine. The caller has checked that there are enough sources."""

    __slots__ = (
        "_ahead",
        "_answers",
        "_behind",
        "_chosen",
        "_context",
        "_corrupt",
        "_damaged",
        "_deadline",
        "_extra",
        "_forgettable",
        "_hedge_at",
        "_hedging",
        "_holders",
        "_pause_s",
        "_pending",
        "_quorum",
        "_repaired",
        "_repairing",
        "_sources",
        "evidence",
        "fell_short",
        "hedge",
        "mismatched",
        "outcome",
        "repaired_later",
    )

    def __init__(
        self,
        sources: Sources,
        quorum: ReadQuorum,
        resolve: Resolve,
        deadline: float,
        *,
        ask_all: bool = False,
        context: Clock | None = None,
        forgettable: bool = False,
        hedging: Hedging | None = None,
    ) -> None:
        assert sources.suffice(quorum.needed, quorum.primaries), "too few replicas must be refused before"
        self._sources = sources
        self._pending: dict[str, float] = dict.fromkeys(sources.first(quorum.n if ask_all else quorum.needed), 0.0)
        """Nodes that owe an answer, and when they were asked; _REPAIR for a repair, which is not measured."""
        self._answers = Reconciled(resolve)
        self._quorum = quorum
        self._deadline = deadline
        self._context = context
        self._forgettable = forgettable
        """Whether the context is so old that what it has seen may have been forgotten everywhere."""
        self._hedging = hedging
        self._hedge_at = inf
        self._pause_s = RETRY_PAUSE_S
        self._corrupt: CorruptValue | None = None
        self._damaged: list[str] = []
        """Primaries whose copy is damaged."""
        self._behind = False
        """Whether a quorum has answered that had not seen the context."""
        self.fell_short: Clock | None = None
        """What the first quorum had seen, if that was not the context."""
        self.evidence: Evidence | None = None
        """All answers as they come, if the read is to be judged."""
        self._repairing = b""
        self._chosen: Record | None = None
        self._repaired = 0
        self._holders: list[str] = []
        """Who is known to hold what is to be shown."""
        self._ahead: list[str] = []
        """Who did not take a repair, as its stamp lies too far ahead of their clocks."""
        self._extra = ""
        self.hedge = ""
        """What came of hedging: `sent`, `won`: the extra answer was among the first R; `refused`: over the budget."""
        self.mismatched = False
        """Whether any two answers differed."""
        self.repaired_later = 0
        """Repairs that came too late for the decision, or were sent after it."""
        self.outcome: ReadOutcome | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None and not self._pending

    def start(self, now: float) -> Effects:
        asks: Effects = [self._ask(node, now) for node in self._pending]
        if self._hedging is not None and self._sources.left:
            self._hedge_at = self._hedging.begin(now)
        asks.append(WakeAt(min(self._hedge_at, self._deadline)))
        return asks

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        asked_at = self._pending.pop(peer, None)
        if asked_at is None:
            return []
        if isinstance(message, Stored):
            return self._on_repaired(peer, now)
        assert isinstance(message, Fetched), message
        if self._hedging is not None:
            self._hedging.latencies.observe(peer, now - asked_at)
            if self._hedging.legs is not None:
                self._hedging.legs.read(peer, asked_at, message.at_us, now)
        try:
            self._answers.add(peer, message.record)
        except CorruptValue as problem:
            return self._on_damage(peer, problem, now)
        if self.evidence is not None:
            self.evidence.arrived(peer, message.record, now)
        return self._on_answer(peer, now)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        asked_at = self._pending.pop(peer, None)
        if asked_at is None:
            return []
        if self._hedging is not None and error.failure is PeerFailure.TIMEOUT and asked_at != _REPAIR:
            self._hedging.latencies.observe(peer, now - asked_at)
        if isinstance(error.error, CorruptValue):
            return self._on_damage(peer, error.error, now)
        if isinstance(error.error, ClockDrift):
            self._ahead.append(peer)
        else:
            self._sources.failed(peer)
        return self._make_up(now)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if now >= self._deadline:
            return self._finish(self._too_late())
        if now >= self._hedge_at:
            self._hedge_at = inf
            return [*self._ask_extra(now), WakeAt(self._deadline)]
        if not self._pending and not self._repairing:
            return self._ask_again(now)
        return []

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, node: str, now: float) -> Send:
        self._pending[node] = now
        return Send(node, self._sources.fetch(node))

    def _ask_extra(self, now: float) -> Effects:
        """The slowest answer is late: one more node may be quicker."""
        assert self._hedging is not None
        assert self._hedging.budget is not None
        if not self._sources.left:
            return []
        if not self._hedging.budget.take():
            self.hedge = "refused"
            return []
        self.hedge = "sent"
        self._extra = self._sources.next() or ""
        return [self._repair(self._extra) if self._repairing else self._ask(self._extra, now)]

    def _make_up(self, now: float) -> Effects:
        """Answers are missing that were counted on: ask (or, while repairing, bring up to date) others, or give up."""
        if self.outcome is not None:
            return self._repair_later()
        sends: Effects = []
        while (lacking := self._lacking()) and (node := self._sources.next(primary=lacking == "primaries")):
            sends.append(self._repair(node) if self._repairing else self._ask(node, now))
        if not self._lacking() or sends:
            return sends
        if self._context is not None and not self._repairing:
            return [] if self._pending else [self._pause(now)]
        if self._ahead and self._repairing:
            return [] if self._pending else self._pass_over(now)
        return self._finish(self._corrupt or self._too_late())

    def _ask_further(self, now: float) -> Effects:
        """The merge is older than the context: ask who has not been asked, or all again after a pause."""
        more: Effects = []
        while node := self._sources.next():
            more.append(self._ask(node, now))
        if more or self._pending:
            return more
        return [self._pause(now)]

    def _pause(self, now: float) -> WakeAt:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, RETRY_PAUSE_MAX_S)
        return WakeAt(min(now + pause_s, self._deadline))

    def _ask_again(self, now: float) -> Effects:
        self._answers.forget()
        return [self._ask(node, now) for node in self._sources.everyone()]

    # -- counting --------------------------------------------------------------------------------------------------

    def _lacking(self) -> str:
        """What the quorum would lack if all answered who owe an answer: `answers`, `primaries`, or nothing."""
        known = self._holders if self._repairing else self._answers.by_replica
        return self._lack([*known, *self._pending])

    def _lack(self, nodes: Collection[str]) -> str:
        if not self._sources.hint_for:
            return "answers" if len(nodes) < self._quorum.needed else ""
        if self._primaries(nodes) < self._quorum.primaries:
            return "primaries"
        return "answers" if self._counted(nodes) < self._quorum.needed else ""

    def _primaries(self, nodes: Collection[str]) -> int:
        return sum(node not in self._sources.hint_for for node in nodes)

    def _counted(self, nodes: Collection[str]) -> int:
        """How many count: a fallback that has no hint does so beside a primary, or once it was given what is shown."""
        if self._repairing or self._primaries(nodes):
            return len(nodes)
        return sum(node in self._pending or self._answers.shows(node) for node in nodes)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _on_answer(self, peer: str, now: float) -> Effects:
        if self.outcome is not None:
            return self._repair_later()
        if self._repairing:
            return self._on_answer_while_repairing(peer, now)
        if self._lack(self._answers.by_replica):
            return self._make_up(now) if self._sources.hint_for else []
        if self._context is not None and not descends(self._answers.record.clock, self._context):
            if self._forgettable and self._all_show_nothing():
                return self._answer()
            self._behind = True
            if self.fell_short is None:
                self.fell_short = self._answers.record.clock
            return self._ask_further(now)
        self._behind = False
        stale = self._answers.stale()
        self.mismatched = self.mismatched or any(map(self._differs, stale))
        if stale and self._quorum.repairs_first:
            return self._repair_first(stale)
        return self._answer()

    def _on_damage(self, peer: str, problem: CorruptValue, now: float) -> Effects:
        self._corrupt = problem
        if peer not in self._sources.hint_for:
            self._damaged.append(peer)
        self._sources.failed(peer)
        return self._make_up(now)

    def _all_show_nothing(self) -> bool:
        return self._primaries(self._answers.by_replica) == self._quorum.n and not self._answers.data

    # -- repair ----------------------------------------------------------------------------------------------------

    def _repair_first(self, stale: list[str]) -> Effects:
        """Hold the answer until `needed` replicas are known to have what it shows.

        What it shows is fixed now: something newer that a late answer brings may be on too few replicas.
        """
        self._repairing = self._answers.data
        self._chosen = self._answers.record
        self._holders = [node for node in self._answers.by_replica if node not in stale]
        if not self._lack(self._holders):
            return self._answer()
        return [self._repair(peer) for peer in stale]

    def _repair(self, peer: str) -> Send:
        data = self._repairing or self._answers.data
        self._pending[peer] = _REPAIR
        return Send(peer, self._sources.store(peer, data))

    def _on_answer_while_repairing(self, peer: str, now: float) -> Effects:
        """A late answer: this replica is a holder, or becomes one, should the others fail."""
        if not self._answers.holds(peer, self._repairing):
            return [self._repair(peer)]
        return self._on_holder(peer, now)

    def _pass_over(self, now: float) -> Effects:
        """Too few take what is to be shown: go on without it, and without who has it."""
        assert self._chosen is not None, "what is to be shown"
        dropped = self._answers.drop(self._chosen.hybrid_max())
        for node in dropped:
            self._sources.failed(node)
        unheard = [node for node in self._ahead if node not in dropped and node not in self._answers.by_replica]
        self._repairing, self._chosen, self._holders, self._ahead = b"", None, [], []
        asks: Effects = [self._ask(node, now) for node in unheard]
        if self._lacking():
            return asks + self._make_up(now)
        return asks or self._on_answer("", now)

    def _on_repaired(self, peer: str, now: float) -> Effects:
        self._answers.brought_up_to_date(peer, self._repairing)
        if self.outcome is not None:
            self.repaired_later += 1
            return self._repair_later()
        self._repaired += 1
        return self._on_holder(peer, now)

    def _on_holder(self, peer: str, now: float) -> Effects:
        self._holders.append(peer)
        if self._lack(self._holders):
            return self._make_up(now) if self._ahead else []
        return self._answer()

    def _differs(self, node: str) -> bool:
        """Whether a stale answer tells of replicas that differ: not that of a fallback without a hint."""
        return node not in self._sources.hint_for or self._answers.shows(node)

    def _repair_later(self) -> Effects:
        """A late answer: once all are in, bring everyone to the merge, without anybody waiting.

        Fallbacks are left out: their hints will be merged where they belong.
        """
        if self._pending:
            return []
        stale = [node for node in self._answers.stale() if node not in self._sources.hint_for]
        self.mismatched = self.mismatched or bool(stale)
        if self._may_replace_damage():
            stale += self._damaged
            self._damaged = []
        self.repaired_later += len(stale)
        data = self._answers.data
        for node in stale:
            self._answers.brought_up_to_date(node, data)
        return [Send(node, self._sources.store(node, data)) for node in stale]

    def _may_replace_damage(self) -> bool:
        """A damaged copy may be replaced only by what a majority knows: an acknowledged write that it had is then among
        it, as R and the other W - 1 overlap. Less would turn an error into a silent loss.
        """
        if not self._damaged or not isinstance(self.outcome, ReadOutcome) or not self._answers.data:
            return False
        return self._primaries(self._answers.by_replica) > self._quorum.n // 2

    # -- the decision ----------------------------------------------------------------------------------------------

    def _answer(self) -> Effects:
        record = self._chosen or (self._answers.record if self._answers.data else None)
        if self._extra and self._pending and self._extra not in self._pending:
            self.hedge = "won"
        data = self._repairing or self._answers.data
        finished = self._finish(ReadOutcome(record, len(self._answers), self._repaired, data))
        return finished + self._repair_later()

    def _too_late(self) -> DynamoError:
        got, needed = self._counted(self._answers.by_replica), self._quorum.needed
        if self._behind:
            return ContextNotReached(
                "no answer as new as the given context before the deadline; retry, or read without the context",
                received=got,
            )
        if self._repairing:
            return ReadTimeout(
                f"{len(self._holders)} of the {needed} replicas needed hold the newest value found, the others could "
                "not be brought up to date in time; retry, or lower r",
                received=len(self._holders),
                required=needed,
            )
        return ReadTimeout(
            f"{got} of the {needed} replicas needed answered in time; retry, or lower r", received=got, required=needed
        )

    def _finish(self, outcome: ReadOutcome | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
