"""What this node's rounds have chosen, told to the key's replicas: all that a few milliseconds bring, in one message.

Nothing but weaker reads and listings depends on it, so it need not be told at once, and one message of many keys costs
hardly more than one of one key. After GATHER_S they leave with the messages of the next round, in one frame, after
LINGER_S by themselves. A key of which another round begins is told before: else its replicas would have accepted
something newer by then, again and again, and a busy key would never be shown.

Nobody repeats what gets lost, or what a node had not told when it died: those that have accepted it ask, after a while
(`daemons/settler.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import inf

from dynamo.node.leads import Place
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Clock, Receiver
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import LearnMany
from dynamo.telemetry.logs import Log
from dynamo.versioning.ballot import Ballot

log = Log("node")

GATHER_S = 0.005
LINGER_S = 0.01
MANY_MAX = 64
"""Keys in one message: what a replica does for them is one turn of its loop."""
PATIENCE_S = 2.0
"""How long an answer is awaited, which says nothing."""


SendTo = Callable[[str, Message, float, str, Receiver], None]


class Tidings:
    """One per node. `send` sends to this node, too."""

    def __init__(self, clock: Clock, wakeups: Wakeups, send: SendTo) -> None:
        self._clock = clock
        self._wakeups = wakeups
        self._send = send
        self._waiting: dict[Place, Ballot] = {}
        self._since = inf
        """When (monotonic seconds) the first of them came."""
        self._is_armed = False

    def __len__(self) -> int:
        """Keys that wait to be told."""
        return len(self._waiting)

    def add(self, place: Place, ballot: Ballot, now: float) -> None:
        """What was accepted in this ballot is chosen."""
        if not self._waiting:
            self._since = now
        self._waiting[place] = ballot
        if len(self._waiting) >= MANY_MAX:
            self.tell()
        elif not self._is_armed:
            self._arm()

    def before_round(self, place: Place, now: float) -> None:
        """A round of this key is about to begin."""
        if now >= self._since + GATHER_S or place in self._waiting:
            self.tell()

    def tell(self) -> None:
        """Everything that waits, now."""
        waiting, self._waiting, self._since = self._waiting, {}, inf
        by_peer: defaultdict[str, list[tuple[bytes, Ballot]]] = defaultdict(list)
        for (stored, primaries), ballot in waiting.items():
            chosen = (stored, ballot)
            for peer in primaries:
                by_peer[peer].append(chosen)
        deadline = self._clock.monotonic() + PATIENCE_S
        for peer, told in by_peer.items():
            self._send(peer, LearnMany(told), deadline, "", _NOBODY)

    def _arm(self) -> None:
        self._is_armed = True
        self._wakeups.at(self._since + LINGER_S, self._on_time)

    def _on_time(self) -> None:
        """The first of some time ago may have left with a round, and what waits now be younger."""
        self._is_armed = False
        if self._clock.monotonic() >= self._since + LINGER_S:
            self.tell()
        elif self._waiting:
            self._arm()


class _Nobody:
    """Receiver of an answer that says nothing."""

    def on_reply(self, peer: str, message: Message) -> None:
        pass

    def on_failure(self, peer: str, error: PeerError) -> None:
        log.debug("chosen values were not learnt", peer=peer, problem=error.failure.value)


_NOBODY = _Nobody()
