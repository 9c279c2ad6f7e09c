"""Forgetting a key that was deleted long ago, so that nothing of it is left on any replica, and nothing comes back.

An acceptor's state may not simply go: whoever has none would accept what was proposed before, and show nothing to
proposers that rely on being shown what was accepted. So it goes only when there is nothing older anywhere:

    1. in a new ballot g ALL replicas promise, and the newest register among them is still a deletion, of long ago
    2. ALL accept in g a register that holds nothing but the version: then no replica has anything older, and nobody
       who was promised less can have anything accepted any more
    3. each forgets, if it has promised and accepted exactly g. In the same batch the floor of its partition rises to
       g: for a key without a state it stands for the promise that was forgotten, and for the version

All, not a majority: a replica that was left out could still hold an older value, and with one of those that have
forgotten it is a majority, which would find that value to be the newest. And with the floor, not without: an Accept of
before, late in some queue, would find nothing that forbids it.

Whatever is accepted between 2 and 3 is in a ballot above g, at a majority; they do not forget. Any failure ends the
attempt, and a later one begins anew: what is left behind (a promise, the empty register, one that forgot and two that
did not) is an ordinary state of the key. A read that meets one that has forgotten beside one that has not does not find
them alike, and settles them in a round.

In step 2 the key takes on the state of one that was never written, at the instant at which that is chosen: version 0
for whoever looks, while the next change goes on from the old version. So it does not matter to any reader who has
already forgotten. Requests are forgotten with it: so the last one must be older than the window in which a repeat
is recognised (`requests.WINDOW_MS`). Ballots say so, and since clocks may be wrong whoever attempts it must also have
seen `last` accepted for that long by a clock that does not jump: any decision since would show a higher ballot.

Research note, section 1.8.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dynamo.consensus.newest import newest
from dynamo.errors import CorruptValue
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import Floor
from dynamo.layout.register import ABSENT, Register, decode, encode, of_floor
from dynamo.protocol.effects import Effects, Finish, PeerError, Send, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, ForgetKey, Forgotten, Prepare, Promised
from dynamo.versioning.ballot import ZERO, Ballot


def last_decided(register: Register) -> int:
    """When something was last decided on the key: counter of its ballot, about milliseconds since 1970."""
    return max([register.counter, *(entry.counter for entry in register.entries)])


def is_forgettable(register: Register, now: int, age_ms: int) -> bool:
    """Whether the key has no value, and nothing was decided on it for so long. `now` is a ballot's counter."""
    return register.value is None and now - last_decided(register) >= age_ms


def floor_after(state: AcceptorState | None, floor: Floor, ballot: Ballot) -> Floor | None:
    """The floor of a replica that forgets the state, which was accepted in `ballot`; None if it must not.

    Raises CorruptValue for a register that cannot be read.
    """
    if state is None or not state.promised == state.accepted == ballot != ZERO:
        return None
    register = decode(state.value or b"")
    return floor.raised(Floor(ballot, register.version)) if register.value is None else None


class Attempt(msgspec.Struct):
    """What came of an attempt."""

    result: str
    """`forgotten`: by all replicas. `alive`: it has a value, or something was decided lately. `away`: not all answered.
    `damaged`: a register cannot be read. `refused`: another proposer is at work. `stores`: a disk was lost meanwhile.
    """


class Forgetting:
    """Machine[Attempt]: one attempt at one key."""

    def __init__(
        self,
        primaries: tuple[str, ...],
        bucket: str,
        key: bytes,
        ballot: Ballot,
        last: Ballot,
        age_ms: int,
        deadline: float,
    ) -> None:
        self._primaries = primaries
        self._bucket = bucket
        self._key = key
        self._ballot = ballot
        self._last = last
        self._age_ms = age_ms
        self._deadline = deadline
        self._promised: dict[str, Promised] = {}
        self._accepted: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._stores: int | None = None
        """The same in all answers, as long as nobody loses its disk meanwhile."""
        self.outcome: Attempt | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        return [*self._to_all(Prepare(self._bucket, self._key, self._ballot)), WakeAt(self._deadline)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None:
            return []
        if isinstance(message, Promised) and message.ballot == self._ballot:
            return self._on_promised(peer, message)
        if isinstance(message, Accepted) and message.ballot == self._ballot:
            return self._on_accepted(peer, message)
        if isinstance(message, Forgotten) and message.gone:
            self._gone[peer] = None
            return self._finish("forgotten") if self._is_all(self._gone) else []
        return self._finish("refused")

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        return [] if self.outcome is not None else self._finish("away")

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is not None:
            return []
        return self._finish("away") if now >= self._deadline else [WakeAt(self._deadline)]

    def _on_promised(self, peer: str, message: Promised) -> Effects:
        if not self._agrees(message.stores):
            return self._finish("stores")
        self._promised[peer] = message
        if self._accepted or not self._is_all(self._promised):
            return []
        try:
            register, _, _ = newest(self._promised)
        except CorruptValue:
            return self._finish("damaged")
        is_last = all(reply.accepted <= self._last for reply in self._promised.values())
        if not is_last or not is_forgettable(register, self._ballot[0], self._age_ms):
            return self._finish("alive")
        empty = of_floor(register.version) if register.version else ABSENT
        return self._to_all(Accept(self._bucket, self._key, self._ballot, encode(empty)))

    def _on_accepted(self, peer: str, message: Accepted) -> Effects:
        if not self._agrees(message.stores):
            return self._finish("stores")
        self._accepted[peer] = None
        if not self._is_all(self._accepted):
            return []
        return self._to_all(ForgetKey(self._bucket, self._key, self._ballot))

    def _agrees(self, stores: int) -> bool:
        if self._stores is None:
            self._stores = stores
        return stores == self._stores

    def _is_all(self, those: Mapping[str, object]) -> bool:
        return all(peer in those for peer in self._primaries)

    def _to_all(self, message: Prepare | Accept | ForgetKey) -> Effects:
        return [Send(peer, message) for peer in self._primaries]

    def _finish(self, result: str) -> Effects:
        self.outcome = Attempt(result)
        return [Finish(self.outcome)]
