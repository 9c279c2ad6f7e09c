"""A session: a client that never seems to forget what it saw.

*Read your writes, monotonic reads*: the session remembers, per key, all that its answers have shown or written, and a
GET demands an answer at least that new (`Dynamo-Context`), whatever node gives it. *Writes follow reads*: a PUT or
DELETE says by default that it has seen what the session last read.

Two tokens a key, because they mean different things. The answer to a write speaks of the coordinator's whole record,
which may hold siblings that this session never read: good to demand from the next read, but a write that claimed to
have seen them would drop them silently. Only when the answer says that the write stands alone do the two become one.

Bound: the keys used last, `keys_max` of them; an older key loses the guarantee, as if the session began with it.
Source: Terry et al. 1994, "Session guarantees for weakly consistent replicated data".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol, Unpack

from dynamo.client.results import Found, Seen, Written, context_of
from dynamo.client.wire import ReadOptions, WriteOptions, key_bytes
from dynamo.errors import BadContext
from dynamo.ring.token import key_hash
from dynamo.versioning.context import from_token, to_token

KEYS_MAX = 10_000


class Store(Protocol):
    """What a session needs of a client."""

    async def get(self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[ReadOptions]) -> Found:
        """See `AsyncClient.get`."""

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
        """See `AsyncClient.put`."""

    async def delete(
        self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[WriteOptions]
    ) -> Written:
        """See `AsyncClient.delete`."""


class Contexts:
    """What a session knows of its keys."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._demanded: OrderedDict[tuple[str, bytes], str] = OrderedDict()
        self._read: dict[tuple[str, bytes], str] = {}

    def demanded(self, bucket: str, key: bytes) -> str | None:
        """What the next read must have seen."""
        return self._demanded.get((bucket, key))

    def read(self, bucket: str, key: bytes) -> str | None:
        """What the next write may say that it has seen."""
        return self._read.get((bucket, key))

    def after_read(self, bucket: str, key: bytes, token: str | None) -> None:
        """An answer showed the client what `token` covers."""
        if token is not None:
            self.demand(bucket, key, token)
            self._read[bucket, key] = token

    def after_write(self, written: Written, *, alone: bool) -> None:
        """A write was acknowledged. `alone`: its own value, or after a delete nothing, is all that lives."""
        if written.context is not None:
            self.demand(written.bucket, written.key, written.context)
            # The answer to a repeat may show a later write of somebody else, alone as well; where keys have versions,
            # it speaks of the write itself.
            if (alone and written.attempts == 1) or written.version is not None:
                self._read[written.bucket, written.key] = written.context

    def demand(self, bucket: str, key: bytes, token: str) -> None:
        """From now on, accept no answer that has not seen this as well. For tokens that came by another channel."""
        place = (bucket, key)
        known = self._demanded.pop(place, None)
        self._demanded[place] = token if known is None else _joined(known, token, bucket, key)
        while len(self._demanded) > self._keys_max:
            oldest, _ = self._demanded.popitem(last=False)
            self._read.pop(oldest, None)


class Session:
    """Calls as on the client, with memory. Tie one to each user or request chain, not to the process."""

    def __init__(self, store: Store, contexts: Contexts | None = None) -> None:
        self._store = store
        self.contexts = contexts if contexts is not None else Contexts()

    async def get(self, bucket: str, key: str | bytes, **options: Unpack[ReadOptions]) -> Found:
        """As `AsyncClient.get`, at least as new as anything this session has seen; else raises ContextNotReached."""
        raw = key_bytes(key)
        found = await self._store.get(bucket, raw, seen=self.contexts.demanded(bucket, raw), **options)
        self.contexts.after_read(bucket, raw, found.context)
        return found

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
        """As `AsyncClient.put`; replaces what this session last read of the key unless `seen` says otherwise."""
        raw = key_bytes(key)
        token = context_of(seen) or self.contexts.read(bucket, raw)
        written = await self._store.put(bucket, raw, value, seen=token, content_type=content_type, meta=meta, **options)
        named = "idempotency_key" in options  # it may be a repeat of an earlier call
        self.contexts.after_write(written, alone=written.siblings == 1 and not named)
        return written

    async def delete(
        self, bucket: str, key: str | bytes, *, seen: Seen = None, **options: Unpack[WriteOptions]
    ) -> Written:
        """As `AsyncClient.delete`; removes what this session last read of the key unless `seen` says otherwise."""
        raw = key_bytes(key)
        token = context_of(seen) or self.contexts.read(bucket, raw)
        written = await self._store.delete(bucket, raw, seen=token, **options)
        named = "idempotency_key" in options
        self.contexts.after_write(written, alone=written.siblings == 0 and not named)
        return written


def _joined(left: str, right: str, bucket: str, key: bytes) -> str:
    """The token of a client that holds both: answers to concurrent calls need not be comparable."""
    if left == right:
        return left
    place = key_hash(bucket, key)
    try:
        return to_token(from_token(left, place).joined(from_token(right, place)), place)
    except BadContext:
        # A format of a newer server, opaque to this client: the later one alone still gives read-your-writes.
        return right
