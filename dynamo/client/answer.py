"""One HTTP answer, and how its parts are read. What is not as the contract has it becomes an error, never a guess."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from dynamo.errors import BadRequest, DynamoError, Internal, from_code
from dynamo.protocol import http_fields as fields

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
    doubtful: bool = False
    """Whether a write may have been applied by one of those before: what is refused here may be there all the same."""


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


def decoded(answer: Answer, model: type[T]) -> T:
    """The body of an answer that is expected to be JSON, with any status below 400."""
    if answer.status >= 400:
        raise failure(answer)
    return converted(answer.body, model)


def converted(body: bytes, model: type[T]) -> T:
    """JSON as what it should be. Raises Internal."""
    try:
        return msgspec.json.decode(body, type=model, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Internal(f"the node's answer cannot be read: {problem}") from problem


def unquoted(etag: str) -> str:
    """An entity tag without quotes."""
    return etag.removeprefix("W/").strip('"')


def number(text: str | None, default: T) -> int | T:
    """A whole number in a header field; `default` where there is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else default


def version_of(answer: Answer) -> int | None:
    """The version of a key in a linearizable bucket."""
    return number(answer.headers.get(fields.VERSION), None)


def instant(text: str | None) -> datetime | None:
    """The time in an HTTP date or in RFC 3339."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text) if text[0].isdigit() else parsedate_to_datetime(text)
    except ValueError as problem:
        raise Internal(f"the node sent a time that cannot be read: {text!r}") from problem
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def unbase64(text: str) -> bytes:
    """The bytes of base64. Raises Internal."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as problem:
        raise Internal("the node sent base64 that cannot be read") from problem


def _members(answer: Answer) -> dict[str, object]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}  # not a problem document: the caller falls back to the status


def _excerpt(answer: Answer) -> str:
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return " ".join(text.split()) or "no detail was given"
