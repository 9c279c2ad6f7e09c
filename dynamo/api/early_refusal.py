"""Refusing a request before anything is parsed: what keeps a flood from costing more than it is worth.

A request that goes the ordinary way and is refused costs a tenth of one that is carried out: parser, task, header
dictionary, handler, answer. At five times the load that a node carries, refusing four fifths that way would take half
of its time. So while the node is full, a request that is surely whole and surely for the store is answered with bytes
made beforehand, straight from the socket's callback.

*Surely* is the point. HTTP is full of ways to say where a request ends, and two opinions about that on one connection
are a security hole. This file has an opinion on the plain case only (PLAIN below), and gives none on everything else,
which goes the ordinary way. The answer has the same fields and the same body as the ordinary one.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import msgspec

from dynamo.api.answer import http_date
from dynamo.api.problems import body
from dynamo.node.admission import RETRY_AFTER_S, Admission
from dynamo.protocol.http_fields import PROBLEM_JSON, REQUEST_ID
from dynamo.telemetry.exposition import Cell
from dynamo.telemetry.trace import mint, request_id

HEAD_BYTES_MAX = 4096
"""Larger heads go the ordinary way, which has limits of its own."""
_FIELD = rb"""(?:\r\n
(?!content-length|transfer-encoding|expect|upgrade|host:|proxy-|sec-|connection:(?!\ *keep-alive\r))
[!#$%&'*+.^_`|~0-9a-z-]+:[\t\ -~]*)*+"""
PLAIN = re.compile(
    rb"(GET|HEAD|PUT|POST|DELETE)\ [!-~]+\ HTTP/1\.1(?i:\r\nhost:[\t\ -~]*"
    + _FIELD
    + rb"(?:\r\ncontent-length:\ *([0-9]{1,12}))?"
    + _FIELD
    + rb")\r\n\r\n",
    re.VERBOSE,
)
"""One head with CRLF line ends and regular fields, Host first, at most one Content-Length, and no other say about body,
protocol or connection."""
_NAME = re.compile(rb"\r\n([^:\r]+):")
_NAMES_MAX = 100
_STORE = re.compile(rb"(?!PUT|DELETE)[A-Z]+ /v1/kv/|[A-Z]+ /v1/kv/[^/? ]*/")
"""What is counted in admission: all methods on a key; on a bucket as a whole not these two, which are 405 there."""
_PLACE = "@@@@"


def request_bytes(data: bytes) -> int:
    """Length in bytes of the request that `data` begins with, body included; 0 for no opinion.

    It may be more than there is of it yet, or less.
    """
    found = PLAIN.match(data, 0, HEAD_BYTES_MAX)
    if found is None:
        return 0
    digits = found[2]
    return found.end() if digits is None else found.end() + int(digits)


class _Template(NamedTuple):
    """An answer with places for the request's id (twice), the date and the length."""

    head: bytes
    body: bytes
    body_bytes: int
    """Without the id."""


class EarlyRefusal:
    """Makes the answers of one listener while its node is full."""

    def __init__(self, admission: Admission, shed: Cell) -> None:
        self.admission = admission
        self._shed = shed
        self._limit = -1
        self._templates: list[_Template] = []
        self._turn = 0

    def answer(self, data: bytes) -> bytes | None:
        """The whole answer to `data`, which is one plain request; None if it must go the ordinary way."""
        names = _NAME.findall(data[: data.index(b"\r\n\r\n")].lower())
        # Some fields may be there once only, and too many are refused in another way.
        if _STORE.match(data) is None or len(frozenset(names)) < len(names) or len(names) > _NAMES_MAX:
            return None
        self._shed.value += 1
        trace = (_given_id(data) if b"request-id" in names or b"traceparent" in names else mint()).encode()
        template = self._template()
        date = http_date(int(time.time())).encode()
        head = template.head % (trace, date, template.body_bytes + len(trace))
        return head if data.startswith(b"HEAD") else head + template.body % trace

    def _template(self) -> _Template:
        """The next one in turn: they differ in Retry-After."""
        if self._limit != self.admission.limit:
            self._limit = self.admission.limit
            self._templates = [_made(self.admission, retry_after_s) for retry_after_s in RETRY_AFTER_S]
        self._turn = (self._turn + 1) % len(self._templates)
        return self._templates[self._turn]


def _made(admission: Admission, retry_after_s: int) -> _Template:
    text = msgspec.json.encode(body(admission.refusal(), _PLACE, "PUT"))
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {PROBLEM_JSON}\r\n{REQUEST_ID}: %b\r\n"
        f"Cache-Control: no-store\r\nRetry-After: {retry_after_s}\r\nDate: %b\r\nContent-Length: %d\r\n\r\n"
    )
    place = _PLACE.encode()
    return _Template(head.encode(), text.replace(b"%", b"%%").replace(place, b"%b"), len(text) - len(place))


def _given_id(data: bytes) -> str:
    """The request's id as the ordinary way would take it from the header; a minted one if it names none there."""
    head = data[: data.index(b"\r\n\r\n")].decode("ascii")
    fields = dict([_split(line) for line in head.split("\r\n")[1:]])
    return request_id(fields.get("request-id"), fields.get("traceparent"))


def _split(line: str) -> tuple[str, str]:
    name, _, text = line.partition(":")
    return name.lower(), text.strip(" \t")
