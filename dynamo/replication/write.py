"""QuorumWrite: one record to N replicas, decided at W durable acknowledgements; hints for those who cannot take it.

The coordinator has minted the dot; its own storing is under way when the machine starts and is reported like any other
answer. All other primaries that are alive are sent the record at once. Each primary stands for one *share* of the
write. The share of one that is not alive, fails, or stays silent while the write waits for its quorum, goes to the next
live fallback of the preference list as a hint; where none is left the coordinator keeps the hint itself. So the machine
lives on after its decision until each share is stored or kept, whatever the client does; what it has sent is never
taken back.

A share counts once, for its primary or, in a sloppy write, for the fallback that keeps it; a hint that the coordinator
keeps beside its own copy never counts. Counting shares and not answers is what stays true while hints are delivered:
a hint leaves its keeper only when its primary has it.

Invariant decided here: an acknowledged write is durable on W distinct nodes, PW of them primaries (asserted at Finish;
checked again in `checker/convergence`). Failure is honest: `write-timeout` (unknown) as soon as one node may have
stored it, a definite error only if every one of them said that it did not; then nobody is sent a hint any more.

Paper: DeCandia et al. 2007, sections 4.5 and 4.6.
"""

from __future__ import annotations

from math import inf

import msgspec

from dynamo.errors import Applied, DynamoError, QuorumUnavailable, WriteTimeout
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Message, Store, Stored
from dynamo.replication.legs import Legs
from dynamo.replication.quorum import WriteQuorum

HINT_TIMEOUT_S = 5.0
"""How long a fallback has to keep a hint before the next one is asked. The request may have ended by then."""

DOWN, FAILED, SILENT = "down", "failed", "silent"
"""Why a share is kept for its primary: known to be away, an error, no answer for a while."""

_UNABLE = frozenset({"storage-full", "storage-refused", "write-timeout", "overloaded", "draining", "not-ready"})
"""Refusals that speak of the replica. Others speak of the record, and nobody should keep that for later."""


class Acks(msgspec.Struct, gc=False):
    """Durable acknowledgements at the moment of the decision: shares at their primaries, and with fallbacks."""

    primaries: int
    fallbacks: int


class Handoff(msgspec.Struct, frozen=True, gc=False):
    """What may be done for primaries that do not take their share."""

    spare: tuple[str, ...]
    """Live fallbacks, in the order in which they are asked."""
    away: tuple[str, ...]
    """Primaries that are not alive: they are sent nothing. A coordinator that is none keeps the first one's share."""
    after_s: float
    """A primary that has not answered by then gets a hint, if the write still waits for its quorum."""


class QuorumWrite:
    """Machine. The coordinator is one of the primaries; or, where all of them are away, the keeper of one of
    their shares. Without `handoff` nothing is kept for anybody.
    """

    __slots__ = (
        "_after_s",
        "_coordinator",
        "_deadline",
        "_hinting",
        "_kept",
        "_legs",
        "_owing",
        "_own",
        "_possible",
        "_primaries",
        "_quorum",
        "_refusals",
        "_seeking",
        "_sent_at",
        "_silent_at",
        "_sought",
        "_spare",
        "_store",
        "_stored",
        "_troubled",
        "ack_times",
        "hints",
        "outcome",
        "unkept",
    )

    def __init__(
        self,
        coordinator: str,
        primaries: tuple[str, ...],
        store: Store,
        quorum: WriteQuorum,
        deadline: float,
        handoff: Handoff | None = None,
        legs: Legs | None = None,
    ) -> None:
        away = () if handoff is None else handoff.away
        stands_in = coordinator not in primaries and sorted(away) == sorted(primaries)
        assert coordinator in primaries or stands_in, "only a replica, or who stands in where all are away, coordinates"
        self._coordinator = coordinator
        self._own = coordinator if coordinator in primaries else away[0]
        """The share that the coordinator is storing since before the start."""
        self._primaries = primaries
        self._store = store
        self._quorum = quorum
        self._deadline = deadline
        self._hinting = handoff is not None
        self._spare = [] if handoff is None else list(handoff.spare)
        self._after_s = 0.0 if handoff is None else handoff.after_s
        self._legs = legs
        self._sent_at = 0.0
        self._silent_at = inf
        """When whoever has not answered counts as silent."""
        self._owing = {peer: peer for peer in primaries if peer not in away}
        """Nodes that owe an answer, each with the share that it is to store or keep."""
        self._owing[coordinator] = self._own
        self._sought = dict.fromkeys(away, DOWN)
        """Shares for which a keeper was looked for, and why."""
        self._seeking = [share for share in away if share != self._own]
        self._stored: dict[str, None] = {}
        self._kept: dict[str, str] = {}
        """Shares that fallbacks keep, with their keepers; what the coordinator keeps beside its own is not here."""
        self._refusals: list[DynamoError] = []
        self._troubled = False
        """Whether anything failed; while nothing has, enough shares can be acknowledged."""
        self._possible = False
        """Whether a node that does not count may have it all the same."""
        self.hints: list[str] = []
        """Why each share that is kept by now is kept: DOWN, FAILED or SILENT."""
        self.unkept = 0
        """Shares that nobody would keep."""
        self.ack_times: list[float] | None = None
        """When it began, then when primaries acknowledged it, if somebody wants to know."""
        self.outcome: Acks | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None and not (self._hinting and (self._owing or self._seeking))

    def start(self, now: float) -> Effects:
        self._sent_at = now
        sends: Effects = [Send(peer, self._store) for peer in self._owing if peer != self._coordinator]
        sends += self._place(now)
        if self._hinting:
            self._silent_at = now + self._after_s
        sends.append(WakeAt(min(self._silent_at, self._deadline)))
        return sends

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        share = self._owing.pop(peer, None)
        if share is None:
            return []
        assert isinstance(message, Stored), message
        if share == peer:
            self._stored[share] = None
            if self.ack_times is not None:
                self.ack_times.append(now)
            if self._legs is not None:
                self._measure(self._legs, peer, message, now)
        else:
            self._keep(share, peer)
        return self._go_on(now)

    def _measure(self, legs: Legs, peer: str, stored: Stored, now: float) -> None:
        if peer == self._coordinator:
            legs.wrote_here(now - self._sent_at)
        else:
            legs.wrote(peer, self._sent_at, stored.at_us, stored.spent_us, now)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        share = self._owing.pop(peer, None)
        if share is None:
            return []
        self._troubled = True
        if error.error is not None and error.error.applied is Applied.NO:
            self._refusals.append(error.error)
        elif error.failure is not PeerFailure.DOWN:
            self._possible = True
        if peer == self._coordinator and share != self._own:
            self.unkept += 1
        elif peer != share:
            self._seek(share, self._sought[share])
        elif share not in self._sought and (error.error is None or error.error.code in _UNABLE):
            self._seek(share, DOWN if error.failure is PeerFailure.DOWN else FAILED)
        return self._go_on(now)

    def on_wakeup(self, now: float) -> Effects:
        if now >= self._silent_at:
            self._silent_at = inf
            if self.outcome is not None:
                return []  # Slow is not away: under load most are slow now and then, and a hint is one more write.
            for peer, share in self._owing.items():
                if peer == share != self._own and share not in self._sought:
                    self._seek(share, SILENT)
            return [*self._place(now), *self._end(now), WakeAt(self._deadline)]
        return self._end(now)

    def _end(self, now: float) -> Effects:
        """At the deadline the transport ends what is unanswered, so nobody counts as silent after it."""
        if self.outcome is not None or now < self._deadline:
            return []
        self._possible = True
        return self._finish(self._timeout("not enough replicas acknowledged before the deadline")) + self._place(now)

    def _go_on(self, now: float) -> Effects:
        sends = self._place(now) if self._seeking else []
        return sends if self.outcome is not None else self._decide() + sends

    # -- hints -----------------------------------------------------------------------------------------------------

    def _keep(self, share: str, keeper: str) -> None:
        self.hints.append(self._sought[share])
        if keeper == self._coordinator and share != self._own:
            self._possible = True
        else:
            self._kept[share] = keeper

    def _seek(self, share: str, reason: str) -> None:
        if self._hinting:
            self._sought[share] = reason
            self._seeking.append(share)

    def _place(self, now: float) -> Effects:
        """Send shares to who is to keep them; while nobody has the write, only where that counts."""
        exists = self._exists
        if not (exists or self._quorum.sloppy):
            return []
        sends: Effects = []
        left: list[str] = []
        for share in self._seeking:
            if share in self._stored:
                continue
            if self._spare:
                sends.append(self._hint(self._spare.pop(0), share, now))
            elif share == self._own:
                self.unkept += 1
            elif exists and self._coordinator not in self._owing:
                # Its answers name only the node, so it is asked for one thing at a time.
                sends.append(self._hint(self._coordinator, share, now))
            else:
                left.append(share)
        self._seeking = left
        return sends

    def _hint(self, keeper: str, share: str, now: float) -> Send:
        self._owing[keeper] = share
        return Send(
            keeper, msgspec.structs.replace(self._store, hint_for=share), max(self._deadline, now + HINT_TIMEOUT_S)
        )

    # -- the decision ----------------------------------------------------------------------------------------------

    @property
    def _exists(self) -> bool:
        """Whether some node has the write, or may have it."""
        return bool(self._stored or self._kept or self._possible)

    def _acks(self) -> Acks:
        by_fallbacks = sum(share not in self._stored for share in self._kept) if self._kept else 0
        return Acks(len(self._stored), by_fallbacks)

    def _decide(self) -> Effects:
        acks, quorum = self._acks(), self._quorum
        if self._counted(acks) >= quorum.needed and acks.primaries >= quorum.primaries:
            self._assert_durable(acks)
            return self._finish(acks)
        if not self._troubled or not self._is_hopeless():
            return []
        if self._exists:
            return self._finish(self._timeout("too many replicas failed for the write to reach its quorum"))
        if not self._owing:
            return self._finish(self._refusal())
        return []  # Nobody has stored it so far. If the others did not either, that is worth waiting for.

    def _counted(self, acks: Acks) -> int:
        return acks.primaries + acks.fallbacks if self._quorum.sloppy else acks.primaries

    def _assert_durable(self, acks: Acks) -> None:
        keepers = [keeper for share, keeper in self._kept.items() if share not in self._stored]
        nodes = dict.fromkeys([*self._stored, *(keepers if self._quorum.sloppy else ())])
        assert len(nodes) >= self._quorum.needed, "an acknowledged write is durable on W distinct nodes"
        assert acks.primaries >= self._quorum.primaries, "PW of them are primaries"

    def _is_hopeless(self) -> bool:
        """Whether too few shares can still be acknowledged where they count."""
        owing, stored = self._owing, self._stored
        primaries = [share for share in self._primaries if share in stored or owing.get(share) == share]
        if len(primaries) < self._quorum.primaries:
            return True
        able = dict.fromkeys(primaries)
        if self._quorum.sloppy:
            able.update(dict.fromkeys(self._kept))
            for keeper, share in owing.items():
                if keeper != self._coordinator or share == self._own:
                    able[share] = None
        return len(able) < self._quorum.needed

    def _refusal(self) -> DynamoError:
        if self._refusals:
            return self._refusals[0]
        needed = self._quorum.needed
        return QuorumUnavailable("no replica of this key could be reached; nothing was sent", required=needed)

    def _timeout(self, why: str) -> WriteTimeout:
        acks, quorum = self._acks(), self._quorum
        received = self._counted(acks)
        strict = f", {acks.primaries} of {quorum.primaries} primaries" if acks.primaries < quorum.primaries else ""
        return WriteTimeout(
            f"{why}: {received} of the {quorum.needed} needed{strict}; the write may still appear, "
            "and repeating it with the same Idempotency-Key is safe",
            received=received,
            required=quorum.needed,
        )

    def _finish(self, outcome: Acks | DynamoError) -> Effects:
        self.outcome = outcome
        if not self._exists:
            self._seeking, self.unkept = [], 0
        return [Finish(outcome)]
