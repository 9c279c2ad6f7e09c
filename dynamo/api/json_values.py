"""Bytes inside JSON: text under a name, or base64 (standard alphabet, padded) under the same name with `_b64`."""

from __future__ import annotations

import base64
import binascii
import re

from dynamo.api import wire
from dynamo.errors import BadRequest

TEXT_TYPE = "text/plain; charset=utf-8"
"""Content-Type of a value that was given as text and names none."""
_META_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


def bytes_json(name: str, data: bytes) -> dict[str, str]:
    """The member for bytes: text where they are UTF-8."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_b64": base64.b64encode(data).decode("ascii")}


def utf8_bytes(name: str, text: str) -> bytes:
    """The bytes of text. Raises BadRequest."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{name} holds half of a surrogate pair; send the bytes as {name}_b64") from None


def base64_bytes(name: str, text: str) -> bytes:
    """The bytes of base64. Raises BadRequest."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{name} is not base64") from None


def either(name: str, text: str | None, in_base64: str | None) -> bytes:
    """The bytes of the one member of the two that is there. Raises BadRequest for none and for both."""
    if (text is None) == (in_base64 is None):
        raise BadRequest(f"give either {name} or {name}_b64")
    return base64_bytes(f"{name}_b64", in_base64 or "") if text is None else utf8_bytes(name, text)


def value_type(text: str | None, content_type: str | None) -> str:
    """The Content-Type of a value given as text, or in base64 (None). Raises BadRequest, HeadersTooLarge."""
    if content_type:
        return wire.checked_content_type(content_type)
    return "" if text is None else TEXT_TYPE


def meta_of(given: dict[str, str] | None) -> dict[str, str]:
    """Metadata under names that can stand in a header field. Raises BadRequest, HeadersTooLarge."""
    if not given:
        return {}
    meta = {name.lower(): text for name, text in given.items()}
    for name in meta:
        if not _META_NAME.fullmatch(name):
            raise BadRequest(f"{name[:64]!r} cannot be the name of a metadata field")
    return wire.checked_meta(meta)
