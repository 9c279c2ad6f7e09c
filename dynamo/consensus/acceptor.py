"""The acceptor: what one replica may promise and accept for one key (Paxos, phases 1b and 2b).

Two things keep every key safe. A promise never falls: once ballot b is promised, nothing below b is accepted. And
what was accepted is shown to whoever is promised a higher ballot. Both hold over restarts only if the state that these
functions return is on disk before it is answered; that is the caller's part, and so is that a state which cannot be
read is never taken for None.

A key without a state may be one that was forgotten. It behaves as if it had promised the floor of its partition and had
accepted nothing; what it says of itself then carries the floor's version, so that versions go on from there.

Research note, sections 1.2, 1.3 (steps 2 and 5) and 1.8.
"""

from __future__ import annotations

from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import Floor
from dynamo.layout.register import encode, of_floor
from dynamo.versioning.ballot import ZERO, Ballot, is_hearsay


def promise(state: AcceptorState | None, floor: Floor, ballot: Ballot) -> AcceptorState | None:
    """The state after promising `ballot`; None if that is refused.

    The same object if that ballot was promised before and nothing accepted since: the repeat of a message that got lost
    gets the answer that it would have got. It need not be written again, but must be durable before it is shown.
    """
    if state is None:
        return AcceptorState(ballot) if ballot > floor.ballot else None
    if ballot > state.promised:
        return AcceptorState(ballot, state.accepted, state.value)
    return state if ballot == state.promised and ballot > state.accepted else None


def accept(
    state: AcceptorState | None, floor: Floor, ballot: Ballot, register: bytes, next_ballot: Ballot = ZERO
) -> AcceptorState | None:
    """The state after accepting `register` in `ballot` and promising `next_ballot`; None if that is refused.

    What was accepted already is accepted again, whatever was promised since, and promises `next_ballot`, too: an
    answer that is counted for the one-round lead must mean the promise, also where the message came before without
    it (a reader's replay). The same object if nothing changed. A ballot of hearsay was never proposed, and so is
    refused, whoever replays it.
    """
    if is_hearsay(ballot):
        return None
    if state is None:
        return AcceptorState(max(ballot, next_ballot), ballot, register) if ballot > floor.ballot else None
    if ballot == state.accepted and ballot != ZERO:
        return _promised_too(state, next_ballot)
    if ballot >= state.promised and ballot > state.accepted:
        return AcceptorState(max(ballot, next_ballot), ballot, register)
    return None


def _promised_too(state: AcceptorState, next_ballot: Ballot) -> AcceptorState:
    if next_ballot <= state.promised:
        return state
    return AcceptorState(next_ballot, state.accepted, state.value)


def highest(state: AcceptorState | None, floor: Floor) -> Ballot:
    """What a refused proposer has to go beyond."""
    return floor.ballot if state is None else state.promised


def shown(state: AcceptorState | None, floor: Floor) -> tuple[Ballot, bytes]:
    """What this replica has accepted, as Promised and Inspected say it: ballot and register.

    Of nothing it is ZERO, never the floor's ballot: the floor is one for many keys, and may be higher than a ballot in
    which other replicas have accepted a newer value of this key. The register says then only from which version the key
    goes on; it is empty if that is 0.
    """
    if state is not None and state.accepted != ZERO:
        return state.accepted, state.value or b""
    return ZERO, encode(of_floor(floor.version)) if floor.version else b""
