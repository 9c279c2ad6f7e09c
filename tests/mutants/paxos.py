"""The classic bugs of per-key Paxos, as patches of whole nodes: what a node must keep, mint, count and show.

Rows of the research note's table 1.10. Those that the machines alone decide are in `tests/unit/consensus/broken.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from dynamo.consensus import change
from dynamo.consensus.change import Change
from dynamo.consensus.forgetting import Forgetting
from dynamo.consensus.lead import Lead
from dynamo.consensus.proposer import Phase, Proposer
from dynamo.consensus.requests import Memory
from dynamo.consensus.tally import majority_of
from dynamo.errors import CorruptValue
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import Done, Register, encode
from dynamo.node import proposals
from dynamo.node.acceptors import Acceptors
from dynamo.node.ballots import Ballots
from dynamo.node.leads import Leads, Place
from dynamo.node.node import Node
from dynamo.node.peer_requests import PeerRequests
from dynamo.node.proposals import Proposals
from dynamo.node.voting import Voting
from dynamo.ports import Identity, Respond
from dynamo.protocol.effects import Effects, Send, SendAll
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Learn, Promised
from dynamo.versioning.ballot import ZERO
from tests.mutants.mutant import Taken


def accepts_are_answered_too_soon() -> Taken:
    """Row 2: before they are on disk."""
    return _answered_too_soon(Accepted)


def promises_are_answered_too_soon() -> Taken:
    """Row 3."""
    return _answered_too_soon(Promised)


def _answered_too_soon(kind: type[Message]) -> Taken:
    keep = Acceptors._keep

    def keeping(self: Acceptors, fresh: dict[bytes, AcceptorState], answer: Message, respond: Respond) -> None:
        if isinstance(answer, kind):
            respond(answer)
            keep(self, fresh, answer, lambda _: None)
        else:
            keep(self, fresh, answer, respond)

    return patch.object(Acceptors, "_keep", keeping)


def a_ballot_in_doubt_stays() -> Taken:
    """Row 4: the ballot of an accept that nobody answered in time is used for the next change."""
    finish = Proposer._finish

    def keeping(self: Proposer, results: Any) -> Effects:
        if self._phase is Phase.ACCEPT and self._round.chosen == ZERO and not self._refused:
            self._round.lead = Lead(self._ballot, self._message.register, 1)
        return finish(self, results)

    def taking(self: Leads, place: Place, _: int) -> Lead | None:
        return self._kept.pop(place, None)

    @contextmanager
    def taken() -> Iterator[None]:
        with patch.object(Proposer, "_finish", keeping), patch.object(Leads, "take", taking):
            yield

    return taken()


def ballots_do_not_count_starts() -> Taken:
    """Row 5: neither do they name the run."""
    return _named(lambda node, _: (node, 0))


def ballots_do_not_name_their_node() -> Taken:
    """Row 6."""
    return _named(lambda _, identity: ("", identity.starts))


def _named(name: Callable[[str, Identity], tuple[str, int]]) -> Taken:
    init = Ballots.__init__

    def initialised(self: Ballots, node: str, clock: Any, identity: Identity) -> None:
        init(self, node, clock, identity)
        self._proposer, self._boot = name(node, identity)

    return patch.object(Ballots, "__init__", initialised)


def an_empty_disk_votes() -> Taken:
    """Row 11: what it does not know it takes for nothing."""
    return patch.object(Voting, "may_vote", lambda *_: True)


def a_majority_forgets() -> Taken:
    """Row 12: whoever is away keeps what the others have forgotten."""

    def most(self: Forgetting, those: Mapping[str, object]) -> bool:
        return sum(peer in those for peer in self._primaries) >= majority_of(len(self._primaries))

    return patch.object(Forgetting, "_is_all", most)


def topologies_are_not_compared() -> Taken:
    """Row 14: a node of another epoch is answered as any."""
    handle = Node.handle
    return patch.object(Node, "handle", lambda self, peer, _, *rest: handle(self, peer, self.ring.epoch, *rest))


def attempts_do_not_last() -> Taken:
    """Row 17, too: what takes effect while an older attempt is known of is forgotten like all else."""
    real = change.remembered

    def remembered(register: Register, entry: Done, *, lasts: bool = False) -> Memory:
        del lasts
        return real(register, entry)

    return patch.object(change, "remembered", remembered)


def what_was_cut_is_not_known() -> Taken:
    """Row 17, too: a request whose entry was dropped is taken for one that never came, once the table has room."""
    real = change.covers
    return patch.object(change, "covers", lambda register, *rest: real(msgspec.structs.replace(register, cut=0), *rest))


def births_are_not_carried_along() -> Taken:
    """Row 17, too: an entry may be older than its request, by the clock of another node."""
    real = change._applied

    def applied(register: Register, asked: Change, moment: int) -> Any:
        bare = Change(msgspec.structs.replace(asked.command, born=0), doubtful=asked.doubtful)
        return real(register, bare, moment)

    return patch.object(change, "_applied", applied)


def majorities_of_the_living() -> Taken:
    """Row 16: only replicas that are alive are asked and counted."""
    place = Proposals._place

    @contextmanager
    def taken() -> Iterator[None]:
        with patch.object(proposals, "majority_of", lambda _: 1), patch.object(Proposals, "_place", placed):
            yield

    def placed(self: Proposals, bucket: str, key: bytes) -> Any:
        (stored, primaries), chosen = place(self, bucket, key)
        living = tuple(node for node in primaries if node in chosen.live)
        return (stored, living), chosen

    return taken()


def each_replica_gets_a_value_of_its_own() -> Taken:
    """Row 18: the change is evaluated, or stamped, once for each that it is sent to."""
    ask = Proposer._ask

    def asking(self: Proposer, phase: Phase, message: Any, now: float) -> Effects:
        effects = ask(self, phase, message, now)
        if not isinstance(message, Accept):
            return effects
        several: Effects = []
        for number, peer in enumerate(self._peers):
            register = msgspec.structs.replace(self._register, counter=self._register.counter + number)
            several.append(Send(peer, msgspec.structs.replace(message, register=encode(register))))
        return [*several, *(effect for effect in effects if not isinstance(effect, SendAll))]

    return patch.object(Proposer, "_ask", asking)


def what_waits_for_the_disk_is_shown() -> Taken:
    """Row 19."""
    inspect = Acceptors.inspect

    def inspecting(self: Acceptors, *rest: Any) -> None:
        with patch.object(self._storage, "read", self._storage.latest):
            inspect(self, *rest)

    return patch.object(Acceptors, "inspect", inspecting)


def a_damaged_state_reads_as_nothing() -> Taken:
    """Row 20."""
    state = Acceptors._state

    def read(self: Acceptors, stored: bytes) -> AcceptorState | None:
        try:
            return state(self, stored)
        except CorruptValue:
            return None

    return patch.object(Acceptors, "_state", read)


def what_is_accepted_is_shown_as_chosen() -> Taken:
    """Not in the table: weaker reads see what nobody has agreed on yet."""
    dispatch = PeerRequests.dispatch

    def dispatching(self: PeerRequests, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        dispatch(self, message, deadline, trace, respond)
        if isinstance(message, Accept):
            learn = Learn(message.bucket, message.key, message.ballot)
            dispatch(self, learn, deadline, trace, lambda _: None)

    return patch.object(PeerRequests, "dispatch", dispatching)
