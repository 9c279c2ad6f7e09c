"""Answers to what another node (or this one) asks when two replicas compare a partition.

From durable state only. A partition may hold a hundred thousand keys, and walking them takes longer than a client may
wait: so a walk goes in pieces of a millisecond or so, with a pause after each in which the loop serves everybody else.
Few walks run at a time, some wait, and a peer that asks for one more is refused and comes back later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from dynamo.errors import CorruptValue, DynamoError, InvalidParameter, Overloaded, ReadTimeout
from dynamo.layout.digests import EMPTY_LEAF, decode_leaf, leaf_of
from dynamo.layout.keyspaces import (
    Keyspace,
    bucket_range,
    first_digest,
    partition_range,
    split_digest_key,
    split_record_key,
    successor,
)
from dynamo.ports import Clock, Respond, Storage
from dynamo.protocol.codec import refusal
from dynamo.protocol.messages import AskKeys, AskRoots, AskTree, Keys, Message, Roots, TreeHashes
from dynamo.repair.merkle import BRANCH_LEVEL, LEAF_LEVEL, branch_of, branches
from dynamo.ring.token import key_hash
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import decode, digest

PIECE = 256
"""Pairs read in one piece, at most."""
PIECE_BYTES = 2**20
"""Bytes read in one piece, about."""
PAUSE_S = 0.001
KEYS_PAGE = 1024
"""Keys in one answer."""
WALKS_MAX = 2
"""For peers, at a time; this node's own questions do not wait."""
WAITING_MAX = 64
DAMAGED = 0
"""Stands for the digest of a record that cannot be read: it differs from every other, and so is not passed over."""

Take = Callable[[bytes, bytes], bool]
"""Called with each pair; False ends the walk."""
Step = Callable[[], None]


class Trees:
    """One per node. Each method responds once, now or later; they raise InvalidParameter and Overloaded.

    A deadline of 0 means that this node asks itself.
    """

    def __init__(self, clock: Clock, storage: Storage, partitions: int, metrics: Metrics) -> None:
        self._clock = clock
        self._storage = storage
        self._partitions = partitions
        self._metrics = metrics
        self._walks = 0
        self._waiting: deque[_Walk] = deque()

    def roots(self, message: AskRoots, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Roots."""
        self._check(message.partition)
        totals: dict[str, int] = {}

        def take(stored: bytes, data: bytes) -> bool:
            _, bucket, _ = split_digest_key(stored)
            totals[bucket] = totals.get(bucket, EMPTY_LEAF) ^ decode_leaf(data)
            return True

        low, high = first_digest(message.partition), partition_range(message.partition)[1]
        self._walk(
            Keyspace.DIGESTS,
            (low, high),
            take,
            lambda: Roots([(name, total) for name, total in totals.items() if total != EMPTY_LEAF]),
            deadline,
            respond,
        )

    def tree(self, message: AskTree, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with TreeHashes."""
        self._check(message.partition)
        if message.level not in (BRANCH_LEVEL, LEAF_LEVEL):
            raise InvalidParameter(f"a tree has no level {message.level}", parameter="level")
        found: list[tuple[int, int]] = []
        wanted = dict.fromkeys(message.below)

        def take(stored: bytes, data: bytes) -> bool:
            _, _, leaf = split_digest_key(stored)
            if message.level == BRANCH_LEVEL or not wanted or branch_of(leaf) in wanted:
                found.append((leaf, decode_leaf(data)))
            return True

        def answer() -> Message:
            return TreeHashes(list(branches(found).items()) if message.level == BRANCH_LEVEL else found)

        self._walk(Keyspace.DIGESTS, bucket_range(message.partition, message.bucket), take, answer, deadline, respond)

    def keys(self, message: AskKeys, deadline: float, trace: str, respond: Respond) -> None:
        """Answer with Keys."""
        self._check(message.partition)
        leaves = dict.fromkeys(message.leaves)
        found: list[tuple[bytes, int]] = []

        def take(stored: bytes, data: bytes) -> bool:
            _, bucket, key = split_record_key(stored)
            if leaf_of(key_hash(bucket, key)) in leaves:
                found.append((key, _digest(data)))
            return len(found) <= KEYS_PAGE

        first, beyond = bucket_range(message.partition, message.bucket)
        self._walk(
            Keyspace.RECORDS,
            (first + message.start, beyond),
            take,
            lambda: Keys(found[:KEYS_PAGE], more=len(found) > KEYS_PAGE),
            deadline,
            respond,
        )

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self._partitions:
            raise InvalidParameter(f"there is no partition {partition}", parameter="partition")

    def _walk(
        self,
        space: Keyspace,
        bounds: tuple[bytes, bytes | None],
        take: Take,
        answer: Callable[[], Message],
        deadline: float,
        respond: Respond,
    ) -> None:
        for_peer = deadline > 0

        def ended(error: DynamoError | None) -> None:
            message = answer() if error is None else refusal(error)
            if for_peer:
                self._metrics.repair_bytes_sent.value += len(msgspec.msgpack.encode(message))
            respond(message)
            if for_peer:
                self._next()

        walk = _Walk(self._clock, self._storage, space, bounds, take, deadline, ended)
        if not for_peer:
            walk.step()
        elif len(self._waiting) >= WAITING_MAX:
            raise Overloaded(f"{WAITING_MAX} comparisons wait for this node already; compare later")
        elif self._walks >= WALKS_MAX:
            self._waiting.append(walk)
        else:
            self._walks += 1
            walk.step()

    def _next(self) -> None:
        """A walk for a peer has ended: its place goes to one that waits, on the loop's next tick."""
        if self._waiting:
            self._clock.call_at(self._clock.monotonic(), self._waiting.popleft().step)
        else:
            self._walks -= 1


class _Walk:
    """A scan in pieces. `ended` is called once: with None when all was taken, or with the error."""

    __slots__ = ("_clock", "_deadline", "_ended", "_high", "_limit", "_low", "_space", "_storage", "_take")

    def __init__(
        self,
        clock: Clock,
        storage: Storage,
        space: Keyspace,
        bounds: tuple[bytes, bytes | None],
        take: Take,
        deadline: float,
        ended: Callable[[DynamoError | None], None],
    ) -> None:
        self._clock = clock
        self._storage = storage
        self._space = space
        self._low, self._high = bounds
        self._take = take
        self._deadline = deadline
        self._ended = ended
        # The first piece shows how large the values are.
        self._limit = PIECE if space is Keyspace.DIGESTS else PIECE // 16

    def step(self) -> None:
        """One piece, and a wake-up for the next."""
        if self._deadline and self._clock.monotonic() > self._deadline:
            self._ended(ReadTimeout("the walk through a partition took longer than its asker waits"))
            return
        try:
            is_over = self._piece()
        except DynamoError as error:
            self._ended(error)
            return
        if is_over:
            self._ended(None)
        else:
            self._clock.call_at(self._clock.monotonic() + PAUSE_S, self.step)

    def _piece(self) -> bool:
        """Whether the walk is over."""
        pairs = self._storage.scan(self._space, self._low, self._high, self._limit)
        size_bytes = 0
        for stored, data in pairs:
            size_bytes += len(data)
            if not self._take(stored, data):
                return True
        if len(pairs) < self._limit:
            return True
        self._low = successor(pairs[-1][0])
        self._limit = max(1, min(PIECE, PIECE_BYTES * len(pairs) // max(1, size_bytes)))
        return False


def _digest(data: bytes) -> int:
    try:
        return digest(decode(data))
    except CorruptValue:
        return DAMAGED
