"""Bucket properties as this node holds them: durable here, spread to every node.

A change is written here first, then shared; it counts as made once a majority of the cluster's nodes have it on disk.
Nodes that were away catch up through `daemons/bucket_sharer`. A bucket that a first write makes is spread the same way,
but nobody waits for it: its properties are the defaults.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.config import BucketsSection
from dynamo.errors import (
    BucketExists,
    BucketNotFound,
    CorruptValue,
    DynamoError,
    NotReady,
    TooManyBuckets,
)
from dynamo.layout import note
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Clock, Storage
from dynamo.protocol.bucket import NEVER, BucketProperties, Mode, check, check_name, merged
from dynamo.telemetry.logs import Log
from dynamo.versioning.hybrid_time import HybridClock

log = Log("node")

_META_PREFIX = b"bucket/"
_SCAN_PAGE = 1000
_decoder = msgspec.msgpack.Decoder(BucketProperties)
Settled = Callable[[DynamoError | None], None]


class BucketBook:
    """All buckets this node knows, dropped ones included (so that an older copy cannot bring them back)."""

    def __init__(self, node: str, defaults: BucketsSection, clock: Clock, storage: Storage) -> None:
        self._node = node
        self._defaults = defaults
        self._clock = clock
        self._storage = storage
        self._hybrid = HybridClock(drift_max_ms=2**62)
        self._book: dict[str, BucketProperties] = {}
        self._digest = 0
        """Hash of the book; 0 once it has changed. Every node compares it every second."""
        self._unkept: dict[str, None] = {}
        """Names whose last change the store refused: written again as soon as anyone speaks of them."""
        self.compared = False
        """Whether the book was compared with that of another node since the start, or there is no other node. Before,
        a bucket that is not in it may exist all the same, with properties that somebody set while this node was away.
        """
        self.may_compare: Callable[[], bool] = _never
        """Whether there is still hope to compare: somebody to do it with, or the start was just now."""
        self.on_created: Callable[[BucketProperties], None] = _ignore
        """Called with each bucket that a first write made, to spread it."""

    def load(self) -> None:
        """Read the book from the store."""
        start, beyond = _META_PREFIX, _META_PREFIX[:-1] + b"0"
        while page := self._storage.scan(Keyspace.META, start, beyond, _SCAN_PAGE):
            for stored, data in page:
                self._load(stored.removeprefix(_META_PREFIX).decode(), data)
            start = page[-1][0] + b"\0"

    def _load(self, name: str, data: bytes) -> None:
        """A damaged entry is left out: the next comparison with another node brings it back."""
        try:
            self._book[name] = note.decode(data, _decoder, "bucket")
            self._digest = 0
        except CorruptValue as problem:
            log.warning("a bucket's properties are damaged, other nodes have them", bucket=name, problem=problem.detail)

    def rewrite_damaged(self) -> int:
        """Write entries anew whose stored bytes are not what this book holds; how many were damaged."""
        damaged, changes = 0, []
        for name, bucket in self._book.items():
            stored = _META_PREFIX + name.encode()
            data, due = self._storage.read(Keyspace.META, stored), note.encode(bucket)
            if data != due and data == self._storage.latest(Keyspace.META, stored):
                damaged += data is None or not note.is_bare(data)
                changes.append((Keyspace.META, stored, due))
        if changes:
            self._storage.write(changes, False, _log_failure)
        return damaged

    def known(self, name: str) -> BucketProperties | None:
        """A bucket's properties; None if there is no such bucket."""
        bucket = self._book.get(name)
        return None if bucket is None or bucket.deleted else bucket

    def existing(self, name: str) -> BucketProperties | None:
        """The same where it matters that there is none. Raises NotReady while this node cannot tell."""
        bucket = self.known(name)
        if bucket is None and not self.compared and self.may_compare():
            raise NotReady(
                f"this node does not know bucket {name}, and has not compared its buckets with another node since its "
                "start; nothing was done, try again or use another node"
            )
        return bucket

    def is_dropped(self, name: str) -> bool:
        """Whether there was such a bucket, and it was dropped."""
        bucket = self._book.get(name)
        return bucket is not None and bucket.deleted

    def last(self, name: str) -> BucketProperties | None:
        """What is known of a bucket, also of a dropped one: its tombstones are still on the replicas that it had."""
        return self._book.get(name)

    def all(self) -> list[BucketProperties]:
        """Existing buckets in name order."""
        return [b for _, b in sorted(self._book.items()) if not b.deleted]

    def everything(self) -> list[BucketProperties]:
        """All entries, dropped ones included, in name order: what nodes share."""
        return [b for _, b in sorted(self._book.items())]

    def digest(self) -> int:
        """Hash of `everything`, never 0."""
        if self._digest == 0:
            self._digest = xxh3_64_intdigest(msgspec.msgpack.encode(self.everything(), order="sorted")) or 1
        return self._digest

    def placed(self, name: str) -> BucketProperties:
        """The properties that say where a bucket's records lie; those of a dropped bucket say so still."""
        return self._book.get(name) or self._fresh(name)

    def copies(self) -> list[int]:
        """Every n that some bucket has, in order; the default among them."""
        return sorted({self._defaults.n: None} | {bucket.n: None for bucket in self._book.values()})

    def knows(self, name: str) -> bool:
        """Whether the book has an entry, be it of a dropped bucket."""
        return name in self._book

    def for_reading(self, name: str) -> BucketProperties:
        """The bucket's properties; the defaults for one that nobody has written to. Raises BucketNotFound, NotReady."""
        bucket = self.known(name)
        if bucket is not None:
            return bucket
        self.existing(check_name(name))
        if not self._defaults.create_on_write or self._dropped_linearizable(name) is not None:
            raise _not_found(name)
        return self._fresh(name)

    def for_writing(self, name: str) -> BucketProperties:
        """The same; makes the bucket, with the defaults, if there is none and that is allowed."""
        bucket = self.known(name)
        if bucket is not None:
            return bucket
        self._check_room()
        # Nobody chose these defaults: what a client may have set, while this node did not hear of it, is newer.
        fresh = msgspec.structs.replace(self._stamped(self.for_reading(name), created=True), changed=NEVER)
        self.learn([fresh], _log_failure)
        self.on_created(fresh)
        return fresh

    def changed(self, wanted: BucketProperties) -> BucketProperties:
        """What to write for a client's PUT of properties. Raises InvalidParameter, BucketExists, NotReady."""
        wanted = check(wanted)
        existing = self.existing(wanted.name)
        bound = existing or self._dropped_linearizable(wanted.name)
        if bound is not None:
            _check_fixed(bound, wanted)
        if existing is None:
            self._check_room()
            return self._stamped(wanted, created=True)
        return self._stamped(
            msgspec.structs.replace(wanted, generation=existing.generation, created=existing.created), created=False
        )

    def _dropped_linearizable(self, name: str) -> BucketProperties | None:
        """Acceptors remember what they promised and accepted for the keys of a dropped bucket: the next one of its name
        needs the same mode and n, or a change that was under way could pass unseen by the new majorities.
        """
        last = self._book.get(name)
        return last if last is not None and last.deleted and last.mode is Mode.LINEARIZABLE else None

    def dropped(self, name: str) -> BucketProperties:
        """What to write for a client's DELETE. Raises BucketNotFound, NotReady."""
        existing = self.existing(name)
        if existing is None:
            raise _not_found(name)
        return self._stamped(msgspec.structs.replace(existing, deleted=True), created=False)

    def learn(self, buckets: list[BucketProperties], settled: Settled) -> list[BucketProperties]:
        """Merge what some node says; `settled` is called once it is durable. Returns the merged ones."""
        changes: list[tuple[Keyspace, bytes, bytes | None]] = []
        changed: list[str] = []
        result = []
        for bucket in buckets:
            mine = self._book.get(bucket.name)
            both = bucket if mine is None else merged(mine, bucket)
            result.append(both)
            if both != mine or bucket.name in self._unkept:
                self._book[bucket.name] = both
                self._digest = 0
                changed.append(bucket.name)
                changes.append((Keyspace.META, _META_PREFIX + bucket.name.encode(), note.encode(both)))

        def done(error: DynamoError | None) -> None:
            for name in changed:
                if error is None:
                    self._unkept.pop(name, None)
                else:
                    self._unkept[name] = None
            settled(error)

        self._storage.write(changes, True, done)
        return result

    def _fresh(self, name: str) -> BucketProperties:
        return BucketProperties(name=name, mode=Mode(self._defaults.mode), n=self._defaults.n)

    def _check_room(self) -> None:
        if len(self._book) >= self._defaults.count_max:
            raise TooManyBuckets(
                f"the cluster has {self._defaults.count_max} buckets (dropped ones count), its limit; use fewer "
                "buckets and longer keys, or raise buckets.count_max on every node",
                limit=self._defaults.count_max,
            )

    def _stamped(self, bucket: BucketProperties, *, created: bool) -> BucketProperties:
        entry = self._book.get(bucket.name)
        above = 0 if entry is None else max(entry.created[0], entry.changed[0])
        stamp = (self._hybrid.tick(self._clock.wall_ms(), above), self._node)
        if not created:
            return msgspec.structs.replace(bucket, changed=stamp)
        generation = 1 if entry is None else entry.generation + 1
        return msgspec.structs.replace(bucket, generation=generation, created=stamp, changed=stamp)


def _check_fixed(bound: BucketProperties, wanted: BucketProperties) -> None:
    """Raises BucketExists where a wish differs from what is fixed."""
    for field in ("mode", "n"):
        was, wish = getattr(bound, field), getattr(wanted, field)
        if was != wish:
            existed = "was dropped, and had" if bound.deleted else "exists with"
            raise BucketExists(
                f"bucket {wanted.name} {existed} {field}={_plain(was)}, which is fixed; it cannot become "
                f"{_plain(wish)}",
                expected=_plain(wish),
                actual=_plain(was),
            )


def _plain(value: object) -> object:
    return value.value if isinstance(value, Mode) else value


def _not_found(name: str) -> BucketNotFound:
    return BucketNotFound(f"there is no bucket {name}; make it with PUT /v1/buckets/{name}")


def _log_failure(error: DynamoError | None) -> None:
    if error is not None:
        log.warning("a bucket's properties could not be kept", problem=error.detail)


def _never() -> bool:
    return False


def _ignore(_: BucketProperties) -> None:
    pass
