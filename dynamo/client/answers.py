"""HTTP answers to results. An answer that is none of the contract's becomes an error, never a guess."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from dynamo.client.results import (
    Entry,
    Found,
    Location,
    Missing,
    Operation,
    Page,
    Replica,
    Siblings,
    Value,
    Written,
)
from dynamo.client.wire import key_bytes
from dynamo.errors import BadRequest, DynamoError, Internal, KeyNotFound, from_code
from dynamo.protocol import http_fields as fields
from dynamo.protocol.bucket import BucketProperties
from dynamo.ring.ring import Member, Ring

T = TypeVar("T")

_PROBLEM_OWN = ("type", "title", "status", "detail", "instance", "code")


class Answer(msgspec.Struct, frozen=True):
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    attempts: int = 1
    """Requests that the call took, this one included."""


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


class _RingBody(msgspec.Struct):
    epoch: int
    members: list[_MemberBody]
    owners: list[str]


def failure(answer: Answer) -> DynamoError:
    """The error of an answer with a status of 400 or more, or of one that the contract does not know."""
    members = _members(answer)
    code = members.get("code")
    detail = str(members.get("detail") or "") or _excerpt(answer)
    extra = {name: value for name, value in members.items() if name not in _PROBLEM_OWN}
    if isinstance(code, str):
        return from_code(code, detail, **extra)
    # Below the application: the HTTP library of the node, or something between it and us.
    if 400 <= answer.status < 500:
        return BadRequest(f"HTTP {answer.status}: {detail}", http_status=answer.status)
    return Internal(f"HTTP {answer.status}: {detail}", http_status=answer.status)


def found(answer: Answer, bucket: str, key: bytes) -> Found:
    """What a read found."""
    if answer.status == 200:
        return Value(
            bucket=bucket,
            key=key,
            value=answer.body,
            content_type=answer.headers.get("Content-Type", ""),
            context=answer.headers.get(fields.CONTEXT),
            etag=_unquoted(answer.headers.get("ETag", "")),
            meta=_meta(answer.headers),
            last_modified=_instant(answer.headers.get("Last-Modified")),
            expires_at=_instant(answer.headers.get(fields.EXPIRES_AT)),
        )
    if answer.status == 300:
        body = _decoded(answer, _SiblingsBody)
        context = body.context or answer.headers.get(fields.CONTEXT)
        return Siblings(bucket=bucket, key=key, context=context, values=_values(body.siblings, bucket, key, context))
    error = failure(answer)
    if isinstance(error, KeyNotFound):
        return Missing(bucket=bucket, key=key, context=answer.headers.get(fields.CONTEXT))
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
        etag=_unquoted(answer.headers.get("ETag", "")),
        siblings=_number(answer.headers.get(fields.SIBLINGS), 1),
        primaries=_number(acks.get("primaries"), 0),
        fallbacks=_number(acks.get("fallbacks"), 0),
        coordinator=answer.headers.get(fields.COORDINATOR, ""),
        attempts=answer.attempts,
    )


def listed(answer: Answer, bucket: str) -> Page:
    """A part of a listing."""
    body = _decoded(answer, _PageBody)
    return Page(entries=tuple(_entry(e, bucket) for e in body.keys), cursor=body.cursor)


def batched(answer: Answer, operations: tuple[Operation, ...]) -> tuple[Found | Written | DynamoError, ...]:
    """What each operation of a batch came to; an error is a value here, since the others went their own way."""
    raws = _decoded(answer, _BatchBody).results
    if len(raws) != len(operations):
        raise Internal(f"{len(operations)} operations were sent and {len(raws)} results came back")
    return tuple(
        _result(bytes(raw), operation, answer.attempts) for raw, operation in zip(raws, operations, strict=True)
    )


def properties(answer: Answer) -> BucketProperties:
    """A bucket's properties."""
    if answer.status not in (200, 201):
        raise failure(answer)
    return _convert(answer.body, BucketProperties)


def all_properties(answer: Answer) -> tuple[BucketProperties, ...]:
    """The properties of all buckets."""
    return tuple(_convert(bytes(raw), BucketProperties) for raw in _decoded(answer, _BucketsBody).buckets)


def emptied(answer: Answer) -> None:
    """An answer that says no more than that it was done."""
    if answer.status not in (200, 202, 204):
        raise failure(answer)


def location(answer: Answer, bucket: str, key: bytes) -> Location:
    """Where a key lives."""
    body = _decoded(answer, _LocationBody)
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
    body = _decoded(answer, _RingBody)
    members = sorted(
        (Member(m.id, m.host, 0, m.client_port, 0, m.zone, m.weight) for m in body.members), key=lambda m: m.id
    )
    known = {m.id for m in members}
    # The walk along the ring relies on both, and this comes from outside.
    if not body.owners or len(body.owners) & (len(body.owners) - 1) or not known.issuperset(body.owners):
        raise Internal("the ring that the node sent is not one")
    return Ring(body.epoch, tuple(members), tuple(body.owners))


def _result(raw: bytes, operation: Operation, attempts: int) -> Found | Written | DynamoError:
    body = _convert(raw, _ResultBody)
    bucket, key = operation.bucket, key_bytes(operation.key)
    if body.status >= 400:
        error = failure(Answer(body.status, {}, raw))
        is_missing = operation.op == "get" and isinstance(error, KeyNotFound)
        return Missing(bucket=bucket, key=key, context=body.context) if is_missing else error
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
        )
    if body.status == 300:
        values = _values(body.siblings, bucket, key, body.context)
        return Siblings(bucket=bucket, key=key, context=body.context, values=values)
    return _values([_convert(raw, _SiblingBody)], bucket, key, body.context)[0]


def _entry(body: _EntryBody, bucket: str) -> Entry:
    if (body.key is None) == (body.key_b64 is None):
        raise Internal("an entry of a listing needs one of key and key_b64")
    key = _unbase64(body.key_b64) if body.key_b64 is not None else (body.key or "").encode()
    return Entry(bucket=bucket, key=key, context=body.context, values=_values(body.siblings, bucket, key, body.context))


def _values(bodies: list[_SiblingBody], bucket: str, key: bytes, context: str | None) -> tuple[Value, ...]:
    return tuple(
        Value(
            bucket=bucket,
            key=key,
            value=_unbase64(body.value_b64),
            content_type=body.content_type,
            context=context,
            etag=_unquoted(body.etag),
            meta=body.meta,
            last_modified=_instant(body.last_modified),
            expires_at=_instant(body.expires_at),
        )
        for body in bodies
    )


def _located(answer: Answer, bucket: str) -> bytes:
    path = answer.headers.get("Location", "").partition("?")[0]
    _, mark, tail = path.partition(f"/v1/kv/{bucket}/")
    if not mark or not tail:
        raise Internal("the node made a key and did not say which")
    return unquote_to_bytes(tail)


def _decoded(answer: Answer, model: type[T]) -> T:
    """The body of an answer that is expected to be JSON, with any status below 400."""
    if answer.status >= 400:
        raise failure(answer)
    return _convert(answer.body, model)


def _convert(body: bytes, model: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=model, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Internal(f"the node's answer cannot be read: {problem}") from problem


def _members(answer: Answer) -> dict[str, object]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}  # not a problem document: the caller falls back to the status


def _excerpt(answer: Answer) -> str:
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return " ".join(text.split()) or "no detail was given"


def _meta(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = fields.META_PREFIX.lower()
    return {name.lower()[len(prefix) :]: text for name, text in headers.items() if name.lower().startswith(prefix)}


def _unquoted(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default


def _instant(text: str | None) -> datetime | None:
    """The time in an HTTP date or in RFC 3339."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text) if text[0].isdigit() else parsedate_to_datetime(text)
    except ValueError as problem:
        raise Internal(f"the node sent a time that cannot be read: {text!r}") from problem
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as problem:
        raise Internal("the node sent base64 that cannot be read") from problem
