"""Lines of an export or an import: one JSON object for one value.

    {"key": "user/1", "value": {"name": "Ada"}, "content_type": "application/json"}
    {"key_b64": "/w==", "value_b64": "AAE=", "content_type": "application/octet-stream", "meta": {"owner": "me"}}

A value that is JSON stands in the line as it is, byte for byte; any other in base64. A key with concurrent values has a
line for each, and importing them makes them concurrent again. A value that will expire has `expires_at`, and is given
the rest of its life.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import TypeVar

import msgspec

from dynamo.client.results import Value
from dynamo.ring.token import KEY_BYTES_MAX

T = TypeVar("T")

JSON_TYPE = "application/json"


class BadLine(Exception):
    """A line that is not to be imported, and why."""


class Row(msgspec.Struct, frozen=True):
    """What a line asks to be written."""

    key: bytes
    value: bytes
    content_type: str
    meta: dict[str, str] = {}
    expires_at: datetime | None = None


_ABSENT = msgspec.Raw()


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    key: str | None = None
    key_b64: str | None = None
    value: msgspec.Raw = _ABSENT
    value_b64: str | None = None
    content_type: str = ""
    meta: dict[str, str] = {}
    expires_at: datetime | None = None


_line = msgspec.json.Decoder(_Line)
_anything = msgspec.json.Decoder(object)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def line_of(value: Value) -> bytes:
    """The line, without its end."""
    line = _Line(content_type=value.content_type, meta=value.meta, expires_at=value.expires_at)
    try:
        line.key = value.key.decode()
    except UnicodeDecodeError:
        line.key_b64 = base64.b64encode(value.key).decode()
    if _stands_in_a_line(value.value):
        line.value = msgspec.Raw(value.value)
    else:
        line.value_b64 = base64.b64encode(value.value).decode()
    return _encoder.encode(line)


def row_of(line: bytes, key_field: str | None) -> Row:
    """What an exported line asks for; with `key_field`, the line itself is the value, under the key in that field.

    Raises BadLine.
    """
    row = _exported(line) if key_field is None else _record(line, key_field)
    if not row.key:
        raise BadLine("the key is empty")
    if len(row.key) > KEY_BYTES_MAX:
        raise BadLine(f"the key has {len(row.key)} bytes, {KEY_BYTES_MAX} are allowed")
    return row


def _exported(line: bytes) -> Row:
    found = _decoded(line, _line)
    if (found.key is None) == (found.key_b64 is None):
        raise BadLine("it needs one of key and key_b64")
    value = bytes(found.value)
    expires_at = found.expires_at
    if expires_at is not None and expires_at.tzinfo is None:
        raise BadLine("its expires_at names no time zone")
    if bool(value) == (found.value_b64 is not None):
        raise BadLine("it needs one of value and value_b64")
    key = found.key.encode() if found.key is not None else _unbase64(found.key_b64 or "")
    if value:
        return Row(key, value, found.content_type or JSON_TYPE, found.meta, expires_at)
    return Row(key, _unbase64(found.value_b64 or ""), found.content_type, found.meta, expires_at)


def _record(line: bytes, key_field: str) -> Row:
    raw = _decoded(line, _object).get(key_field)
    if raw is None:
        raise BadLine(f"it has no field {key_field!r}")
    key = _decoded(bytes(raw), _anything)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise BadLine(f"its field {key_field!r} is neither text nor a whole number")
    return Row(str(key).encode(), line, JSON_TYPE)


def _decoded(line: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        line.decode()  # the decoder looks at the encoding of what it keeps, not of what it passes over
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadLine(str(problem)) from problem


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as problem:
        raise BadLine(f"its base64 cannot be read: {problem}") from problem


def _stands_in_a_line(value: bytes) -> bool:
    """Whether it is JSON that comes back from inside a line byte for byte."""
    if value != value.strip() or b"\n" in value or b"\r" in value:
        return False
    try:
        value.decode()
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
