"""This node as a replica: what it does with its own copy of a key.

`mint` starts a new write here: it reads the newest local state, gives the write its dot and stores the result. Only a
replica does that, on the loop, with nothing in between; that is the lock under which dots are minted. `store` merges
what another replica sends; it never mints and never overwrites, so it may come late, twice, or in any order.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.config import Config
from dynamo.errors import (
    DynamoError,
    InvalidParameter,
    Overloaded,
    PreconditionRequired,
    StorageRefused,
)
from dynamo.node.authoring import Author
from dynamo.node.buckets import BucketBook
from dynamo.node.chosen import check_chosen, check_plain, keep_chosen
from dynamo.node.minting import Mint
from dynamo.node.rebuilding import Rebuilding
from dynamo.node.records import Base, Records
from dynamo.node.repeats import Repeats
from dynamo.node.sizes import Sizes
from dynamo.node.unsettled import UnsettledChanges
from dynamo.ports import Clock, Identity
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import WriteCommand
from dynamo.protocol.messages import Scan, Scanned, Store
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning import siblings
from dynamo.versioning.clock import Dot
from dynamo.versioning.record import Record, decode, encode


class Minted:
    """A write under way on this node. `on_settled` is called once with None (durable) or the error."""

    __slots__ = ("data", "dot", "on_settled", "previous", "repeated")

    def __init__(self, data: bytes, dot: Dot, previous: int = 0, *, repeated: bool) -> None:
        self.data = data
        """The record after the write, in byte form."""
        self.dot = dot
        self.previous = previous
        """Counter of the dot that its actor minted for this key before; 0 if there is none, and of a repeat."""
        self.repeated = repeated
        self.on_settled: Callable[[DynamoError | None], None] = _nobody


class Replica:
    """One per node."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        identity: Identity,
        records: Records,
        buckets: BucketBook,
        rebuilding: Rebuilding,
        metrics: Metrics,
    ) -> None:
        self._partitions = config.cluster.partitions
        self._clock = clock
        self._records = records
        self._buckets = buckets
        self._rebuilding = rebuilding
        self._metrics = metrics
        self._queue_bytes_max = config.limits.store_queue_bytes_max
        self._repeats = Repeats(config.requests.repeats_remembered)
        self._unsettled = UnsettledChanges()
        self._lost = ""
        """Why nothing can be stored any more, if so. What `latest` shows is then no base to mint upon."""
        self._sizes = Sizes(config.limits, clock, metrics)
        self.author = Author(config, clock, self._sizes)
        self.mint = Mint(config.node.id, clock, identity, metrics)
        records.quarantine.on_loss = self.mint.lost

    def refuse_when_deep(self) -> None:
        """Raises Overloaded while too much waits for the disk: a slow one must not fill the memory.

        Asked before anything is minted or merged: what was begun is never given up.
        """
        waiting = self._records.queued_bytes()
        if waiting > self._queue_bytes_max:
            self._metrics.shed_requests["storage"].value += 1
            raise Overloaded(
                f"{waiting} bytes wait for the disk of this node already; nothing was done, try again later",
                reason="storage",
                limit=self._queue_bytes_max,
            )

    def fetch(self, bucket: str, key: bytes, *, for_repair: bool = False, partition: int | None = None) -> bytes:
        """The durable record in byte form; empty if there is none. `partition` if it is known.

        Raises CorruptValue for a damaged one.

        Raises NotReady if there is none and this node does not know yet whether there should be, unless `for_repair`.
        """
        data = self._records.read(bucket, key, partition)
        if not data and self._rebuilding and not for_repair:
            self._rebuilding.check(self._records.partition(bucket, key))
        return data

    def write(self, command: WriteCommand, bucket: BucketProperties, *, durable: bool) -> Minted:
        """Mint a dot for the command and start storing the result.

        Raises PreconditionRequired, IdempotencyMismatch, TooManySiblings, ValueTooLarge, ClockDrift, CorruptValue,
        StorageFull, StorageRefused, ModeConflict: then nothing was written.
        """
        check_plain(bucket)
        if self._lost:
            raise StorageRefused(self._lost)
        base = self._records.base_to_mint(command.bucket, command.key, sole=bucket.n == 1)
        # Where nothing is left because the key was reaped, its requests were applied all the same.
        if not self._records.is_in_doubt(base) and self._repeats.is_repeat(
            base.record, command.request, command.value, command.content_type
        ):
            return self._repeated(base, command.request, durable=durable)
        if bucket.require_context and command.context is None and base.data:
            raise PreconditionRequired("this bucket wants the Dynamo-Context of a read with every write to a known key")
        if command.context is not None:
            self.mint.check(command.context)
        record, data = self.author.compose(base.record, command, bucket, self.mint.dot)
        dot = (self.mint.actor, self.mint.counter)
        minted = Minted(data, dot, base.record.clock.get(dot[0], 0), repeated=False)
        noted = self._repeats.remember(record)
        doubt = self._records.quarantine.open.get(base.stored_key)
        self._unsettled.carry_away(base.stored_key)
        change = self._unsettled.begin(base.stored_key, is_new=True)

        def settled(error: DynamoError | None) -> None:
            if error is None:
                self.mint.kept()
                if doubt is not None:
                    self._records.quarantine.replaced(doubt)
            else:
                self._note_loss(error)
                self._repeats.forget(noted)
                self.mint.forgot()
            minted.on_settled(self._unsettled.settle(change, error))

        self._records.replace(base, record, data, settled, durable=durable)
        return minted

    def store(self, message: Store, done: Callable[[DynamoError | None], None]) -> None:
        """Merge a record of another replica into ours.

        Over a damaged record of ours this stores what came: so any repair, and any hint, heals it.

        Raises CorruptValue, ClockDrift, ModeConflict or StorageRefused: then nothing was written.
        """
        if self._lost:
            raise StorageRefused(self._lost)
        incoming = decode(message.record)
        mode = self.take_note(message.bucket, incoming)
        base = self._records.base(message.bucket, message.key)
        record = base.record if base.data == message.record else self._joined(base.record, incoming, mode)
        if record is base.record:
            data = base.data
        elif record is incoming:
            data = message.record
        else:
            data = encode(record)
        if data != base.data:
            self._sizes.merged(record, data)
        noted = self._repeats.remember(incoming)
        change = self._unsettled.begin(base.stored_key, is_new=False)

        def settled(error: DynamoError | None) -> None:
            if error is None and data != base.data:
                self.mint.kept()
            elif error is not None:
                self._note_loss(error)
                self._repeats.forget(noted)
                # The batches behind it have failed, too, and may hold dots of ours: who hears of this may write again
                # before they are told.
                self.mint.forgot()
            done(self._unsettled.settle(change, error))

        if data == base.data:
            self._records.barrier(settled, durable=message.durable)
        else:
            self._records.replace(base, record, data, settled, durable=message.durable)

    def take_note(self, bucket: str, incoming: Record) -> Mode:
        """What another node's record says of our clocks; the mode of its bucket. Raises ClockDrift, ModeConflict.

        Every record that is kept here passes by, as a copy of ours or as a hint.
        """
        known = self._buckets.known(bucket)
        check_chosen(known, incoming)
        self.mint.check(incoming.clock)
        mode = Mode.SIBLINGS if known is None else known.mode
        if mode is Mode.LWW:
            self.author.observe(incoming.hybrid_max())
        return mode

    def refuse_plain(self, bucket: str) -> None:
        """Raises ModeConflict if the bucket takes no hints, as it takes no plain writes."""
        check_plain(self._buckets.known(bucket))

    def lost_batch(self, error: DynamoError) -> None:
        """A batch of this node failed, and with it those behind: they may hold dots of ours that others have seen."""
        self._note_loss(error)
        self.mint.forgot()

    def scan(self, message: Scan) -> Scanned:
        """A page of a bucket's keys in one partition.

        Raises InvalidParameter for one that is not of the ring, NotReady for one that is still being rebuilt.
        """
        if not 0 <= message.partition < self._partitions:
            raise InvalidParameter(f"there is no partition {message.partition}", parameter="partition")
        self._rebuilding.check(message.partition)
        entries, more = self._records.scan(
            message.bucket,
            message.partition,
            message.start,
            message.end,
            message.prefix,
            message.limit,
            values=message.values,
        )
        return Scanned(entries, more)

    def _note_loss(self, error: DynamoError) -> None:
        if isinstance(error, StorageRefused):
            self._lost = error.detail

    def _joined(self, ours: Record, theirs: Record, mode: Mode) -> Record:
        if mode is Mode.LINEARIZABLE:
            return keep_chosen(ours, theirs)
        record = siblings.merged(ours, theirs)
        if mode is Mode.LWW:
            record, discarded = siblings.newest_only(record)
            self._metrics.lww_discarded.value += discarded
        return record

    def _repeated(self, base: Base, request: bytes, *, durable: bool) -> Minted:
        self._metrics.repeated_requests.value += 1
        minted = Minted(base.data or encode(siblings.EMPTY), dot_of(base.record, request), repeated=True)
        self._unsettled.carry_away(base.stored_key)
        change = self._unsettled.begin(base.stored_key, is_new=False)

        def settled(error: DynamoError | None) -> None:
            if error is not None:
                self._note_loss(error)
            minted.on_settled(self._unsettled.settle(change, error))

        self._records.barrier(settled, durable=durable)
        return minted


def dot_of(record: Record, request: bytes) -> Dot:
    """The dot of a request's value, if it still stands; that of nobody if not."""
    return next((sibling.dot for sibling in record.siblings if sibling.request == request), ("", 0))


def _nobody(_: DynamoError | None) -> None:
    raise AssertionError("a write settled before anyone listened")
