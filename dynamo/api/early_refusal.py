"""Refusing a request before anything is parsed: what keeps a flood from costing more than it is worth.

A request that goes the ordinary way and is refused costs a tenth of one that is carried out: parser, task, header
dictionary, handler, answer. At five times the load that a node carries, refusing four fifths that way would take half
of its time. So while the node is full, a request that is surely whole and surely for the store is answered with bytes
made beforehand, straight from the socket's callback.

*Surely* is the point: only plain requests (`api/plain.py`) are refused here, everything else goes the ordinary way. The
answer has the same fields and the same body as the ordinary one.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import msgspec
from multidict import istr

from dynamo.api.answer import http_date
from dynamo.api.plain import PlainRequest
from dynamo.api.problems import body
from dynamo.node.admission import RETRY_AFTER_S, Admission
from dynamo.protocol.http_fields import PROBLEM_JSON, REQUEST_ID
from dynamo.telemetry.exposition import Cell
from dynamo.telemetry.trace import request_id

_REQUEST_ID = istr(REQUEST_ID)
_TRACEPARENT = istr("traceparent")

_STORE = re.compile(r"(?!PUT|DELETE)[A-Z]+ /v1/kv/|[A-Z]+ /v1/kv/[^/? ]*/")
"""What is counted in admission: all methods on a key; on a bucket as a whole not these two, which are 405 there."""
_PLACE = "@@@@"


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

    def answer(self, request: PlainRequest) -> bytes | None:
        """The whole answer to a request; None if it must go the ordinary way."""
        # Some fields may be there once only, and too many are refused in another way.
        if not request.block.is_distinct or _STORE.match(f"{request.method} {request.raw_path}") is None:
            return None
        self._shed.value += 1
        headers = request.headers
        trace = request_id(headers.get(_REQUEST_ID), headers.get(_TRACEPARENT)).encode()
        template = self._template()
        date = http_date(int(time.time())).encode()
        head = template.head % (trace, date, template.body_bytes + len(trace))
        return head if request.method == "HEAD" else head + template.body % trace

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
