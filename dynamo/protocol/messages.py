"""Every message between nodes, one class each: the peer protocol on one page.

Requests and replies are told apart by their envelope, not by class. Tags and field order are the wire format
(`array_like`): append fields, never reorder, never reuse a tag. Golden bytes: `tests/unit/protocol/test_codec.py`.
"""

from __future__ import annotations

import msgspec

from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import WriteCommand, WriteOutcome


class Ping(msgspec.Struct, tag=1, array_like=True, gc=False):
    """Are you there? Answered by Pong."""


class Pong(msgspec.Struct, tag=2, array_like=True, gc=False):
    """Yes."""


class Fetch(msgspec.Struct, tag=3, array_like=True, gc=False):
    """What do you hold under this key? Answered by Fetched, from durable state only."""

    bucket: str
    key: bytes


class Fetched(msgspec.Struct, tag=4, array_like=True, gc=False):
    """The record in its byte form; empty if there is none."""

    record: bytes


class Store(msgspec.Struct, tag=5, array_like=True, gc=False):
    """Merge this record into yours. Answered by Stored once it is as durable as asked. Repeats harmlessly."""

    bucket: str
    key: bytes
    record: bytes
    durable: bool = True
    """Sync before answering even where the node runs with `durability = "async"`."""
    hint_for: str = ""
    """Keep it as a hint for that node instead; empty for a write of the receiver's own."""


class Stored(msgspec.Struct, tag=6, array_like=True, gc=False):
    """It is on disk (or, where async durability was asked for, in the store)."""


class Forward(msgspec.Struct, tag=7, array_like=True, gc=False):
    """Coordinate this write for me: I am no replica of its key. Answered by Forwarded; never forwarded again."""

    command: WriteCommand


class Forwarded(msgspec.Struct, tag=8, array_like=True, gc=False):
    """The outcome of a forwarded write."""

    outcome: WriteOutcome


class Scan(msgspec.Struct, tag=9, array_like=True, gc=False):
    """Records of a bucket in one partition, in key order, from `start` up to and without `end`. Answered by Scanned."""

    bucket: str
    partition: int
    start: bytes
    end: bytes
    """Empty for no end."""
    prefix: bytes
    limit: int
    values: bool


class Scanned(msgspec.Struct, tag=10, array_like=True, gc=False):
    """Keys with records (values blanked unless wanted), tombstones included."""

    entries: list[tuple[bytes, bytes]]
    more: bool
    """The scan stopped at its limit; more may follow the last key."""


class ShareBuckets(msgspec.Struct, tag=11, array_like=True, gc=False):
    """Properties I know; merge them. Answered by Buckets."""

    buckets: list[BucketProperties]
    digest: int = 0
    """Hash of all properties I hold; if yours differs after the merge, answer with all of yours. 0: do not compare."""


class Buckets(msgspec.Struct, tag=12, array_like=True, gc=False):
    """The merged properties of the names that were shared, durable at the sender; or all that it holds."""

    buckets: list[BucketProperties]


class Refused(msgspec.Struct, tag=13, array_like=True, gc=False):
    """I will not, or could not: an error of the catalogue. `members` are its extra fields in JSON."""

    code: str
    detail: str
    members: bytes = b"{}"


class Status(msgspec.Struct, tag=14, array_like=True, gc=False):
    """How do you see the cluster? Answered by StatusReport."""


class StatusReport(msgspec.Struct, tag=15, array_like=True, gc=False):
    """A node's own view, for `dynamo cluster status`."""

    node: str
    version: str
    epoch: int
    incarnation: str
    peers_up: list[str]
    keys: int
    store_bytes: int
    uptime_s: float


Message = (
    Ping
    | Pong
    | Fetch
    | Fetched
    | Store
    | Stored
    | Forward
    | Forwarded
    | Scan
    | Scanned
    | ShareBuckets
    | Buckets
    | Refused
    | Status
    | StatusReport
)
