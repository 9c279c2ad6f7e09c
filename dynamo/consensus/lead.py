"""The one-round lead: a proposer whose last Accept also promised its next ballot may skip phase 1, once.

A lead is as good as the promises of a majority, with the register that they showed: what the proposer itself had
accepted by them. All of this must hold (research note, section 1.4):

1. every answer that was counted promised the next ballot, repeated messages included (`acceptor.accept`);
2. it is used for one Accept, then gone, however that ends: a ballot must never carry a second value;
3. it is dropped on any refusal, failure or time-out, and gone after a restart, as it is only in memory;
4. it never shows that its register is still the newest: another coordinator may have gone on. A read or a failed
   condition that is evaluated on it is answered only after that register was accepted once more;
5. one round at a time for a key and coordinator: whoever keeps leads hands one out by removing it.
"""

from __future__ import annotations

import msgspec

from dynamo.versioning.ballot import Ballot


class Lead(msgspec.Struct, frozen=True, gc=False):
    """Promises of a majority for `ballot`, before anybody asked for them."""

    ballot: Ballot
    register: bytes
    """Byte form of what the majority had accepted when it promised: one block of memory, where tens of thousands wait
    (decision 0024).
    """
    stores: int
    """What the majority knew of the stores (`tally`). Its keeper drops the lead when it knows otherwise."""
