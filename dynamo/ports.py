"""Layer 2 (pure). What a node needs of the world, declared; adapters and the simulation provide it.

Nothing below layer 6 touches a real clock, random source, disk or socket: it gets these. That is what lets
`simulation/` run whole nodes on virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message

Change = tuple[Keyspace, bytes, bytes | None]
"""Put a value under a key, or (None) remove the key."""


class Clock(Protocol):
    """Time and wake-ups."""

    def monotonic(self) -> float:
        """Seconds that only grow; deadlines are in these."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970; may jump."""

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Call back once at a monotonic time or soon after. Not cancellable: callbacks check if they still matter."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back once, when all that the loop does in this turn is done."""


class Randomness(Protocol):
    """Everything random, so that a seed replays."""

    def random(self) -> float:
        """Uniform in [0, 1)."""

    def token_bytes(self, count: int) -> bytes:
        """That many random bytes."""


class StorageSizes(msgspec.Struct, frozen=True):
    """How full a store is."""

    keys: int
    """Records held, tombstones included."""
    used_bytes: int
    map_bytes: int


class Storage(Protocol):
    """A durable ordered map per keyspace with atomic batches. Called from the loop's thread only; returns at once."""

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        """What is durably stored. The only thing that may be shown to a reader or a peer."""

    def latest(self, space: Keyspace, key: bytes) -> bytes | None:
        """The same with every batch handed to `write` applied: the base for the next write, nothing else."""

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Durable pairs with start <= key < end (None: to the end) in key order, at most `limit`."""

    def write(
        self,
        changes: Sequence[Change],
        durable: bool,  # noqa: FBT001  # positional, as all of this port's arguments
        done: Callable[[DynamoError | None], None],
    ) -> None:
        """Apply all changes or none, after every batch handed over before.

        `done(None)` is called on the loop once they are on disk (`durable`) or applied (not `durable`); `done(error)`
        if they never will be: StorageFull or StorageRefused. An empty batch is a barrier. After an error, batches
        that were queued behind the failed one fail too, since they were computed from it.
        """

    def sizes(self) -> StorageSizes:
        """Cheap; may lag by a few seconds."""

    def queued_bytes(self) -> int:
        """Memory that batches take which were handed to `write` and are not done, about; of this moment."""


class Receiver(Protocol):
    """Who waits for the answer of one send."""

    def on_reply(self, peer: str, message: Message) -> None:
        """The peer answered (a Refused comes as a failure, not here)."""

    def on_failure(self, peer: str, error: PeerError) -> None:
        """No answer will be passed on any more."""


class Peers(Protocol):
    """The other nodes of the cluster."""

    def is_up(self, peer: str) -> bool:
        """Whether a message handed over now would be sent at once."""

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        """Send; exactly one call of `receiver` follows, at the latest shortly after `deadline` (monotonic seconds).

        Never calls back before it returns. A peer that is down costs one failure, on the next tick of the loop.
        """


Respond = Callable[[Message], None]


class Inbound(Protocol):
    """What a transport calls with each request of a peer."""

    def __call__(self, peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        """Handle it; call `respond` exactly once, now or later. `epoch` is the sender's topology."""


class Identity(Protocol):
    """Who this node is, as the actor of the dots it mints. See `versioning/clock.py` for when it must change."""

    @property
    def incarnation(self) -> str:
        """Eight hex digits, never used before by this node with another set of forgotten events."""

    @property
    def counter(self) -> int:
        """Counter of the last dot that this incarnation minted in an earlier run; 0 if it is new."""

    @property
    def store(self) -> str:
        """Sixteen hex digits, drawn when the store was made."""

    @property
    def starts(self) -> int:
        """Which start on this store this is, from 1; on disk since before the first request."""

    @property
    def run(self) -> str:
        """Eight hex digits, drawn at this start."""

    def renew(self) -> None:
        """Take another incarnation, on disk before this returns. Raises StorageRefused or StorageFull if it cannot."""

    def close(self, counter: int) -> None:
        """The node stops cleanly, everything it minted is on disk: the next run may go on after `counter`."""
