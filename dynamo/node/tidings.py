"""What this node's rounds have chosen, told to the key's replicas: all that a few milliseconds bring, in one message.

Nothing but weaker reads and listings depends on it, so it need not be told at once, and one message of many keys costs
hardly more than one of one key. Two bounds: nobody waits longer than LINGER_S, and a key of which another round begins
is told before (else its replicas would have accepted something newer by then, again and again, and a busy key would
never be shown).

Nobody repeats what gets lost, or what a node had not told when it died: those that have accepted it ask, after a while
(`daemons/settler.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.layout.keyspaces import record_key
from dynamo.node.leads import Place
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Clock, Receiver
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import LearnMany
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.logs import Log
from dynamo.versioning.ballot import Ballot

log = Log("node")

LINGER_S = 0.005
MANY_MAX = 64
"""Keys in one message: what a replica does for them is one turn of its loop."""
PATIENCE_S = 2.0
"""How long an answer is awaited, which says nothing."""


SendTo = Callable[[str, Message, float, str, Receiver], None]


class Tidings:
    """One per node. `send` sends to this node, too."""

    def __init__(self, preference: PreferenceLists, clock: Clock, wakeups: Wakeups, send: SendTo) -> None:
        self._preference = preference
        self._clock = clock
        self._wakeups = wakeups
        self._send = send
        self._waiting: dict[Place, Ballot] = {}
        self._is_armed = False

    def __len__(self) -> int:
        """Keys that wait to be told."""
        return len(self._waiting)

    def add(self, place: Place, ballot: Ballot) -> None:
        """What was accepted in this ballot is chosen."""
        self._waiting[place] = ballot
        if len(self._waiting) >= MANY_MAX:
            self.tell()
        elif not self._is_armed:
            self._is_armed = True
            self._wakeups.at(self._clock.monotonic() + LINGER_S, self._on_time)

    def before_round(self, place: Place) -> None:
        """Another round of this key is about to begin."""
        if place in self._waiting:
            self.tell()

    def tell(self) -> None:
        """Everything that waits, now."""
        waiting, self._waiting = self._waiting, {}
        by_peer: dict[str, list[tuple[bytes, Ballot]]] = {}
        for (bucket, key, primaries), ballot in waiting.items():
            stored = record_key(self._preference.partition(bucket, key), bucket, key)
            for peer in primaries:
                by_peer.setdefault(peer, []).append((stored, ballot))
        deadline = self._clock.monotonic() + PATIENCE_S
        for peer, chosen in by_peer.items():
            self._send(peer, LearnMany(chosen), deadline, "", _NOBODY)

    def _on_time(self) -> None:
        self._is_armed = False
        self.tell()


class _Nobody:
    """Receiver of an answer that says nothing."""

    def on_reply(self, peer: str, message: Message) -> None:
        pass

    def on_failure(self, peer: str, error: PeerError) -> None:
        log.debug("chosen values were not learnt", peer=peer, problem=error.failure.value)


_NOBODY = _Nobody()
