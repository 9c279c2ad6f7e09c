"""Reading one key without a ballot: what a majority has accepted alike is chosen, and may be shown.

A majority is asked: this node first, then the nearest, each for what this node does not have yet. If they name the
same accepted ballot, its register is chosen. Every change that was finished before the read began was accepted by a
majority, which meets this one, so nothing older can be shown; nor can a later read show something older than this one.

Otherwise the newest is replayed: the very Accept that its proposer sent goes to those that lack it. To deliver a
message again is always safe, and disturbs no proposer. Once a majority has it, it is shown. Never is the newest shown
without that: it may be on a minority, and the next reader would not see it. If it is refused, a proposer is at work
there, and the key has to be settled by a round of its own (`Contended`).

Outstanding promises do not matter. Research note, section 1.5.
"""

from __future__ import annotations

from math import inf

import msgspec

from dynamo.consensus.newest import newest, sound
from dynamo.consensus.tally import Tally, majority_of
from dynamo.errors import CorruptValue, DynamoError, QuorumUnavailable, ReadTimeout
from dynamo.layout.register import decode
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Learn, Rejected
from dynamo.versioning.ballot import ZERO, Ballot

FURTHER_S = 0.1
"""If a majority has not answered by then, the others are asked as well."""
RESEND_S = 0.3
"""Whoever has not answered is asked again: messages get lost, and repeats are harmless."""


class Contended(DynamoError):
    """What is newest could not be settled without a ballot: a READ change can. Never leaves the node."""

    code = "contended"
    title = "A round is needed"
    retryable = True


class SettledState(msgspec.Struct, gc=False):
    """What is chosen."""

    register: bytes
    """Byte form; empty for a key that was never written. `change.read_outcome` makes an outcome of it."""
    ballot: Ballot
    trips: int
    """1: a majority said the same at once; 2: the newest was replayed to those that lacked it."""


class SettledRead:
    """Machine[SettledState]. Fails with Contended, ReadTimeout or QuorumUnavailable.

    `order`: all primaries, this node first if it is one, then the nearest.
    """

    __slots__ = (
        "_answers",
        "_armed",
        "_asked",
        "_bucket",
        "_deadline",
        "_due",
        "_failed",
        "_holders",
        "_key",
        "_known",
        "_needed",
        "_node",
        "_order",
        "_refused",
        "_register",
        "_replay",
        "outcome",
    )

    def __init__(self, node: str, order: tuple[str, ...], bucket: str, key: bytes, deadline: float) -> None:
        self._node = node
        self._order = order
        self._needed = majority_of(len(order))
        self._bucket = bucket
        self._key = key
        self._deadline = deadline
        self._asked = 0
        """How many of `order`, from its beginning."""
        self._known = Inspected(ZERO, b"")
        """What this node itself had accepted when it was asked first: others need not send it."""
        self._answers: Tally[Inspected] = Tally(self._needed)
        self._replay: Accept | None = None
        """The Accept that is replayed, from then on."""
        self._register = b""
        self._holders: Tally[None] = Tally(self._needed)
        """Who has accepted what is replayed."""
        self._refused: dict[str, None] = {}
        self._failed: dict[str, PeerError] = {}
        self._due = inf
        """When more are asked, or all again."""
        self._armed = inf
        self.outcome: SettledState | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        self._due = now + FURTHER_S
        asks = self._ask_up_to(1 if self._order[0] == self._node else self._needed)
        return [*asks, *self._wake_at(self._due)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if isinstance(message, Inspected):
            return self._on_inspected(peer, message, now)
        replay = self._replay
        if replay is None or not isinstance(message, (Accepted, Rejected)) or message.ballot != replay.ballot:
            return []
        if isinstance(message, Accepted):
            return self._on_holder(peer, message.stores)
        self._failed.pop(peer, None)
        self._refused[peer] = None
        return self._unless_hopeless()

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None or peer in self._answers_now() or peer in self._refused:
            return []
        self._failed[peer] = error
        if more := self._ask_up_to(self._needed + len(self._failed)):
            return more
        return self._unless_hopeless()

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if now >= self._deadline:
            return self._finish(ReadTimeout("too few replicas answered in time", required=self._needed))
        if now >= self._armed:
            self._armed = inf
        if now < self._due:
            return self._wake_at(self._due)
        self._due = now + RESEND_S
        return [*(self._ask_up_to(len(self._order)) or self._ask_again()), *self._wake_at(self._due)]

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask_up_to(self, count: int) -> Effects:
        """Have `count` replicas been asked, if there are so many. Once something is replayed nobody is asked anew."""
        if self._replay is not None:
            return []
        fresh = self._order[self._asked : count]
        self._asked += len(fresh)
        return [self._inspect(peer) for peer in fresh]

    def _inspect(self, peer: str) -> Send:
        return Send(peer, Inspect(self._bucket, self._key, self._known.accepted))

    def _ask_again(self) -> Effects:
        """Also who has answered: it may know the stores by now that the others know."""
        self._failed = {}
        if self._replay is None:
            return [self._inspect(peer) for peer in self._order]
        return [Send(peer, self._replay) for peer in self._order if peer not in self._refused]

    def _wake_at(self, when: float) -> Effects:
        when = min(when, self._deadline)
        if when >= self._armed:
            return []
        self._armed = when
        return [WakeAt(when)]

    def _answers_now(self) -> Tally[Inspected] | Tally[None]:
        return self._answers if self._replay is None else self._holders

    # -- answers ---------------------------------------------------------------------------------------------------

    def _on_inspected(self, peer: str, message: Inspected, now: float) -> Effects:
        if self._replay is not None:
            return self._on_holder(peer, message.stores) if message.accepted == self._replay.ballot else []
        try:
            reply = self._completed(message)
        except CorruptValue as problem:
            return self.on_failure(peer, PeerError(PeerFailure.REFUSED, problem), now)
        self._failed.pop(peer, None)
        if peer == self._node and self._known.accepted == ZERO:
            self._known = reply
        group = self._answers.add(peer, message.stores, reply)
        if group is None:
            return self._ask_up_to(self._needed + len(self._failed))
        alike = {name: one for name, one in group.items() if one.accepted == reply.accepted}
        if len(alike) < self._needed:
            return self._replay_newest(group, message.stores, now)
        register = reply.register if reply.accepted != ZERO else newest(alike)[1]
        return self._finish(SettledState(register, reply.accepted, 1))

    def _completed(self, message: Inspected) -> Inspected:
        """The reply with its register, which it lacks if this node has it. Raises CorruptValue for one without."""
        if not message.register and message.accepted == self._known.accepted:
            return Inspected(message.accepted, self._known.register, message.stores)
        sound(message)
        if message.accepted == ZERO:
            decode(message.register)
        return message

    def _replay_newest(self, group: dict[str, Inspected], stores: int, now: float) -> Effects:
        top = max(group.values(), key=lambda reply: reply.accepted)
        self._replay = Accept(self._bucket, self._key, top.accepted, top.register)
        self._failed = {}
        self._due = now + RESEND_S
        for peer, reply in group.items():
            if reply.accepted == top.accepted:
                self._holders.add(peer, stores, None)
        lacking: Effects = [Send(peer, self._replay) for peer in self._order if peer not in self._holders]
        return [*lacking, *self._wake_at(self._due)]

    def _on_holder(self, peer: str, stores: int) -> Effects:
        self._failed.pop(peer, None)
        if self._holders.add(peer, stores, None) is None:
            return []
        replay = self._replay
        assert replay is not None
        learn = Learn(self._bucket, self._key, replay.ballot)
        sends: Effects = [Send(node, learn) for node in self._order]
        return [*sends, *self._finish(SettledState(replay.register, replay.ballot, 2))]

    # -- failures --------------------------------------------------------------------------------------------------

    def _unless_hopeless(self) -> Effects:
        """Go on while a majority may still be had, or an answer that was lost may come when it is asked for again."""
        if len(self._order) - len(self._refused) - len(self._failed) >= self._needed:
            return []
        if self._refused:
            return self._finish(Contended("a change of the key is under way"))
        final = (PeerFailure.DOWN, PeerFailure.REFUSED)
        errors = [error for error in self._failed.values() if error.failure in final]
        if len(self._order) - len(errors) >= self._needed:
            return []
        why = next((f" ({error.error.detail})" for error in errors if error.error is not None), "")
        return self._finish(
            QuorumUnavailable(f"no majority of the replicas could be asked{why}", required=self._needed)
        )

    def _finish(self, outcome: SettledState | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]
