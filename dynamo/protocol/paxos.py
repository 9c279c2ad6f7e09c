"""What nodes say about keys of linearizable buckets: per-key Paxos, one register a key (research: CASPaxos).

    Prepare -> Promised | Rejected      phase 1: nothing below this ballot, and what was accepted before
    Accept  -> Accepted | Rejected      phase 2: this register
    Inspect -> Inspected                a read that needs no ballot
    Learn   -> Learned                  it is chosen; only weaker reads depend on it
    LearnMany -> Learned                the same of several keys
    AcceptMany -> Votes                 several Accepts, of different keys

Tags go on where `protocol/messages.py` ends; the rules of that file hold here.
"""

from __future__ import annotations

import msgspec

from dynamo.protocol.commands import ChangeCommand, ChangeOutcome
from dynamo.versioning.ballot import ZERO, Ballot


class Prepare(msgspec.Struct, tag=28, array_like=True, gc=False):
    """Promise to accept nothing below this ballot, and say what you have accepted (phase 1a of Paxos).

    Answered by Promised or Rejected, from durable state only.
    """

    bucket: str
    key: bytes
    ballot: Ballot


class Promised(msgspec.Struct, tag=29, array_like=True, gc=False):
    """I do; this is what I have accepted (1b)."""

    ballot: Ballot
    """The one that was asked about: an answer to an earlier attempt must not count for a later one."""
    accepted: Ballot
    register: bytes
    """Byte form of what was accepted (`layout/register.py`); empty if nothing ever was."""
    stores: int = 0
    """Which stores all nodes have, as far as this one knows: answers count together only if they agree in that
    (`consensus/tally.py`).
    """


class Accept(msgspec.Struct, tag=30, array_like=True, gc=False):
    """Accept this register (2a). Answered by Accepted once it is on disk, or by Rejected. Repeats harmlessly."""

    bucket: str
    key: bytes
    ballot: Ballot
    register: bytes
    next: Ballot = ZERO
    """If you accept, also promise this ballot: the proposer's next change then needs no Prepare. ZERO asks for none."""


class Accepted(msgspec.Struct, tag=31, array_like=True, gc=False):
    """It is on disk (2b), and `next` is promised."""

    ballot: Ballot
    stores: int = 0
    """As in Promised."""


class Rejected(msgspec.Struct, tag=32, array_like=True, gc=False):
    """Something higher was promised or accepted here."""

    ballot: Ballot
    """The one that was asked about."""
    highest: Ballot


class AcceptMany(msgspec.Struct, tag=47, array_like=True, gc=False):
    """Several Accepts at once. Answered by Votes when all that is accepted is on disk."""

    accepts: list[Accept]


class Inspect(msgspec.Struct, tag=33, array_like=True, gc=False):
    """What have you accepted? Answered by Inspected, from durable state only; promises nothing."""

    bucket: str
    key: bytes
    known: Ballot = ZERO
    """The asker has the register of this ballot already, and needs it not again."""


class Inspected(msgspec.Struct, tag=34, array_like=True, gc=False):
    """This."""

    accepted: Ballot
    register: bytes
    """Empty if it is the one that the asker knows, or if nothing was ever accepted. But where something was forgotten
    in the partition, the latter says which version comes next (`consensus/acceptor.py`): ZERO is never known.
    """
    stores: int = 0
    """As in Promised."""


class Learn(msgspec.Struct, tag=35, array_like=True, gc=False):
    """What you accepted in this ballot is chosen: show it to readers that ask for less than linearizability.

    Nothing depends on it. Answered by Learned.
    """

    bucket: str
    key: bytes
    ballot: Ballot


class Learned(msgspec.Struct, tag=36, array_like=True, gc=False):
    """I have taken note, or had accepted something else."""


class LearnMany(msgspec.Struct, tag=44, array_like=True, gc=False):
    """The same of several keys. Answered by Learned, also where some of them could not be shown."""

    chosen: list[tuple[bytes, Ballot]]
    """Stored keys (`layout/keyspaces.py`), each once, and the ballot in which what they hold was chosen."""


class ForwardChange(msgspec.Struct, tag=37, array_like=True, gc=False):
    """Coordinate this change for me. Answered by ForwardedChange; never forwarded again."""

    command: ChangeCommand
    once: int = 0
    """Another one in each such message. The same message a second time must not be carried out: a condition that did
    not hold, and was answered so, may hold by then.
    """


class ForwardedChange(msgspec.Struct, tag=38, array_like=True, gc=False):
    """The outcome of a forwarded change."""

    outcome: ChangeOutcome


class AskBallots(msgspec.Struct, tag=39, array_like=True, gc=False):
    """What have you promised and accepted in this partition? Asked by a replica that began with an empty store.

    Answered by Ballots, by a node that votes there itself, once it has the asker's new store on disk.
    """

    partition: int
    start: bytes = b""
    """First stored key wanted."""
    n: int = 0
    """Keys of buckets with so many replicas are wanted."""
    asker: str = ""
    """Who asks."""
    store: str = ""
    """On which store."""


class Ballots(msgspec.Struct, tag=40, array_like=True, gc=False):
    """Stored keys of the partition with acceptor states in their byte form, in order."""

    states: list[tuple[bytes, bytes]]
    more: bool
    """The list is cut; more may follow from `beyond` on."""
    floor: bytes = b""
    """What was forgotten in the partition (`layout/floor.py`), in its byte form; empty if nothing was."""
    beyond: bytes = b""
    """First stored key that was not looked at, if there are more."""


class ForgetKey(msgspec.Struct, tag=41, array_like=True, gc=False):
    """If you promised and accepted exactly this ballot, and it is a deletion: forget the key. Answered by Forgotten.

    Sent only once all replicas have accepted that deletion.
    """

    bucket: str
    key: bytes
    ballot: Ballot


class Forgotten(msgspec.Struct, tag=42, array_like=True, gc=False):
    """Whether nothing of the key is left here, durably."""

    gone: bool
