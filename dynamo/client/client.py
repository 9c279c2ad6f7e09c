"""The calls.

Every call has one deadline (`timeout_s`, all attempts together), is routed to a replica of its key, moves on to another
node when one fails, and returns a typed result or raises a class of `dynamo.errors`. The context travels with the
objects: hand what you read back as `seen=` and the write replaces exactly that; without it a write says that it has
seen nothing, and in a siblings bucket stands beside what was there.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

from dynamo.client import answers, updating, wire
from dynamo.client.answer import Answer
from dynamo.client.caller import Caller
from dynamo.client.connection import Connections
from dynamo.client.resolve import Resolver, Resolvers, chosen, common_content_type, resolved, settled
from dynamo.client.results import (
    Changed,
    Conflict,
    Entry,
    Found,
    Location,
    Operation,
    Page,
    Resolved,
    Seen,
    Siblings,
    Value,
    Written,
)
from dynamo.client.routing import Routing
from dynamo.client.session import Session
from dynamo.client.wire import (
    BatchOptions,
    BucketOptions,
    CasOptions,
    ListOptions,
    ReadOptions,
    WriteOptions,
    key_bytes,
)
from dynamo.errors import DynamoError, InvalidParameter
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.http_fields import BATCH_MAX, IDEMPOTENCY_KEY, LIST_LIMIT_DEFAULT
from dynamo.ring.ring import Ring

ENDPOINTS_DEFAULT = ("127.0.0.1:7610", "127.0.0.1:7620", "127.0.0.1:7630")
TIMEOUT_S_DEFAULT = 5.0
CONNECTIONS_MAX = 100
VALUES_PAGE_MAX = 100
"""Most keys of a page that carries values."""


class AsyncClient:
    """A client of one cluster, for one event loop. Use it as a context manager, or call `close`.

    `endpoints` are client listeners (`host:port`) of some nodes; with `token_aware` the others are learnt from them.
    `connections_max` bounds open connections; calls beyond wait for one within their deadline.
    """

    def __init__(
        self,
        endpoints: Sequence[str] = ENDPOINTS_DEFAULT,
        *,
        timeout_s: float = TIMEOUT_S_DEFAULT,
        token_aware: bool = True,
        connections_max: int = CONNECTIONS_MAX,
        resolve: Resolvers = None,
    ) -> None:
        self.timeout_s = timeout_s
        """Deadline of a call that names none."""
        self.resolvers = resolve
        """What makes one value of concurrent ones, where a call names nothing else."""
        self._routing = Routing(endpoints, random.random)
        self._token_aware = token_aware
        self._connections_max = connections_max
        self._caller: Caller | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. The client cannot be used afterwards."""
        self._closed = True
        if self._caller is not None:
            await self._caller.close()
            self._caller = None

    async def get(
        self,
        bucket: str,
        key: str | bytes,
        *,
        seen: Seen = None,
        resolve: Resolver | None = None,
        **options: Unpack[ReadOptions],
    ) -> Found:
        """The value, the concurrent values, or that there is none. With `seen`, at least as new as that.

        Concurrent values go through `resolve`, or the client's own resolver; a call that names `siblings=` itself
        gets what it asks for. Raises QuorumUnavailable, ReadTimeout, ContextNotReached, SiblingsPresent
        (`siblings="fail"`), BadContext.
        """
        raw = key_bytes(key)
        answer = await self._call(wire.read(bucket, raw, seen, options), options.get("timeout_s"))
        found = answers.found(answer, bucket, raw)
        return found if "siblings" in options else settled(found, chosen(self.resolvers, bucket, resolve))

    async def put(
        self,
        bucket: str,
        key: str | bytes,
        value: bytes,
        *,
        seen: Seen = None,
        content_type: str = "",
        meta: Mapping[str, str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> Written:
        """Write a value, durable on W replicas when this returns; in a linearizable bucket, on a majority.

        There `seen` is a condition: raises PreconditionFailed if the key has changed since. Raises OutcomeUnknown if it
        may or may not have been written; every other error means that it was not.
        """
        raw = key_bytes(key)
        call = wire.write(bucket, raw, value, seen, content_type, meta or {}, options)
        return answers.written(await self._call(call, options.get("timeout_s")), bucket, raw)

    async def create(
        self,
        bucket: str,
        value: bytes,
        *,
        content_type: str = "",
        meta: Mapping[str, str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> Written:
        """Write a value under a key that the server makes; `Written.key` is that key."""
        call = wire.write(bucket, None, value, None, content_type, meta or {}, options)
        return answers.written(await self._call(call, options.get("timeout_s")), bucket, None)

    async def delete(
        self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[WriteOptions]
    ) -> Written:
        """Remove what was seen. Values that were written meanwhile stay. Raises as `put`."""
        raw = key_bytes(key)
        call = wire.delete(bucket, raw, seen, options)
        return answers.written(await self._call(call, options.get("timeout_s")), bucket, raw)

    async def cas(self, bucket: str, key: str | bytes, **options: Unpack[CasOptions]) -> Changed | Conflict:
        """Look at a key of a linearizable bucket and change it, in one step.

            await client.cas("locks", "leader", if_absent=True, set=b"me")
            await client.cas("accounts", "ada", if_version=found.version, set=b"90")
            await client.cas("accounts", "ada", add=-10)

        Raises OutcomeUnknown if it may or may not have been applied (`resolve` tells), NotAnInteger, ModeConflict.
        """
        raw = key_bytes(key)
        answer = await self._call(wire.cas(bucket, raw, options), options.get("timeout_s"))
        return answers.changed(answer, bucket, raw)

    async def resolve(
        self, bucket: str, key: str | bytes, idempotency_key: str, *, timeout_s: float | None = None
    ) -> Resolved:
        """Whether a change of unknown outcome was applied, for good: what was not is called off.

        For any write of a key in a linearizable bucket. Ask within ten minutes: an older one may be forgotten, and is
        taken for one that never came. Raises OutcomeUnknown if the question got no answer: ask again, unless its member
        `last_code` is outcome-forgotten.
        """
        raw = key_bytes(key)
        call = wire.resolve(bucket, raw, idempotency_key, wire.new_idempotency_key())
        return answers.decided(await self._call(call, timeout_s), bucket, raw)

    async def update(
        self,
        bucket: str,
        key: str | bytes,
        change: Callable[[bytes | None], bytes | None],
        *,
        resolve: Resolver | None = None,
        content_type: str | None = None,
        consistency: str | None = None,
        timeout_s: float | None = None,
    ) -> Written:
        """Read, change, write what replaces exactly what was read. `change` gets None for a missing key; None deletes.

        In a linearizable bucket that is a compare-and-set on the version, tried again until nobody came in between: so
        `change` may be called several times. Raises PreconditionFailed if there was no getting through.

        Elsewhere, concurrent values go through `resolve` first (`last_write_wins`, `union`, or your own), or the
        client's own resolver; without one they raise SiblingsPresent. A writer that comes in between loses nothing: its
        value stands beside this one, and the next `update` resolves both. So `resolve` must be able to merge what
        `change` makes. `consistency` is the bucket's own unless it is named.
        """
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        found = await self.get(bucket, key, **updating.reading(consistency, seconds_to(deadline)))
        if isinstance(found, Siblings) or found.version is None:
            new = change(resolved(found, chosen(self.resolvers, bucket, resolve)))
            options = updating.writing(consistency, seconds_to(deadline))
            if new is None:
                return await self.delete(bucket, key, seen=found, **options)
            kind = common_content_type(found) if content_type is None else content_type
            return await self.put(bucket, key, new, seen=found, content_type=kind, **options)
        attempts = updating.Attempts(deadline, content_type)
        while True:
            new = change(found.value if isinstance(found, Value) else None)
            result = await self.cas(bucket, key, **attempts.options(found, new, seconds_to(deadline)))
            if isinstance(result, Changed):
                return updating.written(result)
            await asyncio.sleep(attempts.pause_s(result, time.monotonic()))
            found = result.found

    async def page(
        self,
        bucket: str,
        *,
        prefix: str | bytes = b"",
        start: str | bytes = b"",
        end: str | bytes = b"",
        limit: int = LIST_LIMIT_DEFAULT,
        cursor: str | None = None,
        values: bool = False,
        **options: Unpack[ListOptions],
    ) -> Page:
        """Up to `limit` keys with start <= key < end, in partition order and ordered inside a partition key."""
        bounds = wire.Bounds(key_bytes(prefix), key_bytes(start), key_bytes(end))
        call = wire.page(bucket, bounds, limit, cursor, options, values=values)
        return answers.listed(await self._call(call, options.get("timeout_s")), bucket)

    async def list(
        self,
        bucket: str,
        *,
        prefix: str | bytes = b"",
        start: str | bytes = b"",
        end: str | bytes = b"",
        values: bool = False,
        page_size: int | None = None,
        **options: Unpack[ListOptions],
    ) -> AsyncIterator[Entry]:
        """All keys, page by page as they are consumed. No snapshot: keys written meanwhile may or may not appear."""
        size = page_size or (VALUES_PAGE_MAX if values else LIST_LIMIT_DEFAULT)
        cursor: str | None = None
        while True:
            page = await self.page(
                bucket, prefix=prefix, start=start, end=end, limit=size, cursor=cursor, values=values, **options
            )
            for entry in page.entries:
                yield entry
            if page.cursor is None:
                return
            cursor = page.cursor

    async def batch(
        self, operations: Sequence[Operation], **options: Unpack[BatchOptions]
    ) -> tuple[Found | Written | DynamoError, ...]:
        """Up to 100 operations in one request, a result each, errors as values. Not atomic."""
        if len(operations) > BATCH_MAX:
            raise InvalidParameter(f"a batch takes {BATCH_MAX} operations, not {len(operations)}", limit=BATCH_MAX)
        call = wire.batch(operations, options)
        answer = await self._call(call, options.get("timeout_s"))
        return answers.batched(answer, tuple(operations), call.headers[IDEMPOTENCY_KEY])

    async def bucket(self, name: str) -> BucketProperties:
        """Properties of a bucket. Raises BucketNotFound."""
        return answers.properties(await self._call(wire.show(wire.bucket_path(name))))

    async def buckets(self) -> tuple[BucketProperties, ...]:
        """All buckets."""
        return answers.all_properties(await self._call(wire.show("/v1/buckets")))

    async def put_bucket(self, name: str, **options: Unpack[BucketOptions]) -> BucketProperties:
        """Make a bucket or change it. Raises BucketExists if its mode or n would change."""
        return answers.properties(await self._call(wire.put_bucket(name, options)))

    async def delete_bucket(self, name: str) -> None:
        """Drop a bucket. Raises BucketNotFound."""
        answers.emptied(await self._call(wire.delete_bucket(name)))

    async def locate(self, bucket: str, key: str | bytes) -> Location:
        """The replicas of a key, by the topology of the node that answers."""
        raw = key_bytes(key)
        answer = await self._call(wire.show(wire.object_path(bucket, raw, "/v1/locate")))
        return answers.location(answer, bucket, raw)

    async def ring(self) -> Ring:
        """The topology; also routes by it from now on."""
        ring = answers.ring(await self._call(wire.ring()))
        if self._token_aware:
            self._routing.install(ring)
        return ring

    def session(self) -> Session:
        """Calls with memory: read your writes, monotonic reads."""
        return Session(self)

    async def _call(self, call: wire.Call, timeout_s: float | None = None) -> Answer:
        if self._closed:
            raise InvalidParameter("the client is closed")
        if self._caller is None:
            # Late, because connections belong to the loop that runs now.
            self._caller = Caller(Connections(self._connections_max), self._routing, refreshes=self._token_aware)
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        if limit_s <= 0:
            raise InvalidParameter(f"timeout_s must be above 0, not {limit_s}", parameter="timeout_s")
        return await self._caller.call(call, limit_s)


def seconds_to(deadline: float) -> float:
    """Seconds left, never so few that the call could not say what it met."""
    return max(deadline - time.monotonic(), 0.001)
