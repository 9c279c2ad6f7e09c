"""What a run asks for: requests as bytes, and whether an answer is the right one.

One class an operation and system. `request` must be cheap, so all that can be made before the run is made in the
constructor; `fault` compares what came with what was written. Systems that are compared get the same keys and values.
"""

from __future__ import annotations

import base64
import json
from typing import Protocol

from dynamo.workload.keys import KeySpace

_CONTEXT = b"\r\nDynamo-Context: "


class Operation(Protocol):
    """One kind of request over a key space."""

    @property
    def name(self) -> str:
        """As a table shows it."""

    @property
    def keys(self) -> KeySpace:
        """The keys it runs over."""

    def request(self, position: int) -> bytes:
        """The whole request for the key at a position."""

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        """What is wrong with the answer to it; empty if nothing is."""


class Get:
    """GET of an object at `r` replicas. `timeout_ms`: what the node is told; its own default where 0."""

    def __init__(self, keys: KeySpace, bucket: str, r: int, timeout_ms: int = 0) -> None:
        self.name = f"GET R={r}"
        self.keys = keys
        query = _query("r", r, timeout_ms)
        self._requests = [get_request(f"/v1/kv/{bucket}/{key}?{query}") for key in keys.keys]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status == 200 and body == self.keys.values[position]:
            return ""
        return described(status, body) if status != 200 else "GET gave another value than was put"


class Put:
    """PUT of an object, done when `w` replicas have it. What the last answer said of the key goes with the next PUT.

    That is how a client of a bucket with siblings must write: without the context each PUT would add a value. `after`
    is an operation that wrote these keys before; what it learnt is shared. `timeout_ms` as for a GET.
    """

    def __init__(self, keys: KeySpace, bucket: str, w: int, after: Put | None = None, timeout_ms: int = 0) -> None:
        self.name = f"PUT W={w}"
        self.keys = keys
        query = _query("w", w, timeout_ms)
        self._heads = [_put_head(f"/v1/kv/{bucket}/{key}?{query}", keys.value_bytes) for key in keys.keys]
        self._tails = [b"\r\n\r\n" + value for value in keys.values]
        self.contexts: list[bytes] = [b""] * len(keys) if after is None else after.contexts
        """The header field to send with each key; empty before the first answer."""

    def request(self, position: int) -> bytes:
        return self._heads[position] + self.contexts[position] + self._tails[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != 204:
            return described(status, body)
        start = head.find(_CONTEXT)
        if start < 0:
            return "the answer to a PUT carries no context"
        end = head.find(b"\r", start + len(_CONTEXT))
        self.contexts[position] = head[start : end if end >= 0 else len(head)]
        return ""


class EtcdPut:
    """A put through etcd's JSON gateway."""

    name = "put"

    def __init__(self, keys: KeySpace) -> None:
        self.keys = keys
        self._requests = [
            _post("/v3/kv/put", {"key": _base64(key.encode()), "value": _base64(value)})
            for key, value in zip(keys.keys, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == 200 else described(status, body)


class EtcdRange:
    """A read of one key through etcd's JSON gateway, linearizable or (`serializable`) from the node that is asked."""

    def __init__(self, keys: KeySpace, *, serializable: bool) -> None:
        self.name = "range, serializable" if serializable else "range, linearizable"
        self.keys = keys
        also = {"serializable": True} if serializable else {}
        self._requests = [_post("/v3/kv/range", {"key": _base64(key.encode()), **also}) for key in keys.keys]
        self._values = [f'"value":"{_base64(value)}"'.encode() for value in keys.values]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status == 200 and self._values[position] in body:
            return ""
        return described(status, body) if status != 200 else "range gave another value than was put"


class Fixed:
    """GET of the same bytes again and again: what a bare server answers."""

    def __init__(self, keys: KeySpace, path: str, body: bytes) -> None:
        self.name = "GET"
        self.keys = keys
        self._request = get_request(path)
        self._body = body

    def request(self, position: int) -> bytes:
        return self._request

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == 200 and body == self._body else described(status, body)


def _query(quorum: str, number: int, timeout_ms: int) -> str:
    return f"{quorum}={number}" + (f"&timeout={timeout_ms}ms" if timeout_ms else "")


def get_request(target: str) -> bytes:
    """A GET of a path and query."""
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _put_head(target: str, value_bytes: int) -> bytes:
    return f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {value_bytes}".encode()


def _post(target: str, content: dict[str, object]) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    return f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def described(status: int, body: bytes) -> str:
    """An answer that should not have come."""
    return f"status {status}: {body[:200].decode('utf-8', 'replace')}"
