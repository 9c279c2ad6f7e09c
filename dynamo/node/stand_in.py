"""Standing in: a write whose primaries are all away, minted by a fallback over the hint that it keeps for one of them.

Who mints a dot must know all earlier dots of its actor on the key: a clock covers every counter up to its own, so a
forgotten one would look seen and superseded, and its write would be lost. A replica knows them from its record. A hint
goes once it is delivered, and this node's knowledge with it. So the dots that are minted here are of an actor of their
own, used for one key and one target and nothing else, named `node~incarnation` with four random bytes; and it goes on
minting only while the hint here holds all of its dots. Otherwise the next write begins another actor.

The price is an entry more in the clocks of keys that were written while all of their replicas were away.
"""

from __future__ import annotations

from dynamo.errors import CorruptValue, DynamoError, PreconditionRequired
from dynamo.node.chosen import check_plain
from dynamo.node.hint_book import HintBook
from dynamo.node.repeats import is_shown
from dynamo.node.replica import Minted, Replica, dot_of
from dynamo.ports import Identity, Randomness
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import WriteCommand
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.clock import Clock, Dot
from dynamo.versioning.record import Record, decode
from dynamo.versioning.siblings import EMPTY

ACTORS_MAX = 65536
"""Actors that are remembered. One that was forgotten is not used again, which costs a clock entry."""
_Place = tuple[str, str, bytes]


class StandIn:
    """One per node."""

    def __init__(
        self,
        node: str,
        identity: Identity,
        randomness: Randomness,
        hints: HintBook,
        replica: Replica,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._identity = identity
        self._randomness = randomness
        self._hints = hints
        self._replica = replica
        self._metrics = metrics
        self._last: dict[_Place, Dot] = {}
        """The last dot that was minted for a target and a key, oldest first."""

    def write(self, command: WriteCommand, bucket: BucketProperties, target: str) -> Minted:
        """Mint a dot for the command over the hint that is kept here for `target`, and start storing the result.

        Raises what `Replica.write` raises: then nothing was written.
        """
        check_plain(bucket)
        base, data = self._base(target, command)
        if is_shown(base, command.request, command.value, command.content_type):
            self._metrics.repeated_requests.value += 1
            return self._keep(target, command, Minted(data, dot_of(base, command.request), repeated=True))
        if bucket.require_context and command.context is None and data:
            raise PreconditionRequired("this bucket wants the Dynamo-Context of a read with every write to a known key")
        place = (target, command.bucket, command.key)
        _, data = self._replica.author.compose(base, command, bucket, lambda clock: self._dot(place, clock))
        self._metrics.stand_in_writes.value += 1
        dot = self._last[place]
        return self._keep(target, command, Minted(data, dot, base.clock.get(dot[0], 0), repeated=False))

    def _base(self, target: str, command: WriteCommand) -> tuple[Record, bytes]:
        """What is kept already. A damaged hint is nothing: it will be replaced."""
        try:
            data = self._hints.latest(target, command.bucket, command.key)
            return (decode(data), data) if data else (EMPTY, b"")
        except CorruptValue:
            return EMPTY, b""

    def _dot(self, place: _Place, base: Clock) -> Dot:
        actor, counter = self._last.pop(place, ("", 0))
        if not actor or base.get(actor) != counter:
            actor, counter = f"{self._node}~{self._identity.incarnation}{self._randomness.token_bytes(4).hex()}", 0
        self._last[place] = dot = (actor, counter + 1)
        if len(self._last) > ACTORS_MAX:
            del self._last[next(iter(self._last))]
        return dot

    def _keep(self, target: str, command: WriteCommand, minted: Minted) -> Minted:
        def settled(error: DynamoError | None) -> None:
            minted.on_settled(error)

        self._hints.store(target, command.bucket, command.key, minted.data, settled)
        return minted
