"""What a replica with an empty store must learn of the others before it votes again. Theory: decision 0016.

A replica C that lost its disk has forgotten what it promised and accepted. It may vote again once it knows, for each
key, at least as much as every majority that counted its old self. Two ways:

    asked    it has the states of so many other primaries that every majority with C in it has one of them. Each answers
             only when C's new store is on its own disk: whatever it says later is not counted together with C's old
             self, and whatever it said before is in the answer. It must be a voter itself: one that has forgotten, too,
             proves nothing.
    first    all other primaries say that they never knew another store of C. A majority counts only answers that agree
             about the stores of all nodes; so none of which anything is left can have counted an earlier self of C.

Of the states of a key the highest promise counts, and the latest accepted register. But C did not accept that register
itself. Where a promise above it is known, the old C may have given that promise first, and would have refused the
register: if C now said that it had accepted it, two equal answers would look like a chosen register that is not. So C
keeps it under a ballot of hearsay (`versioning/ballot.py`): proposers must still build on it, and nobody takes it for a
vote. That is not needed where nothing above was promised (then the old C can have been made to accept it at any time),
nor where a majority has accepted it (then it is chosen).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from dynamo.consensus.tally import majority_of
from dynamo.errors import CorruptValue
from dynamo.layout import floor as floors
from dynamo.layout.ballot import AcceptorState, decode, encode
from dynamo.layout.floor import GROUND, Floor
from dynamo.protocol.paxos import Ballots
from dynamo.versioning.ballot import ZERO, Ballot, hearsay, plain


def answers_needed(n: int, others: int) -> int:
    """How many of the `others` (the other primaries there are) meet every majority of n with this replica in it."""
    return max(1, others + 2 - majority_of(n))


def suffices(n: int, others: Sequence[str], asked: Container[str], first: Container[str]) -> bool:
    """Whether a replica may vote that has the states of `asked`, and is known to `first` by its present store only."""
    if all(peer in first for peer in others):
        return True
    return sum(peer in asked for peer in others) >= answers_needed(n, len(others))


def joined(told: Sequence[AcceptorState], own: AcceptorState | None, n: int, store: str) -> AcceptorState:
    """One key's state of a replica on `store`, from what others told and what it has itself (one of them at least)."""
    states = [*told, own] if own is not None else list(told)
    promised = max(state.promised for state in states)
    latest = max(states, key=_by_register)
    accepted = plain(latest.accepted)
    if accepted != ZERO and not _is_as_good_as_a_vote(accepted, promised, states, own, n):
        accepted = hearsay(accepted, store)
    return AcceptorState(max(promised, accepted), accepted, latest.value)


def _by_register(state: AcceptorState) -> Ballot:
    return plain(state.accepted)


def _is_as_good_as_a_vote(
    accepted: Ballot, promised: Ballot, states: list[AcceptorState], own: AcceptorState | None, n: int
) -> bool:
    if promised <= accepted or (own is not None and own.accepted == accepted):
        return True
    return sum(state.accepted == accepted for state in states) >= majority_of(n)


class Gathering:
    """The answers of several replicas about one partition, page by page, brought together key by key.

    Ask what is `wanted`, `add` the answers, work off what is `ready`, until it `is_over`. Holds a page of each.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._next: dict[str, bytes] = dict.fromkeys(sources, b"")
        """From where on the sources are to be asked that have more."""
        self._pages: dict[str, dict[bytes, bytes]] = {source: {} for source in sources}
        self.floor: Floor = GROUND
        """As high as all that were told."""

    @property
    def is_over(self) -> bool:
        """Everything was told and taken."""
        return not self._next and not any(self._pages.values())

    def wanted(self) -> dict[str, bytes]:
        """Whom to ask now, and for which keys on."""
        return {source: start for source, start in self._next.items() if not self._pages[source]}

    def add(self, source: str, answer: Ballots) -> None:
        """Take a page. Raises CorruptValue for a floor that cannot be read: then nothing of it may be used."""
        self.floor = self.floor.raised(floors.decode(answer.floor))
        self._pages[source] = dict(answer.states)
        if answer.more:
            self._next[source] = answer.beyond
        else:
            self._next.pop(source, None)

    def ready(self) -> list[tuple[bytes, list[bytes]]]:
        """Keys of which all sources have told what they know, with their states, in order; each is given once."""
        if self.wanted():
            return []
        beyond = min(self._next.values(), default=None)
        keys = sorted({key: None for page in self._pages.values() for key in page if beyond is None or key < beyond})
        return [(key, [page.pop(key) for page in self._pages.values() if key in page]) for key in keys]


def taken_over(told: list[bytes], own: bytes | None, n: int, store: str) -> bytes:
    """The byte form of `joined`. A state that cannot be read stays that: such a replica does not vote for the key."""
    every = [*told, own] if own is not None else told
    for data in every:
        if not _is_sound(data):
            return data
    return encode(joined([decode(data) for data in told], None if own is None else decode(own), n, store))


def _is_sound(data: bytes) -> bool:
    try:
        decode(data)
    except CorruptValue:
        return False
    return True
