"""Calls to HTTP requests. Decides what is sent, sends nothing; `answers.py` is the way back.

Keys are bytes. They go into the path percent-encoded, and the path is handed over as already encoded, so that no
library on the way tidies `..` or `%2F`. Every write carries an `Idempotency-Key`, chosen once per call and kept over
its attempts.
"""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import TypedDict
from urllib.parse import quote

import msgspec

from dynamo.client.results import Operation, Seen, context_of
from dynamo.errors import InvalidParameter
from dynamo.protocol import bucket as buckets
from dynamo.protocol import http_fields as fields
from dynamo.protocol.http_fields import DEFAULT_CONTENT_TYPE


class ReadOptions(TypedDict, total=False):
    """What a read may ask for. Quorums are numbers or one, quorum, all."""

    consistency: str
    """one, quorum, all or linearizable; sets r."""
    r: int | str
    pr: int | str
    sloppy: bool
    siblings: str
    """all, lww (only the newest) or fail."""
    timeout_s: float
    """Deadline of the whole call, all attempts together."""


class ListOptions(TypedDict, total=False):
    """What a listing may ask for."""

    consistency: str
    r: int | str
    timeout_s: float
    """Deadline of each page."""


class WriteOptions(TypedDict, total=False):
    """What a write may ask for. Quorums are numbers or one, quorum, all."""

    consistency: str
    w: int | str
    dw: int | str
    pw: int | str
    sloppy: bool
    ttl_s: float
    timeout_s: float
    idempotency_key: str
    """Chosen by the client if it is not given. Two writes with the same one are one write."""
    retry_age_s: float
    """With that key: how many seconds ago the first call under it began, if it may have been applied."""


class CasOptions(TypedDict, total=False):
    """A compare-and-set: at most one condition, exactly one action."""

    if_version: int
    """0: the key was never written."""
    if_etag: str
    if_absent: bool
    """True: the key has no value. False: it has one."""
    if_value: bytes
    set: bytes
    delete: bool
    add: int
    """Added to the decimal integer that the value is; none counts as 0."""
    content_type: str
    meta: Mapping[str, str]
    timeout_s: float
    idempotency_key: str
    """Chosen by the client if it is not given. What is asked for under it takes effect once, for ten minutes."""
    retry_age_s: float
    """With that key: how many seconds ago the first call under it began, if it may have been applied."""


class BatchOptions(TypedDict, total=False):
    """What a batch may ask for, for all its operations."""

    consistency: str
    r: int | str
    pr: int | str
    w: int | str
    dw: int | str
    pw: int | str
    sloppy: bool
    timeout_s: float
    idempotency_key: str
    retry_age_s: float
    """With that key: how many seconds ago the first call under it began, if it may have been applied."""


class BucketOptions(TypedDict, total=False):
    """Properties of a bucket; those not named keep their value, or take the default in a new bucket."""

    mode: str
    n: int
    r: int | str
    w: int | str
    dw: int | str
    pr: int | str
    pw: int | str
    sloppy: bool
    ttl_s: int
    value_bytes_max: int
    require_context: bool
    staleness_sample: float | None


RING_PATH = "/v1/ring"
Query = tuple[tuple[str, str | bytes], ...]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, less the node that will get it and the time that it may take."""

    method: str
    path: str
    """Percent-encoded."""
    query: Query = ()
    """Not yet encoded."""
    headers: dict[str, str] = {}
    body: bytes | None = None
    bucket: str = ""
    key: bytes | None = None
    """With `bucket`, the place on the ring; None where any node will do."""
    writes: bool = False
    timed: bool = True
    """Whether the resource takes a `timeout`."""

    def target(self, timeout_s: float) -> str:
        """Path and query of an attempt that the server may spend `timeout_s` on."""
        pairs = self.query
        if self.timed:
            pairs = (*pairs, ("timeout", f"{max(1, int(timeout_s * 1000))}ms"))
        if not pairs:
            return self.path
        return self.path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


class Bounds(msgspec.Struct, frozen=True):
    """Which keys a listing is about."""

    prefix: bytes = b""
    start: bytes = b""
    end: bytes = b""
    """The first one that is not wanted any more; empty for no end."""


def key_bytes(key: str | bytes) -> bytes:
    """The bytes of a key; text is UTF-8."""
    return key.encode() if isinstance(key, str) else bytes(key)


def object_path(bucket: str, key: bytes, root: str = "/v1/kv") -> str:
    """Path of an object. Slashes stay readable unless a proxy would read the segments between them as navigation."""
    plain = all(segment not in (b"", b".", b"..") for segment in key.split(b"/"))
    return f"{root}/{quote(buckets.check_name(bucket), safe='')}/{quote(key, safe='/' if plain else '')}"


def read(bucket: str, key: bytes, seen: Seen, options: ReadOptions) -> Call:
    """GET of an object; with `seen`, no answer older than that."""
    headers = {"Accept": f"application/json, {fields.PROBLEM_JSON}, */*;q=0.5"}
    return Call(
        method="GET",
        path=object_path(bucket, key),
        query=_query(options, ("consistency", "r", "pr", "sloppy", "siblings")),
        headers=headers | _context(seen),
        bucket=bucket,
        key=key,
    )


def write(
    bucket: str,
    key: bytes | None,
    value: bytes,
    seen: Seen,
    content_type: str,
    meta: Mapping[str, str],
    options: WriteOptions,
) -> Call:
    """PUT of an object, or POST to the bucket where the server is to make the key."""
    headers = {"Content-Type": content_type or DEFAULT_CONTENT_TYPE} | _context(seen) | _identity(options)
    headers.update({fields.META_PREFIX + name: text for name, text in meta.items()})
    return Call(
        method="PUT" if key is not None else "POST",
        path=object_path(bucket, key) if key is not None else bucket_path(bucket, "/v1/kv"),
        query=_write_query(options),
        headers=headers,
        body=value,
        bucket=bucket,
        key=key,
        writes=True,
    )


def delete(bucket: str, key: bytes, seen: Seen, options: WriteOptions) -> Call:
    """DELETE of an object."""
    return Call(
        method="DELETE",
        path=object_path(bucket, key),
        query=_write_query(options),
        headers=_context(seen) | _identity(options),
        bucket=bucket,
        key=key,
        writes=True,
    )


def cas(bucket: str, key: bytes, options: CasOptions) -> Call:
    """POST of a compare-and-set. Raises InvalidParameter unless it says one thing."""
    content: dict[str, object] = {"then": _action(options)}
    condition = _condition(options)
    if condition:
        content["if"] = condition
    return _question("/v1/cas", bucket, key, content, _identity(options))


def resolve(bucket: str, key: bytes, idempotency_key: str, own: str) -> Call:
    """POST of a resolve of the change with that Idempotency-Key; `own` is that of the question."""
    headers = {fields.IDEMPOTENCY_KEY: own}
    return _question("/v1/resolve", bucket, key, {"idempotency_key": idempotency_key}, headers)


def page(bucket: str, bounds: Bounds, limit: int, cursor: str | None, options: ListOptions, *, values: bool) -> Call:
    """GET of a part of a listing."""
    named: Query = (("prefix", bounds.prefix), ("start", bounds.start), ("end", bounds.end), ("cursor", cursor or ""))
    query = [*(pair for pair in named if pair[1]), ("limit", str(limit)), *_query(options, ("consistency", "r"))]
    if values:
        query.append(("values", "true"))
    return Call(method="GET", path=bucket_path(bucket, "/v1/kv"), query=tuple(query), bucket=bucket)


def batch(operations: Sequence[Operation], options: BatchOptions) -> Call:
    """POST of up to 100 operations."""
    body = msgspec.json.encode({"operations": [_operation(o) for o in operations]})
    headers = {"Content-Type": "application/json"} | _identity(options)
    writes = any(o.op != "get" for o in operations)
    return Call(method="POST", path="/v1/batch", query=_write_query(options), headers=headers, body=body, writes=writes)


def bucket_path(bucket: str, root: str = "/v1/buckets") -> str:
    """Path of a bucket. Raises InvalidParameter for a name that no bucket can have."""
    return f"{root}/{quote(buckets.check_name(bucket), safe='')}"


def put_bucket(bucket: str, options: BucketOptions) -> Call:
    """PUT of a bucket's properties. Repeats harmlessly by nature."""
    return Call(
        method="PUT",
        path=bucket_path(bucket),
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode(options),
        writes=True,
    )


def delete_bucket(bucket: str) -> Call:
    """DELETE of a bucket."""
    return Call(method="DELETE", path=bucket_path(bucket), writes=True)


def ring() -> Call:
    """GET of the topology."""
    return show(RING_PATH)


def show(path: str) -> Call:
    """GET of what a node knows by itself: without parameters."""
    return Call(method="GET", path=path, timed=False)


def place_of(call: Call) -> dict[str, str]:
    """The bucket and the key that a call is about, in words that fit JSON; nothing for one that is about several."""
    return {} if call.key is None else named_place(call.bucket, call.key)


def named_place(bucket: str, key: bytes) -> dict[str, str]:
    """A bucket and a key in words that fit JSON."""
    return {"bucket": bucket, **_named(key)}


def new_idempotency_key() -> str:
    """32 hex digits that no other write has."""
    return uuid.uuid4().hex


def _question(root: str, bucket: str, key: bytes, content: object, headers: dict[str, str]) -> Call:
    return Call(
        method="POST",
        path=object_path(bucket, key, root),
        headers={"Content-Type": "application/json"} | headers,
        body=msgspec.json.encode(content),
        bucket=bucket,
        key=key,
        writes=True,
    )


def _condition(options: CasOptions) -> dict[str, object]:
    given: dict[str, object] = {}
    if "if_version" in options:
        given["version"] = options["if_version"]
    if "if_etag" in options:
        given["etag"] = options["if_etag"]
    if "if_absent" in options:
        given["absent"] = options["if_absent"]
    if "if_value" in options:
        given["value_b64"] = base64.b64encode(options["if_value"]).decode()
    if len(given) > 1:
        raise InvalidParameter(f"one condition is looked at, not {' and '.join(given)}", parameter="if")
    return given


def _action(options: CasOptions) -> dict[str, object]:
    given: dict[str, object] = {}
    if "set" in options:
        given["set_b64"] = base64.b64encode(options["set"]).decode()
    if options.get("delete"):
        given["delete"] = True
    if "add" in options:
        given["add"] = options["add"]
    if len(given) != 1:
        raise InvalidParameter("name one action: set=, delete=True or add=", parameter="then")
    described = {name: options[name] for name in ("content_type", "meta") if options.get(name)}
    if described and "set" not in options:
        raise InvalidParameter("content_type and meta belong to a value: they go with set=", parameter="then")
    return given | described


def _operation(operation: Operation) -> dict[str, object]:
    fields_of: dict[str, object] = {"op": operation.op, "bucket": buckets.check_name(operation.bucket)}
    fields_of.update(_named(key_bytes(operation.key)))
    if operation.value is not None:
        fields_of["value_b64"] = base64.b64encode(operation.value).decode()
        fields_of["content_type"] = operation.content_type or DEFAULT_CONTENT_TYPE
    if operation.meta:
        fields_of["meta"] = operation.meta
    if operation.ttl_s is not None:
        fields_of["ttl"] = _milliseconds(operation.ttl_s)
    context = context_of(operation.seen)
    if context is not None:
        fields_of["context"] = context
    return fields_of


def _named(key: bytes) -> dict[str, str]:
    try:
        return {"key": key.decode()}
    except UnicodeDecodeError:
        return {"key_b64": base64.b64encode(key).decode()}


def _query(options: Mapping[str, object], names: tuple[str, ...]) -> Query:
    return tuple((name, _word(options[name])) for name in names if options.get(name) is not None)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_query(options: WriteOptions | BatchOptions) -> Query:
    pairs = list(_query(options, ("consistency", "r", "pr", "w", "dw", "pw", "sloppy")))
    ttl_s = options.get("ttl_s")
    if isinstance(ttl_s, int | float):
        pairs.append(("ttl", _milliseconds(ttl_s)))
    return tuple(pairs)


def _milliseconds(seconds: float) -> str:
    """Rounded up: a short life must not become an endless one, which is spelt 0."""
    return f"{math.ceil(seconds * 1000)}ms"


def _context(seen: Seen) -> dict[str, str]:
    token = context_of(seen)
    return {} if token is None else {fields.CONTEXT: token}


def _identity(options: WriteOptions | CasOptions | BatchOptions) -> dict[str, str]:
    identity = {fields.IDEMPOTENCY_KEY: options.get("idempotency_key") or new_idempotency_key()}
    age_s = options.get("retry_age_s")
    return identity if age_s is None else identity | retry_age(age_s)


def retry_age(seconds: float) -> dict[str, str]:
    """The header field that says how long ago the first attempt was begun."""
    return {fields.RETRY_AGE: f"{math.ceil(seconds * 1000)}ms"}
