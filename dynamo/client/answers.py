"""HTTP answers to results. An answer that is none of the contract's becomes an error, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from dynamo.client.answer import (
    Answer,
    converted,
    decoded,
    failure,
    instant,
    number,
    unbase64,
    unquoted,
    version_of,
)
from dynamo.client.results import (
    Changed,
    Conflict,
    Entry,
    Found,
    Location,
    Missing,
    Operation,
    OutcomeUnknown,
    Page,
    Replica,
    Resolved,
    Siblings,
    Value,
    Written,
)
from dynamo.client.wire import key_bytes, named_place
from dynamo.errors import Applied, DynamoError, Internal, KeyNotFound
from dynamo.protocol import http_fields as fields
from dynamo.protocol.bucket import BucketProperties
from dynamo.ring.ring import Member, Ring

T = TypeVar("T")


class _SiblingBody(msgspec.Struct):
    value_b64: str
    etag: str = ""
    content_type: str = ""
    last_modified: str | None = None
    expires_at: str | None = None
    meta: dict[str, str] = {}


class _SiblingsBody(msgspec.Struct):
    siblings: list[_SiblingBody]
    context: str | None = None


class _EntryBody(msgspec.Struct):
    key: str | None = None
    key_b64: str | None = None
    etag: str = ""
    context: str | None = None
    siblings: list[_SiblingBody] = []


class _PageBody(msgspec.Struct):
    keys: list[_EntryBody]
    cursor: str | None = None


class _AcksBody(msgspec.Struct, frozen=True):
    primaries: int = 0
    fallbacks: int = 0


class _ResultBody(msgspec.Struct):
    status: int
    context: str | None = None
    etag: str = ""
    siblings: list[_SiblingBody] = []
    siblings_count: int = 1
    acks: _AcksBody = _AcksBody()
    coordinator: str = ""
    version: int | None = None
    repeated: bool = False


class _ChangedBody(msgspec.Struct):
    """An answer about a change: that it was applied, or the problem of one that was not."""

    applied: str
    version: int
    exists: bool
    etag: str | None = None
    current_etag: str | None = None
    value: str | None = None
    value_b64: str | None = None
    content_type: str = ""
    last_modified: str | None = None
    meta: dict[str, str] = {}
    coordinator: str = ""
    repeated: bool = False


class _BatchBody(msgspec.Struct):
    results: list[msgspec.Raw]


class _BucketsBody(msgspec.Struct):
    buckets: list[msgspec.Raw]


class _LocationBody(msgspec.Struct):
    partition: int
    epoch: int
    replicas: list[Replica]
    token: str | int = ""


class _MemberBody(msgspec.Struct):
    id: str
    host: str
    client_port: int
    zone: str = ""
    weight: int = 1
    host_label: str = ""


class _RingBody(msgspec.Struct):
    epoch: int
    members: list[_MemberBody]
    owners: list[str]


def found(answer: Answer, bucket: str, key: bytes) -> Found:
    """What a read found."""
    if answer.status == 200:
        return Value(
            bucket=bucket,
            key=key,
            value=answer.body,
            content_type=answer.headers.get("Content-Type", ""),
            context=answer.headers.get(fields.CONTEXT),
            etag=unquoted(answer.headers.get("ETag", "")),
            meta=_meta(answer.headers),
            last_modified=instant(answer.headers.get("Last-Modified")),
            expires_at=instant(answer.headers.get(fields.EXPIRES_AT)),
            version=version_of(answer),
        )
    if answer.status == 300:
        body = decoded(answer, _SiblingsBody)
        context = body.context or answer.headers.get(fields.CONTEXT)
        return Siblings(bucket=bucket, key=key, context=context, values=_values(body.siblings, bucket, key, context))
    error = failure(answer)
    if isinstance(error, KeyNotFound):
        return Missing(bucket=bucket, key=key, context=answer.headers.get(fields.CONTEXT), version=version_of(answer))
    raise error


def written(answer: Answer, bucket: str, key: bytes | None) -> Written:
    """What a write did. For a key made by the server, the key comes from `Location`."""
    if answer.status not in (200, 201, 204):
        raise failure(answer)
    if key is None:
        key = _located(answer, bucket)
    acks = dict(part.split("=", 1) for part in answer.headers.get(fields.ACKS, "").split() if "=" in part)
    return Written(
        bucket=bucket,
        key=key,
        context=answer.headers.get(fields.CONTEXT),
        etag=unquoted(answer.headers.get("ETag", "")),
        siblings=number(answer.headers.get(fields.SIBLINGS), 1),
        primaries=number(acks.get("primaries"), 0),
        fallbacks=number(acks.get("fallbacks"), 0),
        coordinator=answer.headers.get(fields.COORDINATOR, ""),
        attempts=answer.attempts,
        version=version_of(answer),
        repeated=answer.headers.get(fields.REPEATED) == "true",
    )


def changed(answer: Answer, bucket: str, key: bytes) -> Changed | Conflict:
    """What a compare-and-set came to."""
    context = answer.headers.get(fields.CONTEXT)
    if answer.status != 412:
        body = decoded(answer, _ChangedBody)
        return Changed(
            bucket=bucket,
            key=key,
            version=body.version,
            etag=body.etag or "",
            exists=body.exists,
            value=_bytes(body),
            context=context,
            coordinator=body.coordinator,
            repeated=body.repeated,
            attempts=answer.attempts,
        )
    body = converted(answer.body, _ChangedBody)
    value = _bytes(body)
    if value is None:
        found: Value | Missing = Missing(bucket=bucket, key=key, context=context, version=body.version)
    else:
        found = Value(
            bucket=bucket,
            key=key,
            value=value,
            content_type=body.content_type,
            context=context,
            etag=body.current_etag or "",
            meta=body.meta,
            last_modified=instant(body.last_modified),
            version=body.version,
        )
    return Conflict(bucket=bucket, key=key, version=body.version, found=found)


def decided(answer: Answer, bucket: str, key: bytes) -> Resolved:
    """What a resolve says."""
    body = decoded(answer, _ChangedBody)
    return Resolved(
        bucket=bucket,
        key=key,
        applied=body.applied == Applied.YES.value,
        version=body.version,
        etag=body.etag or "",
        exists=body.exists,
    )


def listed(answer: Answer, bucket: str) -> Page:
    """A part of a listing."""
    body = decoded(answer, _PageBody)
    return Page(entries=tuple(_entry(e, bucket) for e in body.keys), cursor=body.cursor)


def batched(answer: Answer, operations: tuple[Operation, ...], name: str) -> tuple[Found | Written | DynamoError, ...]:
    """What each operation of a batch came to; an error is a value here, since the others went their own way.

    `name` is the batch's Idempotency-Key.
    """
    raws = decoded(answer, _BatchBody).results
    if len(raws) != len(operations):
        raise Internal(f"{len(operations)} operations were sent and {len(raws)} results came back")
    results = [_result(bytes(raw), each, answer.attempts) for raw, each in zip(raws, operations, strict=True)]
    if answer.doubtful:
        for index, (result, each) in enumerate(zip(results, operations, strict=True)):
            if isinstance(result, DynamoError) and each.op != "get":
                place = named_place(each.bucket, key_bytes(each.key))
                results[index] = unknown(result, f"{name}#{index}", place)
    return tuple(results)


def unknown(error: DynamoError, name: str, place: dict[str, str]) -> OutcomeUnknown:
    """What a write ends with whose first attempts may have been applied, and whose last one met this error."""
    outcome = OutcomeUnknown(
        f"no node confirmed the write in time; what was met: {error.detail}",
        idempotency_key=name,
        last_code=error.code,
        **place,
    )
    outcome.__cause__ = error
    return outcome


def properties(answer: Answer) -> BucketProperties:
    """A bucket's properties."""
    if answer.status not in (200, 201):
        raise failure(answer)
    return converted(answer.body, BucketProperties)


def all_properties(answer: Answer) -> tuple[BucketProperties, ...]:
    """The properties of all buckets."""
    return tuple(converted(bytes(raw), BucketProperties) for raw in decoded(answer, _BucketsBody).buckets)


def emptied(answer: Answer) -> None:
    """An answer that says no more than that it was done."""
    if answer.status not in (200, 202, 204):
        raise failure(answer)


def location(answer: Answer, bucket: str, key: bytes) -> Location:
    """Where a key lives."""
    body = decoded(answer, _LocationBody)
    return Location(
        bucket=bucket,
        key=key,
        partition=body.partition,
        token=str(body.token),
        epoch=body.epoch,
        replicas=tuple(body.replicas),
    )


def ring(answer: Answer) -> Ring:
    """The topology, as far as clients are told it: without the ports of peers and operators."""
    body = decoded(answer, _RingBody)
    members = sorted(
        (Member(m.id, m.host, 0, m.client_port, 0, m.zone, m.weight, m.host_label) for m in body.members),
        key=lambda m: m.id,
    )
    known = {m.id for m in members}
    # The walk along the ring relies on both, and this comes from outside.
    if not body.owners or len(body.owners) & (len(body.owners) - 1) or not known.issuperset(body.owners):
        raise Internal("the ring that the node sent is not one")
    return Ring(body.epoch, tuple(members), tuple(body.owners))


def _result(raw: bytes, operation: Operation, attempts: int) -> Found | Written | DynamoError:
    body = converted(raw, _ResultBody)
    bucket, key = operation.bucket, key_bytes(operation.key)
    if body.status >= 400:
        error = failure(Answer(body.status, {}, raw))
        is_missing = operation.op == "get" and isinstance(error, KeyNotFound)
        missing = Missing(bucket=bucket, key=key, context=body.context, version=body.version)
        return missing if is_missing else error
    if operation.op != "get":
        return Written(
            bucket=bucket,
            key=key,
            context=body.context,
            etag=body.etag,
            siblings=body.siblings_count,
            primaries=body.acks.primaries,
            fallbacks=body.acks.fallbacks,
            coordinator=body.coordinator,
            attempts=attempts,
            version=body.version,
            repeated=body.repeated,
        )
    if body.status == 300:
        values = _values(body.siblings, bucket, key, body.context)
        return Siblings(bucket=bucket, key=key, context=body.context, values=values)
    value = _values([converted(raw, _SiblingBody)], bucket, key, body.context)[0]
    return value if body.version is None else msgspec.structs.replace(value, version=body.version)


def _entry(body: _EntryBody, bucket: str) -> Entry:
    if (body.key is None) == (body.key_b64 is None):
        raise Internal("an entry of a listing needs one of key and key_b64")
    key = unbase64(body.key_b64) if body.key_b64 is not None else (body.key or "").encode()
    return Entry(bucket=bucket, key=key, context=body.context, values=_values(body.siblings, bucket, key, body.context))


def _values(bodies: list[_SiblingBody], bucket: str, key: bytes, context: str | None) -> tuple[Value, ...]:
    return tuple(
        Value(
            bucket=bucket,
            key=key,
            value=unbase64(body.value_b64),
            content_type=body.content_type,
            context=context,
            etag=unquoted(body.etag),
            meta=body.meta,
            last_modified=instant(body.last_modified),
            expires_at=instant(body.expires_at),
        )
        for body in bodies
    )


def _located(answer: Answer, bucket: str) -> bytes:
    path = answer.headers.get("Location", "").partition("?")[0]
    _, mark, tail = path.partition(f"/v1/kv/{bucket}/")
    if not mark or not tail:
        raise Internal("the node made a key and did not say which")
    return unquote_to_bytes(tail)


def _meta(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = fields.META_PREFIX.lower()
    return {name.lower()[len(prefix) :]: text for name, text in headers.items() if name.lower().startswith(prefix)}


def _bytes(body: _ChangedBody) -> bytes | None:
    if body.value_b64 is not None:
        return unbase64(body.value_b64)
    return None if body.value is None else body.value.encode()
