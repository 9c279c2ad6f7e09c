"""From an HTTP request to a command: path, header fields and body, checked once, in this file.

Keys are bytes and come from the raw request target. A framework's decoded path would turn the keys `%ff%fe` and
`%25ff%25fe` into the same text, and collapse `..`; here every spelling that differs after one decoding is another key.
"""

from __future__ import annotations

import asyncio
import os
import re
from functools import lru_cache
from itertools import count
from typing import TypeVar

import msgspec
from aiohttp import web
from multidict import istr
from xxhash import xxh3_128_digest

from dynamo.api.parameters import duration_s, unescaped
from dynamo.api.request import Request
from dynamo.errors import (
    BadRequest,
    ConditionNeedsLinearizable,
    HeadersTooLarge,
    InvalidParameter,
    KeyTooLong,
    PreconditionRequired,
    RequestTimeout,
    UnsupportedMediaType,
    ValueTooLarge,
)
from dynamo.protocol.bucket import BucketProperties, check_name
from dynamo.protocol.http_fields import CONTEXT, IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_MAX, META_PREFIX, RETRY_AGE
from dynamo.ring.token import KEY_BYTES_MAX, key_hash
from dynamo.versioning.context import Context, from_token

T = TypeVar("T")
META_BYTES_MAX = 4096
CONTENT_TYPE_MAX = 256
CONTENT_ENCODING_META = ":content-encoding"
"""Where a value's Content-Encoding is kept: a colon is no token character, so no client can name a field like that."""

_CONTEXT = istr(CONTEXT)
_IDEMPOTENCY_KEY = istr(IDEMPOTENCY_KEY)
_RETRY_AGE = istr(RETRY_AGE)
_CONTENT_TYPE = istr("Content-Type")
_JSON = "application/json"
_PREFER = istr("Prefer")
_CONTENT_ENCODING = istr("Content-Encoding")
_META = META_PREFIX.lower()
_CONDITIONS = (istr("If-Match"), istr("If-None-Match"), istr("If-Unmodified-Since"))
_NAMES_MAX = 4096
_LONG_AGO_S = 1e9
_VISIBLE = re.compile(r"[!-~]+")

# Random once per process, then counted: a system call per write would hand the interpreter to the store's thread.
_NUMBER_BYTES = 6
_process = os.urandom(16 - _NUMBER_BYTES)
_numbers = count(1)


@lru_cache(maxsize=_NAMES_MAX)
def bucket_of(segment: str) -> str:
    """The bucket name of a path segment. Raises InvalidParameter."""
    if "%" in segment:
        # What is no ASCII becomes a character that no name may hold.
        segment = percent_decoded(segment).decode("ascii", "replace")
    return check_name(segment)


def key_of(segment: str) -> bytes:
    """The key of the rest of a path. Raises BadRequest for an empty one, KeyTooLong."""
    return checked_key(percent_decoded(segment) if "%" in segment else segment.encode("utf-8", "surrogateescape"))


def checked_key(key: bytes) -> bytes:
    """The key itself. Raises BadRequest for an empty one, KeyTooLong."""
    if not key:
        raise BadRequest("a key has at least one byte; to list a bucket, leave out the slash after its name")
    if len(key) > KEY_BYTES_MAX:
        raise KeyTooLong(f"the key has {len(key)} bytes, {KEY_BYTES_MAX} are allowed", limit=KEY_BYTES_MAX)
    return key


def percent_decoded(segment: str) -> bytes:
    """The bytes of a part of the path. Raises BadRequest for a stray percent sign."""
    try:
        return unescaped(segment, "path")
    except InvalidParameter as problem:
        raise BadRequest(problem.detail) from None


def context_of(request: Request, bucket: str, key: bytes) -> Context | None:
    """The causal context that the client sent, if any. Raises BadContext."""
    token = request.headers.get(_CONTEXT)
    return None if token is None else from_token(token, key_hash(bucket, key))


def refuse_conditions(request: Request, bucket: BucketProperties) -> None:
    """Conditions on writes are not checked here, so they must not look as if they were."""
    for name in _CONDITIONS:
        if name in request.headers:
            raise ConditionNeedsLinearizable(
                f"{name} on a write is honoured in linearizable buckets only, and this bucket's mode is "
                f"{bucket.mode.value}; send Dynamo-Context to supersede what you have read",
                mode=bucket.mode.value,
            )


def require_context(bucket: BucketProperties, context: Context | None) -> None:
    """Raises PreconditionRequired if the bucket wants a context and there is none."""
    if bucket.require_context and context is None:
        raise PreconditionRequired(
            "this bucket takes no write without a Dynamo-Context; GET the key first (a 404 carries one, too)"
        )


def idempotency_key(request: Request) -> str | None:
    """The client's own name for its request. Raises InvalidParameter."""
    text = request.headers.get(_IDEMPOTENCY_KEY)
    if retry_age_ms(request) is not None and text is None:
        raise InvalidParameter(
            f"{RETRY_AGE} speaks of attempts under one {IDEMPOTENCY_KEY}: send that, too", parameter=RETRY_AGE
        )
    return None if text is None else checked_idempotency_key(IDEMPOTENCY_KEY, text)


def checked_idempotency_key(parameter: str, text: str) -> str:
    """The text itself. Raises InvalidParameter."""
    if not (len(text) <= IDEMPOTENCY_KEY_MAX and _VISIBLE.fullmatch(text)):
        raise InvalidParameter(
            f"{parameter} must have 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters", parameter=parameter
        )
    return text


def retry_age_ms(request: Request) -> int | None:
    """How long ago the client sent its first attempt, if it says that there was one. Raises InvalidParameter."""
    text = request.headers.get(_RETRY_AGE)
    return None if text is None else int(min(duration_s(RETRY_AGE, text), _LONG_AGO_S) * 1000)


def identity(bucket: str, key: bytes, named: str | None) -> bytes:
    """16 bytes that name one write: equal for the same Idempotency-Key on the same key, unique without one."""
    if named is None:
        return _process + next(_numbers).to_bytes(_NUMBER_BYTES, "big")
    return xxh3_128_digest(b"\0".join((bucket.encode(), len(key).to_bytes(2, "big"), key, named.encode())))


def content_type_of(request: Request) -> str:
    """The value's Content-Type as the client wrote it; empty if it wrote none."""
    return checked_content_type(request.headers.get(_CONTENT_TYPE, ""))


def checked_content_type(text: str) -> str:
    """The text itself, fit to be sent back in a header field. Raises BadRequest, HeadersTooLarge."""
    if len(text) > CONTENT_TYPE_MAX:
        raise HeadersTooLarge(f"Content-Type is longer than {CONTENT_TYPE_MAX} characters", limit=CONTENT_TYPE_MAX)
    return _sendable("Content-Type", text)


def meta_of(request: Request) -> dict[str, str]:
    """What is to be stored beside the value: Dynamo-Meta-* and Content-Encoding."""
    meta: dict[str, str] = {}
    for name, text in request.headers.items():
        if name[: len(_META)].lower() == _META and len(name) > len(_META):
            short = name[len(_META) :].lower()
            meta[short] = f"{meta[short]}, {text}" if short in meta else text
    encoding = request.headers.get(_CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        meta[CONTENT_ENCODING_META] = encoding
    return checked_meta(meta) if meta else meta


def checked_meta(meta: dict[str, str]) -> dict[str, str]:
    """The metadata itself. Raises HeadersTooLarge, BadRequest."""
    size_bytes = 0
    for name, text in meta.items():
        size_bytes += len(name) + len(_sendable(f"{META_PREFIX}{name}", text).encode())
    if size_bytes > META_BYTES_MAX:
        raise HeadersTooLarge(
            f"the {META_PREFIX}* fields have {size_bytes} bytes in all, {META_BYTES_MAX} are allowed",
            limit=META_BYTES_MAX,
        )
    return meta


def _sendable(name: str, text: str) -> str:
    """The text itself if it is UTF-8 without control characters."""
    if text.isascii() and text.isprintable():
        return text
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise BadRequest(f"{name} holds control characters or is not UTF-8")
    return text


def return_representation(request: Request) -> bool:
    """Whether the client prefers to get the object back (RFC 7240)."""
    wishes = request.headers.get(_PREFER)
    return wishes is not None and any(
        part.split(";")[0].replace(" ", "").lower() == "return=representation" for part in wishes.split(",")
    )


def value_limit(bucket: BucketProperties, node_limit: int) -> int:
    """Largest value in bytes."""
    return min(bucket.value_bytes_max, node_limit) if bucket.value_bytes_max else node_limit


def refuse_large(size_bytes: int, limit: int) -> None:
    """Raises ValueTooLarge."""
    if size_bytes > limit:
        raise ValueTooLarge(f"the body has {size_bytes} bytes or more, {limit} are allowed", limit=limit)


def require_json(request: Request) -> None:
    """Raises UnsupportedMediaType unless the body is said to be JSON, or nothing is said."""
    said = request.headers.get(_CONTENT_TYPE, _JSON)
    if said == _JSON:
        return
    kind = said.split(";")[0].strip().lower()
    if kind != _JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"send Content-Type: application/json, not {kind[:64]!r}")


def from_json(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """The body as what it should be. Raises BadRequest for broken JSON and for another shape."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(f"the body is no {what}: {problem}") from None


def announced_bytes(request: Request, most: int) -> int:
    """Memory that a request's body may take: as announced; `most` where nothing is, or more than is taken."""
    if not request.body_exists:
        return 0
    announced = request.content_length
    return most if announced is None else min(announced, most)


async def body_of(request: Request, limit: int, timeout_s: float) -> bytes:
    """The whole body. Counted while it comes in, so that neither its announced nor its real size passes the limit.

    Raises ValueTooLarge, RequestTimeout, BadRequest.
    """
    content = request.content
    if content.is_eof():
        data = content.read_nowait()
        refuse_large(len(data), limit)
        return data
    refuse_large(request.content_length or 0, limit)
    _encourage(request)
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(timeout_s):
            while not content.at_eof():
                chunks.append(await content.readany())
                size_bytes += len(chunks[-1])
                refuse_large(size_bytes, limit)
    except TimeoutError:
        raise RequestTimeout(f"the body did not come within {timeout_s:g} s; {size_bytes} bytes of it did") from None
    except (web.RequestPayloadError, ConnectionError) as problem:
        raise BadRequest(f"the body ended early or is malformed after {size_bytes} bytes") from problem
    return b"".join(chunks)


def _encourage(request: Request) -> None:
    """Answer `Expect: 100-continue`, now that nothing speaks against the request."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
