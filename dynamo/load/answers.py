"""What an answer says: how the request ended, which writes a read returned, and what its header tells of the key."""

from __future__ import annotations

import base64
import json

import msgspec

from dynamo.load.values import Values, Written
from dynamo.report.counts import ERROR, OK, REFUSED, REJECTED, TIMEOUT, UNAVAILABLE

CONTEXT = b"\r\nDynamo-Context: "
VERSION = b"\r\nDynamo-Version: "


class Corrupt(Exception):
    """A read returned what nobody wrote. That ends the run: no figure of such a store is worth anything."""


def outcome_of(status: int) -> int:
    """The place in OUTCOMES that a status means. 404 is an answer, like any other."""
    if status < 400 or status == 404:
        return OK
    if status == 412:
        return REFUSED
    if status == 503:
        return UNAVAILABLE
    if status == 504:
        return TIMEOUT
    return REJECTED if status < 500 else ERROR


def is_undecided(status: int) -> bool:
    """Whether a write that was answered so may still appear. Anything from 500 on but 503 does not rule it out."""
    return status >= 500 and status != 503


def returned(status: int, body: bytes, key: int, values: Values) -> list[Written]:
    """The writes whose values a read returned: one, several side by side, or none. Raises Corrupt."""
    if status == 200:
        return [_checked(body, key, values)]
    if status == 300:
        return [_checked(base64.b64decode(each["value_b64"]), key, values) for each in json.loads(body)["siblings"]]
    return []


def scanned(body: bytes, values: Values) -> int:
    """How many values a page of a listing holds, each of them checked. Raises Corrupt."""
    found = 0
    for entry in json.loads(body)["keys"]:
        for sibling in entry["siblings"]:
            if values.look(base64.b64decode(sibling["value_b64"])) is None:
                raise Corrupt(f"a scan returned a value of {entry.get('key')!r} that nobody wrote")
            found += 1
    return found


def _checked(body: bytes, key: int, values: Values) -> Written:
    written = values.look(body)
    if written is None:
        raise Corrupt(f"key {key}: {len(body)} bytes that nobody wrote: {body[:40]!r}")
    if written.key != key:
        raise Corrupt(f"key {key} has the value of key {written.key}")
    return written


def field(head: bytes, name: bytes) -> bytes:
    """A header field from its line end on, ready to be sent back; empty if there is none."""
    start = head.find(name)
    if start < 0:
        return b""
    end = head.find(b"\r", start + len(name))
    return head[start : end if end >= 0 else len(head)]


def version(head: bytes) -> int | None:
    """The number of a linearizable key's version; None if the answer tells none."""
    found = field(head, VERSION)
    return int(found[len(VERSION) :]) if found else None


class _There(msgspec.Struct):
    exists: bool = False
    value: str | None = None
    value_b64: str | None = None


_decoder = msgspec.json.Decoder(_There)


def there(body: bytes) -> bytes | None:
    """The value that a compare-and-set, or an addition, was told of; None if it says nothing of one."""
    try:
        said = _decoder.decode(body)
    except msgspec.DecodeError:
        return None
    if said.value_b64 is not None:
        return base64.b64decode(said.value_b64)
    return None if said.value is None else said.value.encode()
