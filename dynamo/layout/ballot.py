"""An acceptor's state for one key of a linearizable bucket. Format version 1.

Fields as in `consensus/`: the highest
promise, the ballot of the accepted value, the value itself (`layout/register.py`).
"""

from __future__ import annotations

import msgspec

from dynamo.layout.sealed import seal, unseal
from dynamo.versioning.ballot import ZERO, Ballot

FORMAT = 1


class AcceptorState(msgspec.Struct, array_like=True, gc=False):
    """What must be on disk before a promise or an accept is answered. Invariant: accepted <= promised."""

    promised: Ballot = ZERO
    accepted: Ballot = ZERO
    value: bytes | None = None
    """Accepted register state in its own sealed form; None if nothing was ever accepted."""


_decoder = msgspec.msgpack.Decoder(AcceptorState)


def encode(state: AcceptorState) -> bytes:
    """The stored form."""
    assert state.accepted <= state.promised, "an accepted ballot was promised"
    return seal(state, FORMAT)


def decode(data: bytes) -> AcceptorState:
    """The state of a stored form. Raises CorruptValue."""
    state = unseal(data, _decoder, FORMAT, "acceptor state")
    assert state.accepted <= state.promised, "an accepted ballot was promised"
    return state
