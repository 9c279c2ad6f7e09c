"""In which partitions this node may not vote on linearizable keys, because it began with an empty store.

What it once promised and accepted went with the disk, and others may have counted on it. Until `daemons/rejoiner.py`
has learned of the others what it must know (`consensus/recovery.py`, decision 0016), it promises, accepts and shows
nothing there. Whether it knows enough depends on how many replicas a bucket has, so that is kept for each number.

Kept in the store, so that a restart in the middle goes on. A store without the mark that is not empty is of an earlier
version, which had no such keys: it votes. A damaged mark says that this node may vote nowhere.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import CorruptValue, DynamoError, InvalidParameter, NotReady
from dynamo.layout import note
from dynamo.layout.floor import floor_key
from dynamo.layout.keyspaces import Keyspace, partition_range, split_record_key, successor
from dynamo.node.buckets import BucketBook
from dynamo.node.rebuilding import VOTING
from dynamo.node.store_ages import StoreAgeBook
from dynamo.ports import Respond, Storage
from dynamo.protocol.bucket import N_MAX, Mode
from dynamo.protocol.codec import refusal
from dynamo.protocol.paxos import AskBallots, Ballots
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.logs import Log

log = Log("rejoin")

MARK = VOTING
"""Name in META: for each partition that is not rejoined, the numbers of replicas for which it is."""
PAGE_BYTES = 2**18
"""Of states in one answer, about."""
PIECE = 32
"""Entries read at a time."""
PIECES_MAX = 16
"""Pieces read for one answer."""
_decoder = msgspec.msgpack.Decoder(list[tuple[int, list[int]]])


class Voting:
    """One per node."""

    def __init__(
        self, node: str, preference: PreferenceLists, buckets: BucketBook, ages: StoreAgeBook, storage: Storage
    ) -> None:
        self._node = node
        self._partitions = preference.ring.partitions
        self._preference = preference
        self._buckets = buckets
        self._ages = ages
        self._storage = storage
        self.copies = range(2, min(len(preference.ring.members), N_MAX) + 1)
        """Numbers of replicas that a bucket may have, beside 1: an only replica has nobody to learn from."""
        self.lacking: dict[int, list[int]] = {}
        """Partitions in which something is to be learned, and for which numbers of replicas nothing is any more."""
        self._rejoined: dict[int, list[int]] = {}
        """What is to be taken from `lacking` once the disk has it."""
        self._taken: dict[int, list[int]] = {}
        """The part of it that is on its way there."""
        self._is_kept = True
        self._is_saving = False

    def load(self) -> None:
        """At the node's start, before anything is written: see whether it has forgotten votes."""
        mark = self._storage.read(Keyspace.META, MARK)
        if mark is not None:
            self._restore(mark)
        elif not any(self._storage.scan(space, b"", None, 1) for space in Keyspace):
            self.lacking = self._everything()
            self._is_kept = False
        self.save()
        if self.lacking:
            log.info("this node votes on no linearizable key until it has asked", partitions=len(self.lacking))

    def _restore(self, mark: bytes) -> None:
        try:
            left = note.decode(mark, _decoder, "mark of where this node may vote")
        except CorruptValue as problem:
            log.warning("where this node may vote is damaged: nowhere, until it has asked", problem=problem.detail)
            self.lacking = self._everything()
            self._is_kept = False
        else:
            self.lacking = dict(left)

    def _everything(self) -> dict[int, list[int]]:
        return {partition: [] for partition in range(self._partitions)} if self.copies else {}

    def may_vote(self, partition: int, n: int) -> bool:
        """Whether this node may promise, accept and show anything of a bucket with `n` replicas."""
        return n == 1 or partition not in self.lacking or n in self.lacking[partition]

    def check(self, partition: int, n: int) -> None:
        """Raises NotReady where this node may not vote."""
        if partition in self.lacking and not self.may_vote(partition, n):
            raise NotReady("this replica lost its disk and does not know yet what it may have promised or accepted")

    def check_all(self, partition: int) -> None:
        """Raises NotReady where this node may not vote for every number of replicas."""
        if partition in self.lacking:
            self.check(partition, 0)

    def left(self, n: int) -> list[int]:
        """Partitions of which this node is a primary for `n` replicas, and has something to learn, in order."""
        return [
            partition
            for partition in self.lacking
            if self._is_left(partition, n)
            and n not in self._rejoined.get(partition, ())
            and n not in self._taken.get(partition, ())
        ]

    def _is_left(self, partition: int, n: int) -> bool:
        return not self.may_vote(partition, n) and self._node in self._preference.primaries(partition, n)

    def waiting(self) -> int:
        """How many partitions are left of those that the buckets which this node knows need."""
        copies = self._buckets.copies()
        return sum(any(self._is_left(partition, n) for n in copies) for partition in self.lacking)

    def __len__(self) -> int:
        return len(self.lacking)

    def others(self, partition: int, n: int) -> tuple[str, ...]:
        """The other primaries."""
        return tuple(node for node in self._preference.primaries(partition, n) if node != self._node)

    def rejoined(self, partition: int, n: int) -> None:
        """Everything that it must know is durable here. It may vote once `save` has put that on disk."""
        self._rejoined.setdefault(partition, []).append(n)

    def save(self) -> None:
        """Put on disk what has changed. What fails, or comes while it is being done, is done by the next call."""
        if self._is_saving or (self._is_kept and not self._rejoined):
            return
        self._is_saving = True
        taken, self._taken, self._rejoined = self._rejoined, self._rejoined, {}
        after = {
            partition: sorted({}.fromkeys([*done, *taken.get(partition, ())]))
            for partition, done in self.lacking.items()
        }
        left = {partition: done for partition, done in after.items() if not self._is_complete(partition, done)}

        def settled(error: DynamoError | None) -> None:
            self._is_saving, self._taken = False, {}
            if error is None:
                self.lacking, self._is_kept = left, True
                if taken and not left:
                    log.info("this node votes everywhere")
            else:
                self._is_kept = False
                for partition, numbers in taken.items():
                    self._rejoined.setdefault(partition, []).extend(numbers)

        self._storage.write([(Keyspace.META, MARK, note.encode(list(left.items())))], True, settled)

    def _is_complete(self, partition: int, done: list[int]) -> bool:
        return all(n in done or self._node not in self._preference.primaries(partition, n) for n in self.copies)

    # --- for others that have lost their disk

    def show(self, message: AskBallots, deadline: float, trace: str, respond: Respond) -> None:
        """Answer AskBallots. Raises InvalidParameter, NotReady."""
        if not 0 <= message.partition < self._partitions:
            raise InvalidParameter(f"there is no partition {message.partition}", parameter="partition")
        self.check(message.partition, message.n)
        self._ages.check_present(message.asker, message.store)

        def kept(error: DynamoError | None) -> None:
            try:
                respond(self._page(message) if error is None else refusal(NotReady(f"not on disk: {error}")))
            except (CorruptValue, NotReady) as problem:
                respond(refusal(problem))

        self._ages.when_kept([message.asker], kept)

    def _page(self, message: AskBallots) -> Ballots:
        low, high = partition_range(message.partition)
        low = max(low, message.start)
        states: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        for _ in range(PIECES_MAX):
            pairs = self._storage.scan(Keyspace.BALLOTS, low, high, PIECE)
            for stored, data in pairs:
                if size_bytes > PAGE_BYTES:
                    return self._ballots(message, states, stored)
                if self._has_copies(stored, message.n):
                    states.append((stored, data))
                    size_bytes += len(stored) + len(data)
            if len(pairs) < PIECE:
                return self._ballots(message, states, b"")
            low = successor(pairs[-1][0])
        return self._ballots(message, states, low)

    def _ballots(self, message: AskBallots, states: list[tuple[bytes, bytes]], beyond: bytes) -> Ballots:
        floor = self._storage.read(Keyspace.META, floor_key(message.partition)) or b""
        return Ballots(states, bool(beyond), floor, beyond)

    def _has_copies(self, stored: bytes, n: int) -> bool:
        _, bucket, _ = split_record_key(stored)
        properties = self._buckets.last(bucket)
        if properties is None:
            raise NotReady(f"{self._node} does not know bucket {bucket}, of which it has votes")
        # A bucket that was dropped and made again may be of another mode: votes of before are nobody's any more.
        return properties.mode is Mode.LINEARIZABLE and properties.n == n
