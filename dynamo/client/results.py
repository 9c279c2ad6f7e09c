"""What a call comes back with.

A read has three ordinary answers, and a missing key is one of them: `Value`, `Siblings`, `Missing`. Each carries the
causal context of what it shows, so that handing it back as `seen=` to a write says exactly what the writer knew.
Failures are the classes of `dynamo.errors`; the two that only a client can meet are here. They are no part of the
catalogue, because no node ever answers with them.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from dynamo.errors import Applied, DynamoError


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a key."""

    bucket: str
    key: bytes
    value: bytes
    content_type: str = ""
    context: str | None = None
    """Opaque token; for one value of several siblings, that of all of them."""
    etag: str = ""
    """Hash of the version set, without quotes."""
    meta: dict[str, str] = {}
    """Client metadata; lower-case names without the `Dynamo-Meta-` prefix."""
    last_modified: datetime | None = None
    expires_at: datetime | None = None
    """When the value will be gone; None: never."""
    resolved_from: int = 1
    """Above 1 a resolver made it from so many concurrent values, which are still stored; a write with `seen=` this
    replaces them all.
    """
    version: int | None = None
    """In a linearizable bucket: how many changes the key has seen, this one included."""


class Siblings(msgspec.Struct, frozen=True, kw_only=True):
    """Concurrent values, none of which has seen another. A write with `seen=` this replaces them all."""

    bucket: str
    key: bytes
    values: tuple[Value, ...]
    context: str | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """There is no value. After a delete, `context` lets the next write come after it."""

    bucket: str
    key: bytes
    context: str | None = None
    version: int | None = None
    """As of a value; 0 for a key that was never written. None also where a weaker read found nothing."""


Found = Value | Siblings | Missing


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """An acknowledged write or delete."""

    bucket: str
    key: bytes
    context: str | None = None
    """What the coordinator's record has seen, this write included. It may cover siblings that the writer never read."""
    etag: str = ""
    siblings: int = 1
    """Live values of the key at the coordinator after the write; above 1, somebody wrote at the same time."""
    primaries: int = 0
    """Durable acknowledgements when the answer was given."""
    fallbacks: int = 0
    coordinator: str = ""
    attempts: int = 1
    """Above 1 the write was repeated, and the answer may speak of a later state of the key than the write itself."""
    version: int | None = None
    """In a linearizable bucket: the one that this very write made, however often it was repeated."""
    repeated: bool = False
    """In a linearizable bucket: it had been applied before this request came."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A compare-and-set that was applied."""

    bucket: str
    key: bytes
    version: int
    """The one that it made: greater than that of every change before it, so it serves as a fencing token."""
    etag: str = ""
    exists: bool = True
    """False after a delete."""
    value: bytes | None = None
    """After an `add`, the sum; None in the repeat of one whose version was replaced since."""
    context: str | None = None
    coordinator: str = ""
    repeated: bool = False
    """It had been applied before this request came, and took effect once."""
    attempts: int = 1


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A compare-and-set whose condition did not hold; nothing was or will be changed by it."""

    bucket: str
    key: bytes
    version: int
    found: Value | Missing
    """What stood under the key instead."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change, for good."""

    bucket: str
    key: bytes
    applied: bool
    version: int
    """The one that it made; if it was not applied, the key's present one."""
    etag: str = ""
    exists: bool = True
    """Whether that version is a value."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a listing. The rest is only there if values were asked for."""

    bucket: str
    key: bytes
    values: tuple[Value, ...] = ()
    context: str | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a listing; `cursor` asks for the next part, None: this was the last."""

    entries: tuple[Entry, ...]
    cursor: str | None = None


class Operation(msgspec.Struct, frozen=True):
    """One step of a batch. `op` is get, put or delete."""

    op: str
    bucket: str
    key: str | bytes
    value: bytes | None = None
    content_type: str = ""
    seen: Value | Siblings | Missing | Written | Changed | Entry | str | None = None
    meta: dict[str, str] = {}
    ttl_s: float | None = None


class Replica(msgspec.Struct, frozen=True):
    """A node that is responsible for a key."""

    node: str
    host: str
    client_port: int
    role: str = "primary"
    host_label: str = ""
    """Which machine it runs on, where the configuration says so."""


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key lives."""

    bucket: str
    key: bytes
    partition: int
    token: str
    epoch: int
    replicas: tuple[Replica, ...]


class OutcomeUnknown(DynamoError):
    """A write was sent and no attempt was answered clearly: it may be there, or may still appear.

    `members["idempotency_key"]` is the key to repeat it with; say `retry_age_s`, too. In a linearizable bucket
    `resolve` makes a definite answer of it and of the members `bucket` and `key` (or `key_b64`). `__cause__` is what
    the last attempt met.
    """

    code = "outcome-unknown"
    title = "Outcome of the write unknown"
    http_status = 504
    applied = Applied.UNKNOWN
    retryable = True


class NodeUnreachable(DynamoError):
    """No connection could be made; nothing was sent."""

    code = "node-unreachable"
    title = "Node not reachable"
    http_status = 503
    retryable = True


class ConnectionLost(DynamoError):
    """The connection broke, or no answer came in time, after the request was sent."""

    code = "connection-lost"
    title = "Connection lost before the answer"
    http_status = 504
    applied = Applied.UNKNOWN
    retryable = True


Seen = Value | Siblings | Missing | Written | Changed | Entry | str | None
"""What a call may be told that its caller has seen: an earlier result, or a bare token."""


def context_of(seen: Seen) -> str | None:
    """The token of what was seen."""
    return seen if seen is None or isinstance(seen, str) else seen.context
