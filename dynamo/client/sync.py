"""The same calls for programs without an event loop.

A facade: one background thread runs a loop with an `AsyncClient`, and each call waits for its result there. So there is
one implementation of routing and retries, and a client may be shared by threads. `update` runs its function in the
caller's thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from dynamo.client import updating
from dynamo.client.client import (
    CONNECTIONS_MAX,
    ENDPOINTS_DEFAULT,
    TIMEOUT_S_DEFAULT,
    VALUES_PAGE_MAX,
    AsyncClient,
    seconds_to,
)
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
from dynamo.client.session import Contexts, Session
from dynamo.client.wire import BatchOptions, BucketOptions, CasOptions, ListOptions, ReadOptions, WriteOptions
from dynamo.errors import DynamoError, InvalidParameter
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.http_fields import LIST_LIMIT_DEFAULT
from dynamo.ring.ring import Ring

T = TypeVar("T")


class Client:
    """Twin of `AsyncClient`; see there for what each call means. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        endpoints: Sequence[str] = ENDPOINTS_DEFAULT,
        *,
        timeout_s: float = TIMEOUT_S_DEFAULT,
        token_aware: bool = True,
        connections_max: int = CONNECTIONS_MAX,
        resolve: Resolvers = None,
    ) -> None:
        self._client = AsyncClient(
            endpoints, timeout_s=timeout_s, token_aware=token_aware, connections_max=connections_max, resolve=resolve
        )
        self._is_open = True
        self._entry = threading.Lock()
        """Held while work is given to the loop, so that none comes after what ends it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dynamo-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and end the thread. May be called twice. Calls of other threads fail; none hangs."""
        with self._entry:
            if not self._is_open:
                return
            self._is_open = False
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        await self._client.close()
        if under_way := asyncio.all_tasks() - {asyncio.current_task()}:
            # They find the client closed; a loop that stopped before would leave their threads waiting for ever.
            await asyncio.wait(under_way)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine of the client's loop. An interrupt of this thread cancels it."""
        with self._entry:
            if not self._is_open:
                work.close()
                raise InvalidParameter("the client is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def get(
        self,
        bucket: str,
        key: str | bytes,
        *,
        seen: Seen = None,
        resolve: Resolver | None = None,
        **options: Unpack[ReadOptions],
    ) -> Found:
        """See `AsyncClient.get`. A resolver runs in this thread."""
        wanted: ReadOptions = {"siblings": "all", **options}
        found = self.run(self._client.get(bucket, key, seen=seen, **wanted))
        return found if "siblings" in options else settled(found, chosen(self._client.resolvers, bucket, resolve))

    def put(
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
        """See `AsyncClient.put`."""
        return self.run(
            self._client.put(bucket, key, value, seen=seen, content_type=content_type, meta=meta, **options)
        )

    def create(
        self,
        bucket: str,
        value: bytes,
        *,
        content_type: str = "",
        meta: Mapping[str, str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> Written:
        """See `AsyncClient.create`."""
        return self.run(self._client.create(bucket, value, content_type=content_type, meta=meta, **options))

    def delete(self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[WriteOptions]) -> Written:
        """See `AsyncClient.delete`."""
        return self.run(self._client.delete(bucket, key, seen=seen, **options))

    def cas(self, bucket: str, key: str | bytes, **options: Unpack[CasOptions]) -> Changed | Conflict:
        """See `AsyncClient.cas`."""
        return self.run(self._client.cas(bucket, key, **options))

    def resolve(
        self, bucket: str, key: str | bytes, idempotency_key: str, *, timeout_s: float | None = None
    ) -> Resolved:
        """See `AsyncClient.resolve`."""
        return self.run(self._client.resolve(bucket, key, idempotency_key, timeout_s=timeout_s))

    def update(
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
        """See `AsyncClient.update`. `change` and the resolver run in this thread, so that they may block."""
        deadline = time.monotonic() + (self._client.timeout_s if timeout_s is None else timeout_s)
        found = self.get(bucket, key, **updating.reading(consistency, seconds_to(deadline)))
        if isinstance(found, Siblings) or found.version is None:
            new = change(resolved(found, chosen(self._client.resolvers, bucket, resolve)))
            options = updating.writing(consistency, seconds_to(deadline))
            if new is None:
                return self.delete(bucket, key, seen=found, **options)
            kind = common_content_type(found) if content_type is None else content_type
            return self.put(bucket, key, new, seen=found, content_type=kind, **options)
        attempts = updating.Attempts(deadline, content_type)
        while True:
            new = change(found.value if isinstance(found, Value) else None)
            result = self.cas(bucket, key, **attempts.options(found, new, seconds_to(deadline)))
            if isinstance(result, Changed):
                return updating.written(result)
            time.sleep(attempts.pause_s(result, time.monotonic()))
            found = result.found

    def page(
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
        """See `AsyncClient.page`."""
        return self.run(
            self._client.page(
                bucket, prefix=prefix, start=start, end=end, limit=limit, cursor=cursor, values=values, **options
            )
        )

    def list(
        self,
        bucket: str,
        *,
        prefix: str | bytes = b"",
        start: str | bytes = b"",
        end: str | bytes = b"",
        values: bool = False,
        page_size: int | None = None,
        **options: Unpack[ListOptions],
    ) -> Iterator[Entry]:
        """See `AsyncClient.list`."""
        size = page_size or (VALUES_PAGE_MAX if values else LIST_LIMIT_DEFAULT)
        cursor: str | None = None
        while True:
            page = self.page(
                bucket, prefix=prefix, start=start, end=end, limit=size, cursor=cursor, values=values, **options
            )
            yield from page.entries
            if page.cursor is None:
                return
            cursor = page.cursor

    def batch(
        self, operations: Sequence[Operation], **options: Unpack[BatchOptions]
    ) -> tuple[Found | Written | DynamoError, ...]:
        """See `AsyncClient.batch`."""
        return self.run(self._client.batch(operations, **options))

    def bucket(self, name: str) -> BucketProperties:
        """See `AsyncClient.bucket`."""
        return self.run(self._client.bucket(name))

    def buckets(self) -> tuple[BucketProperties, ...]:
        """See `AsyncClient.buckets`."""
        return self.run(self._client.buckets())

    def put_bucket(self, name: str, **options: Unpack[BucketOptions]) -> BucketProperties:
        """See `AsyncClient.put_bucket`."""
        return self.run(self._client.put_bucket(name, **options))

    def delete_bucket(self, name: str) -> None:
        """See `AsyncClient.delete_bucket`."""
        self.run(self._client.delete_bucket(name))

    def locate(self, bucket: str, key: str | bytes) -> Location:
        """See `AsyncClient.locate`."""
        return self.run(self._client.locate(bucket, key))

    def ring(self) -> Ring:
        """See `AsyncClient.ring`."""
        return self.run(self._client.ring())

    def session(self) -> SyncSession:
        """See `AsyncClient.session`."""
        return SyncSession(self, self._client.session())


class SyncSession:
    """Twin of `Session`."""

    def __init__(self, client: Client, session: Session) -> None:
        self._client = client
        self._session = session

    @property
    def contexts(self) -> Contexts:
        """What the session knows of its keys."""
        return self._session.contexts

    def get(self, bucket: str, key: str | bytes, **options: Unpack[ReadOptions]) -> Found:
        """See `Session.get`."""
        return self._client.run(self._session.get(bucket, key, **options))

    def put(
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
        """See `Session.put`."""
        return self._client.run(
            self._session.put(bucket, key, value, seen=seen, content_type=content_type, meta=meta, **options)
        )

    def delete(self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[WriteOptions]) -> Written:
        """See `Session.delete`."""
        return self._client.run(self._session.delete(bucket, key, seen=seen, **options))
