"""One coordinator's round for one key: the proposer of per-key Paxos (phases 1a and 2a), for all changes that wait.

    prepare -> a majority promises -> evaluate on the newest register they show -> accept -> a majority accepts: chosen

Refused, it waits a little and tries a higher ballot. With a lead (`lead.py`) it begins with the accept.

A result is given out only if it can never turn out wrong. What changes the register: once a majority has accepted. What
only looks at it, or is refused by it: once that register is known to be chosen, because the whole majority showed the
same accepted ballot, or because it was accepted once more in this one. And what of a change was once sent in an Accept
may be taken up by any coordinator at any time: until it is seen in a chosen register, or a register without it was
accepted in a later ballot, its outcome is unknown, and so says a time-out.

Ballots are never used for a second value: each attempt takes a new one, whatever became of the one before.

Research note, sections 1.3, 1.4, 1.6 and 1.7.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from math import inf
from typing import Protocol

import msgspec

from dynamo.consensus.change import Change, Result, evaluate, moment_of
from dynamo.consensus.lead import Lead
from dynamo.consensus.newest import newest
from dynamo.consensus.pace import Pace, back_off_s
from dynamo.consensus.tally import Tally, majority_of
from dynamo.errors import CorruptValue, DynamoError, QuorumUnavailable, ReadTimeout, WriteTimeout
from dynamo.layout.register import Register, decode, encode
from dynamo.protocol.commands import Action, ChangeOutcome
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, SendAll, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO, Ballot

RESEND_S = 0.3
"""A phase that lasts longer is asked again: messages get lost, and repeats are harmless."""


class Minter(Protocol):
    """Where ballots come from: no two are ever equal."""

    def next(self, above: Ballot) -> Ballot:
        """A new ballot above this one, and above all that this node has seen."""

    def saw(self, ballot: Ballot) -> None:
        """Somebody has gone as far as this."""


class Round(msgspec.Struct, gc=False):
    """What came of a round."""

    results: list[Result]
    """One for each change, in their order."""
    lead: Lead | None = None
    """For the next round of this key, if this one ended well."""
    chosen: Ballot = ZERO
    """In which ballot a register was accepted by a majority; ZERO if that was not needed, or did not happen."""
    rounds: int = 0
    """Ballots that were tried."""
    trips: int = 0
    """Phases that were begun: 1 with a lead, else 2, if nobody interferes."""
    accepts: int = 0
    """Of them phase 2."""
    refusals: int = 0
    """Replies that said that somebody else has gone further."""
    waited_s: float = 0.0
    """Back-off between ballots."""


@lru_cache(maxsize=4096)
def own_last(node: str, primaries: tuple[str, ...]) -> tuple[str, ...]:
    """This node behind the others: what crosses the network leaves before the own disk is kept busy."""
    return tuple(sorted(primaries, key=node.__eq__))


class Phase(Enum):
    """What the proposer is waiting for."""

    PREPARE = "prepare"
    ACCEPT = "accept"
    BACK_OFF = "back-off"
    DONE = "done"


class Proposer:
    """Machine[Round]. Each change gets its own result; the machine's outcome is never an error.

    `deadline` is the earliest of the changes' deadlines or earlier; a change that has time left after a round that ran
    out of it may be given to another Proposer as it is: it knows what was sent of it. `draw` gives numbers from 0 to 1.
    What was chosen the replicas are told by whoever runs this machine (`Round.chosen`).
    """

    __slots__ = (
        "_accepts",
        "_armed",
        "_ballot",
        "_ballots",
        "_bucket",
        "_changes",
        "_deadline",
        "_draw",
        "_due",
        "_failed",
        "_highest",
        "_key",
        "_lead",
        "_message",
        "_needed",
        "_next",
        "_node",
        "_pace",
        "_peers",
        "_phase",
        "_promises",
        "_refused",
        "_round",
        "_waits",
        "outcome",
    )

    def __init__(  # noqa: PLR0913  # a round is of one key, and needs what the node knows and draws
        self,
        node: str,
        primaries: tuple[str, ...],
        bucket: str,
        key: bytes,
        changes: list[Change],
        ballots: Minter,
        deadline: float,
        *,
        lead: Lead | None,
        draw: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._node = node
        self._peers = own_last(node, primaries)
        """Whom to ask, in this order."""
        self._needed = majority_of(len(primaries))
        self._bucket = bucket
        self._key = key
        self._changes = changes
        self._ballots = ballots
        self._deadline = deadline
        self._lead = lead
        self._draw = draw
        self._pace = pace
        self._phase = Phase.BACK_OFF
        self._ballot = ZERO
        self._highest = ZERO
        """Highest ballot that a refusal named."""
        self._next = ZERO
        """What the Accept under way asks to be promised for the round after this one."""
        self._message: Prepare | Accept | None = None
        self._promises: Tally[Promised]
        self._accepts: Tally[Accepted]
        self._refused: dict[str, None]
        """Who refused this ballot."""
        self._failed: dict[str, PeerError] = {}
        """Who gave no answer in this phase."""
        self._due = inf
        """When the phase is asked again, or the back-off ends."""
        self._armed = inf
        """Next time for which a wake-up was asked."""
        self._waits = 0
        self._round = Round([])
        self.outcome: Round | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        lead, self._lead = self._lead, None
        if lead is None:
            return self._prepare(now)
        self._begin_ballot(lead.ballot)
        return self._go_on_from(decode(lead.register), lead.register, settled=False, now=now)

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if isinstance(message, Accepted):
            if self._phase is Phase.ACCEPT and message.ballot == self._ballot:
                return self._on_accepted(peer, message)
        elif isinstance(message, Promised):
            self._ballots.saw(message.accepted)
            if self._phase is Phase.PREPARE and message.ballot == self._ballot:
                return self._on_promised(peer, message, now)
        elif isinstance(message, Rejected):
            self._ballots.saw(message.highest)
            if self._is_asking and message.ballot == self._ballot:
                return self._on_rejected(peer, message, now)
        return []

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if not self._is_asking or peer in self._promises or peer in self._accepts or peer in self._refused:
            return []
        self._failed[peer] = error
        return self._unless_hopeless(now)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if now >= self._deadline:
            return self._finish([self._unfinished(change) for change in self._changes])
        if now >= self._armed:
            self._armed = inf
        if now < self._due:
            return self._wake_at(self._due)
        return self._prepare(now) if self._phase is Phase.BACK_OFF else self._ask_again(now)

    # -- asking ----------------------------------------------------------------------------------------------------

    @property
    def _is_asking(self) -> bool:
        return self._phase is Phase.PREPARE or self._phase is Phase.ACCEPT

    def _begin_ballot(self, ballot: Ballot) -> None:
        """Nothing that was answered to an earlier ballot counts for this one."""
        self._ballot = ballot
        self._round.rounds += 1
        self._promises = Tally(self._needed)
        self._accepts = Tally(self._needed)
        self._refused = {}

    def _prepare(self, now: float) -> Effects:
        self._begin_ballot(self._ballots.next(self._highest))
        return self._ask(Phase.PREPARE, Prepare(self._bucket, self._key, self._ballot), now)

    def _accept(self, register: bytes, now: float) -> Effects:
        self._round.accepts += 1
        self._promises = Tally(self._needed)
        return self._ask(Phase.ACCEPT, Accept(self._bucket, self._key, self._ballot, register, self._next), now)

    def _ask(self, phase: Phase, message: Prepare | Accept, now: float) -> Effects:
        self._phase = phase
        self._message = message
        self._failed = {}
        self._round.trips += 1
        self._due = now + RESEND_S
        return [SendAll(self._peers, message), *self._wake_at(self._due)]

    def _ask_again(self, now: float) -> Effects:
        """All but who refused, also who has answered: it may know the stores by now that the others know."""
        assert self._message is not None
        self._failed = {}
        self._due = now + RESEND_S
        again = tuple(peer for peer in self._peers if peer not in self._refused)
        return [SendAll(again, self._message), *self._wake_at(self._due)]

    def _wake_at(self, when: float) -> Effects:
        when = min(when, self._deadline)
        if when >= self._armed:
            return []
        self._armed = when
        return [WakeAt(when)]

    # -- phase 1 ---------------------------------------------------------------------------------------------------

    def _on_promised(self, peer: str, message: Promised, now: float) -> Effects:
        self._failed.pop(peer, None)
        group = self._promises.add(peer, message.stores, message)
        if group is None:
            return []
        try:
            register, data, settled = newest(group)
        except CorruptValue as problem:
            damaged = str(problem.members["replica"])
            self._promises.discard(damaged)
            self._failed[damaged] = PeerError(PeerFailure.REFUSED, problem)
            return self._unless_hopeless(now)
        return self._go_on_from(register, data, settled=settled, now=now)

    def _go_on_from(self, register: Register, data: bytes, *, settled: bool, now: float) -> Effects:
        """Evaluate on what is newest: its byte form, where there is one, and whether it is known to be chosen."""
        # Taken before: the ballot of a lead is as old as the key's last change, and this one would seem to be.
        self._next = ZERO if self._round.refusals else self._ballots.next(self._ballot)
        moment = moment_of(register, max(self._ballot, self._next))
        after, results, changed = evaluate(register, self._changes, moment)
        self._round.results = results
        if not changed and settled and not self._may_surface(results):
            return self._finish(results)
        for change, result in zip(self._changes, results, strict=True):
            change.sent(result, moment)
        return self._accept(data if data and not changed else encode(after), now)

    def _may_surface(self, results: list[Result]) -> bool:
        return any(change.may_surface(result) for change, result in zip(self._changes, results, strict=True))

    # -- phase 2 ---------------------------------------------------------------------------------------------------

    def _on_accepted(self, peer: str, message: Accepted) -> Effects:
        self._failed.pop(peer, None)
        if self._accepts.add(peer, message.stores, message) is None:
            return []
        self._round.chosen = self._ballot
        if self._next != ZERO and not self._refused:
            assert isinstance(self._message, Accept)
            self._round.lead = Lead(self._next, self._message.register, message.stores)
        return self._finish(self._round.results)

    # -- refusals and failures -------------------------------------------------------------------------------------

    def _on_rejected(self, peer: str, message: Rejected, now: float) -> Effects:
        self._highest = max(self._highest, message.highest)
        self._round.refusals += 1
        self._failed.pop(peer, None)
        if peer not in self._accepts:
            self._refused[peer] = None
        return self._unless_hopeless(now)

    def _unless_hopeless(self, now: float) -> Effects:
        """Go on while a majority may still be had in this phase. Else, if somebody refused: another ballot."""
        if len(self._peers) - len(self._refused) - len(self._failed) >= self._needed:
            return []
        if self._refused:
            return self._back_off(now)
        if self._is_in_doubt or len(self._peers) - self._unavailable() >= self._needed:
            return []
        return self._finish([self._unfinished(change) for change in self._changes])

    @property
    def _is_in_doubt(self) -> bool:
        return any(change.proposed for change in self._changes)

    def _unavailable(self) -> int:
        """How many have said no, or are known to be away. From others an answer was lost; they are asked again."""
        final = (PeerFailure.DOWN, PeerFailure.REFUSED)
        return sum(error.failure in final for error in self._failed.values())

    def _back_off(self, now: float) -> Effects:
        wait_s = back_off_s(self._pace, self._waits, self._draw())
        self._waits += 1
        self._round.waited_s += wait_s
        self._phase = Phase.BACK_OFF
        self._due = now + wait_s
        return self._wake_at(self._due)

    # -- results ---------------------------------------------------------------------------------------------------

    def _unfinished(self, change: Change) -> DynamoError:
        """What is true of a change when nothing more can be waited for."""
        if change.proposed:
            return WriteTimeout(
                "no majority of the replicas acknowledged the change; it may still take effect. To repeat it with the "
                "same Idempotency-Key (and, if the key is busy, a Dynamo-Retry-Age) is safe, and so is to have it "
                "resolved",
                required=self._needed,
            )
        why = self._why_not()
        if change.command.action is Action.READ:
            return ReadTimeout(f"the key's state could not be settled: {why}", required=self._needed)
        return QuorumUnavailable(f"{why}; nothing was changed", required=self._needed)

    def _why_not(self) -> str:
        errors = [error.error for error in self._failed.values() if error.error is not None]
        if errors:
            return f"no majority of the replicas took part ({errors[0].detail})"
        if self._round.refusals:
            return "other coordinators kept changing the key"
        return "no majority of the replicas could be reached"

    def _finish(self, results: list[Result]) -> Effects:
        for result in results:
            if isinstance(result, ChangeOutcome):
                result.coordinator = self._node
                result.rounds = self._round.rounds
        self._phase = Phase.DONE
        self._round.results = results
        self.outcome = self._round
        return [Finish(self._round)]
