"""The classic bugs, as patches of this room: rows of the research note's table 1.10. Each is found by some test here.

Rows that the world decides and not this room (what is synced, who mints ballots) are switches of `world.Habits`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

import msgspec

from dynamo.consensus import acceptor, change, newest, proposer, requests, settled_read
from dynamo.consensus.change import Change
from dynamo.consensus.lead import Lead
from dynamo.consensus.proposer import Phase, Proposer
from dynamo.consensus.settled_read import SettledRead, SettledState
from dynamo.consensus.tally import Tally
from dynamo.errors import CorruptValue, QuorumUnavailable
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND
from dynamo.layout.register import ABSENT, decode
from dynamo.protocol.effects import Effects
from dynamo.protocol.paxos import Accepted, Promised
from dynamo.versioning.ballot import ZERO

Broken = AbstractContextManager[Any]


def accept_ignores_promise() -> Broken:
    """Row 1."""

    def accept(state: AcceptorState | None, floor, ballot, register, next_ballot=ZERO):
        if state is not None and ballot > state.accepted:
            return AcceptorState(max(ballot, next_ballot, state.promised), ballot, register)
        return _accept(state, floor, ballot, register, next_ballot)

    _accept = acceptor.accept
    return patch.object(acceptor, "accept", accept)


def ballot_reused_after_doubt() -> Broken:
    """Row 4: the ballot of an Accept that died by time-out stays as a lead."""
    finish = Proposer._finish

    def keeping(self: Proposer, results) -> Effects:
        if self._phase is Phase.ACCEPT and self._round.chosen == ZERO and not self._refused:
            self._round.lead = Lead(self._ballot, self._message.register, 0)
        return finish(self, results)

    return patch.object(Proposer, "_finish", keeping)


def read_without_replay() -> Broken:
    """Row 7."""

    def show(self: SettledRead, group, stores, now) -> Effects:
        top = max(group.values(), key=lambda reply: reply.accepted)
        return self._finish(SettledState(top.register, top.accepted, 1))

    return patch.object(SettledRead, "_replay_newest", show)


def failed_condition_not_settled() -> Broken:
    """Row 8, after a Prepare."""
    return patch.object(proposer, "newest", lambda group: (*newest.newest(group)[:2], True))


def answered_from_the_lead() -> Broken:
    """Row 8, in one round."""
    start = Proposer.start

    def starting(self: Proposer, now: float) -> Effects:
        if self._lead is None:
            return start(self, now)
        self._begin_ballot(self._lead.ballot)
        return self._go_on_from(decode(self._lead.register), b"", settled=True, now=now)

    return patch.object(Proposer, "start", starting)


def timeout_is_failure() -> Broken:
    """Row 9."""
    return patch.object(Proposer, "_unfinished", lambda *_: QuorumUnavailable("nothing was changed"))


def doubt_forgotten_by_prepare() -> Broken:
    """Row 9: a later attempt that only reached Prepare makes it a failure."""
    prepare = Proposer._prepare

    def forgetting(self: Proposer, now: float) -> Effects:
        for one in self._changes:
            one.proposed = 0
        return prepare(self, now)

    return patch.object(Proposer, "_prepare", forgetting)


def refusal_ends_the_doubt() -> Broken:
    """Row 9: not applied in a settled state is taken for never."""
    return patch.object(Change, "may_surface", lambda *_: False)


def duplicate_accept_without_promise() -> Broken:
    """Row 10."""
    return patch.object(acceptor, "_promised_too", lambda state, _: state)


def no_floor() -> Broken:
    """Row 13."""
    _promise, _accept = acceptor.promise, acceptor.accept
    both = ExitStack()
    both.enter_context(patch.object(acceptor, "promise", lambda state, _, ballot: _promise(state, GROUND, ballot)))
    both.enter_context(
        patch.object(acceptor, "accept", lambda state, _, *rest: _accept(state, GROUND, *rest)),
    )
    return both


def older_reply_counts() -> Broken:
    """Row 15: whatever attempt a reply was for, it counts for this one."""
    on_reply = Proposer.on_reply

    def counting(self: Proposer, peer: str, message, now: float) -> Effects:
        if isinstance(message, (Promised, Accepted)):
            message = msgspec.structs.replace(message, ballot=self._ballot)
        return on_reply(self, peer, message, now)

    return patch.object(Proposer, "on_reply", counting)


def duplicate_reply_counts_twice() -> Broken:
    """Row 15."""
    add = Tally.add

    def adding(self: Tally, replica: str, stores: int, reply):
        already = sum(len(group) for group in self._groups.values())
        return add(self, f"{replica}{already}", stores, reply)

    return patch.object(Tally, "add", adding)


def stores_ignored() -> Broken:
    """Row 11, as far as it is decided here: answers of a replica's old and new self count together."""
    add = Tally.add
    return patch.object(Tally, "add", lambda self, replica, _, reply: add(self, replica, 0, reply))


def quorum_of_one() -> Broken:
    """Row 16: each side of a partition is a majority of those that it sees."""
    both = ExitStack()
    for room in (proposer, settled_read):
        both.enter_context(patch.object(room, "majority_of", lambda n: n // 2))
    return both


def repeats_not_recognised() -> Broken:
    """Row 17."""
    return patch.object(change, "find", lambda *_: None)


def stamped_with_a_clock() -> Broken:
    """Row 18: each evaluation takes its own time."""
    evaluate, ticks = change.evaluate, iter(range(1, 1_000_000))

    def stamping(register, changes, moment):
        return evaluate(register, changes, moment + next(ticks))

    return patch.object(change, "evaluate", stamping)


def damage_is_absence() -> Broken:
    """Row 20, as far as it is decided here."""
    decoded = newest._decoded

    def forgiving(replica, reply):
        try:
            return decoded(replica, reply)
        except CorruptValue:
            return ABSENT

    return patch.object(newest, "_decoded", forgiving)


def dropped_entries_not_minded() -> Broken:
    """Rows 9 and 17: a request whose entry was dropped is taken for one that never came."""
    return patch.object(requests, "_missing_up_to", lambda *_: 0)


ALL: dict[str, Callable[[], Broken]] = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__annotations__", {}).get("return") == "Broken"
}
