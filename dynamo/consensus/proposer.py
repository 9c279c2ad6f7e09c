"""One round of changes to one key (Paxos, phases 1a and 2a). Signatures first; the machine follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from dynamo.consensus.change import Change, Result
from dynamo.consensus.lead import Lead
from dynamo.errors import DynamoError
from dynamo.protocol.effects import Effects, PeerError
from dynamo.protocol.messages import Message
from dynamo.versioning.ballot import ZERO, Ballot


class Minter(Protocol):
    """Where ballots come from: no two are ever equal."""

    def next(self, above: Ballot) -> Ballot:
        """A new ballot above this one, and above all that this node has seen."""

    def saw(self, ballot: Ballot) -> None:
        """Somebody has gone as far as this."""


class Pace(Protocol):
    """How long rounds take at present (seconds)."""

    @property
    def p50_s(self) -> float: ...
    @property
    def p95_s(self) -> float: ...


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


class Proposer:
    """Machine[Round]. Each change gets its own result; the machine's outcome is never an error.

    `deadline` is the earliest of the changes' deadlines or earlier; a change that has time left after a round that ran
    out of it may be given to another Proposer as it is: it knows what was sent of it. Learn is sent by this machine.
    """

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
        self.outcome: Round | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        raise NotImplementedError

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        raise NotImplementedError

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        raise NotImplementedError

    def on_wakeup(self, now: float) -> Effects:
        raise NotImplementedError
