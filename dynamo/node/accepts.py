"""Accepts that leave together: what the rounds of one turn of the loop ask of a node is one message.

Each key has its own vote, which needs nothing of the others. But a message, its way back and a batch of the store cost
several times what a vote costs, and a busy node begins rounds of several keys in each turn. One that is alone leaves as
it is. Nothing waits for more to come than there is to do in this turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter

from dynamo.ports import Clock, Receiver
from dynamo.protocol.codec import refused_error
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Refused, Votes
from dynamo.protocol.paxos import Accept, Accepted, AcceptMany
from dynamo.telemetry.logs import Log

log = Log("node")

BYTES_MAX = 128 * 1024
"""Registers that have come to this leave at once: large ones by themselves, and all well within a frame."""
MANY_MAX = 64
"""Accepts in one message."""

SendTo = Callable[[str, Message, float, str, Receiver], None]
_Waiting = tuple[Accept, float, str, Receiver]
"""An Accept with its deadline, its trace and who waits for the vote."""
_accept_of, _deadline_of = itemgetter(0), itemgetter(1)


class Accepts:
    """One per node. `send` sends to this node, too."""

    def __init__(self, node: str, clock: Clock, send: SendTo) -> None:
        self._node = node
        self._clock = clock
        self._send = send
        self._waiting: defaultdict[str, list[_Waiting]] = defaultdict(list)
        self._bytes = 0
        self._is_due = False

    def add(self, to: Sequence[str], accept: Accept, deadline: float, trace: str, receiver: Receiver) -> None:
        """Send it to these nodes before this turn ends; the rest is as `ports.Peers.send` has it for each."""
        entry, are_many = (accept, deadline, trace, receiver), False
        for node in to:
            waiting = self._waiting[node]
            waiting.append(entry)
            are_many = are_many or len(waiting) >= MANY_MAX
        self._bytes += len(accept.register) * len(to)
        if are_many or self._bytes >= BYTES_MAX:
            self.leave()
        elif not self._is_due:
            self._is_due = True
            self._clock.soon(self._on_turn_over)

    def leave(self) -> None:
        """All that wait, now. Those to this node last: what crosses the network leaves before its disk is kept busy."""
        waiting, self._waiting, self._bytes = self._waiting, defaultdict(list), 0
        own = waiting.pop(self._node, None)
        for peer, accepts in waiting.items():
            self._send_all(peer, accepts)
        if own is not None:
            self._send_all(self._node, own)

    def _on_turn_over(self) -> None:
        self._is_due = False
        self.leave()

    def _send_all(self, to: str, waiting: list[_Waiting]) -> None:
        accept, deadline, trace, receiver = waiting[0]
        if len(waiting) == 1:
            self._send(to, accept, deadline, trace, receiver)
            return
        # Each round ends at its own deadline, whatever becomes of the message.
        latest = max(map(_deadline_of, waiting))
        self._send(to, AcceptMany([*map(_accept_of, waiting)]), latest, trace, _Ballots(waiting))


class _Ballots:
    """Receiver of the votes, each of which it hands to who waits for it."""

    __slots__ = ("_waiting",)

    def __init__(self, waiting: list[_Waiting]) -> None:
        self._waiting = waiting

    def on_reply(self, peer: str, message: Message) -> None:
        if not isinstance(message, Votes) or message.count != len(self._waiting):
            self.on_failure(peer, PeerError(PeerFailure.LOST))
            return
        stores, others = message.stores, message.others
        for place, (accept, _, _, receiver) in enumerate(self._waiting):
            vote = others.get(place) if others else None
            try:
                if vote is None:
                    receiver.on_reply(peer, Accepted(accept.ballot, stores))
                elif type(vote) is Refused:
                    receiver.on_failure(peer, PeerError(PeerFailure.REFUSED, refused_error(vote)))
                else:
                    receiver.on_reply(peer, vote)
            except Exception as bug:  # noqa: BLE001 - one round's bug must not cost the others their votes
                log.bug("receiver failed", bug, peer=peer, kind=type(vote or accept).__name__)

    def on_failure(self, peer: str, error: PeerError) -> None:
        for _, _, _, receiver in self._waiting:
            try:
                receiver.on_failure(peer, error)
            except Exception as bug:  # noqa: BLE001 - as above
                log.bug("receiver failed", bug, peer=peer, kind=error.failure.value)
