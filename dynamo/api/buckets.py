"""Bucket properties: GET, PUT and DELETE of one, GET of all.

A PUT names what is to change; what it leaves out keeps its value, or takes the default where the bucket is new. So what
a GET shows may be sent back. Conditions on the properties' entity tag are checked by the node asked, for people who
edit: two PUTs through two nodes at the same moment may both pass.
"""

from __future__ import annotations

import time

import msgspec
from xxhash import xxh3_64_hexdigest

from dynamo.api import parameters, wire
from dynamo.api.answer import JSON_TYPE, Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.api.records import Records, names_tag
from dynamo.errors import BucketNotFound, InvalidParameter, PreconditionFailed
from dynamo.protocol.bucket import BucketProperties, Mode, check
from dynamo.protocol.http_fields import REQUEST_ID

BODY_BYTES_MAX = 65536


class Wanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a PUT. Types as in `BucketProperties`; `name`, if it is there, must be the one of the path."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    n: int | msgspec.UnsetType = msgspec.UNSET
    r: int | str | msgspec.UnsetType = msgspec.UNSET
    w: int | str | msgspec.UnsetType = msgspec.UNSET
    dw: int | str | msgspec.UnsetType = msgspec.UNSET
    pr: int | str | msgspec.UnsetType = msgspec.UNSET
    pw: int | str | msgspec.UnsetType = msgspec.UNSET
    sloppy: bool | msgspec.UnsetType = msgspec.UNSET
    ttl_s: int | msgspec.UnsetType = msgspec.UNSET
    value_bytes_max: int | msgspec.UnsetType = msgspec.UNSET
    require_context: bool | msgspec.UnsetType = msgspec.UNSET
    staleness_sample: float | msgspec.UnsetType | None = msgspec.UNSET


FIELDS = Wanted.__struct_fields__
_decoder = msgspec.json.Decoder(Wanted)


def properties_json(bucket: BucketProperties) -> dict[str, object]:
    """What a GET shows."""
    return {name: getattr(bucket, name) for name in FIELDS}


def tag_of(bucket: BucketProperties) -> str:
    """Entity tag of a bucket's properties, without quotes."""
    return xxh3_64_hexdigest(msgspec.json.encode(properties_json(bucket)))


class BucketPages:
    """The handlers of buckets."""

    def __init__(self, node: Node, records: Records) -> None:
        self._node = node
        self._records = records
        self._limits = node.config.limits

    async def all(self, call: Call) -> Answer:
        """GET of all buckets, in name order."""
        parameters.parse(call.query, parameters.NOTHING)
        buckets = [properties_json(bucket) for bucket in self._node.buckets.all()]
        return json_answer(200, {"buckets": buckets}, {REQUEST_ID: call.trace})

    async def get(self, call: Call) -> Answer:
        parameters.parse(call.query, parameters.NOTHING)
        bucket = self._existing(wire.bucket_of(call.bucket_segment))
        if names_tag(call.request.headers.get("If-None-Match", ""), tag_of(bucket)):
            return Answer(304, _fields(call, bucket))
        return self._page(200, call, bucket)

    async def put(self, call: Call) -> Answer:
        name = wire.bucket_of(call.bucket_segment)
        given = parameters.parse(call.query, parameters.TIMEOUT)
        timeout_s = self._records.timeout_s(given.timeout_s())
        body = await wire.body_of(call.request, BODY_BYTES_MAX, self._limits.body_timeout_s)
        if body:
            wire.require_json(call.request)
        existing = self._node.buckets.existing(name)
        self._check_conditions(call, existing)
        wanted = self._merged(name, existing, _wanted(name, body))
        made = await self._node.put_bucket(wanted, time.monotonic() + timeout_s, call.trace)
        return self._page(201 if existing is None else 200, call, made)

    async def delete(self, call: Call) -> Answer:
        name = wire.bucket_of(call.bucket_segment)
        given = parameters.parse(call.query, parameters.TIMEOUT)
        timeout_s = self._records.timeout_s(given.timeout_s())
        self._check_conditions(call, self._existing(name))
        await self._node.delete_bucket(name, time.monotonic() + timeout_s, call.trace)
        return Answer(204, {REQUEST_ID: call.trace})

    def _existing(self, name: str) -> BucketProperties:
        bucket = self._node.buckets.existing(name)
        if bucket is None:
            raise BucketNotFound(f"there is no bucket {name}; make it with PUT /v1/buckets/{name}")
        return bucket

    def _merged(self, name: str, existing: BucketProperties | None, wanted: Wanted) -> BucketProperties:
        base = existing or msgspec.structs.replace(self._records.defaults, name=name)
        chosen = {field: value for field, value in _given(wanted).items() if field != "name"}
        bucket = check(msgspec.structs.replace(base, **chosen))
        if bucket.ttl_s > parameters.TTL_S_MAX:
            raise InvalidParameter("ttl_s must be at most 100 years", parameter="ttl_s", limit=parameters.TTL_S_MAX)
        if bucket.value_bytes_max > self._limits.value_bytes_max:
            raise InvalidParameter(
                f"value_bytes_max must be at most {self._limits.value_bytes_max}, this node's own limit",
                parameter="value_bytes_max",
                limit=self._limits.value_bytes_max,
            )
        return bucket

    def _check_conditions(self, call: Call, existing: BucketProperties | None) -> None:
        """Raises PreconditionFailed."""
        headers = call.request.headers
        tag = None if existing is None else tag_of(existing)
        if "If-Match" in headers and (tag is None or not names_tag(headers["If-Match"], tag)):
            raise PreconditionFailed("the bucket's properties are others", current_etag=tag)
        if "If-None-Match" in headers and tag is not None and names_tag(headers["If-None-Match"], tag):
            raise PreconditionFailed("the bucket exists with these properties", current_etag=tag)

    def _page(self, status: int, call: Call, bucket: BucketProperties) -> Answer:
        fields = {"Content-Type": JSON_TYPE, **_fields(call, bucket)}
        return Answer(status, fields, msgspec.json.encode(properties_json(bucket)))


def _fields(call: Call, bucket: BucketProperties) -> dict[str, str]:
    return {REQUEST_ID: call.trace, "ETag": f'"{tag_of(bucket)}"'}


def _given(wanted: Wanted) -> dict[str, object]:
    return {name: value for name in FIELDS if (value := getattr(wanted, name)) is not msgspec.UNSET}


def _wanted(name: str, body: bytes) -> Wanted:
    """The body of a PUT; an empty one asks for the defaults. Raises BadRequest, InvalidParameter."""
    if not body:
        return Wanted()
    wanted = wire.from_json(_decoder, body, "set of bucket properties")
    if wanted.name not in (msgspec.UNSET, name):
        raise InvalidParameter("the body names another bucket than the path", parameter="name")
    return wanted
