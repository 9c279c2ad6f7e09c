"""Both paths answer every request with the same bytes, and the hot one is taken where it should be."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.in_memory import both


def request(
    target: str, method: str = "GET", body: bytes = b"", fields: tuple[bytes, ...] = (), host: str = "x"
) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method.encode(), target.encode()), b"Host: " + host.encode(), *fields]
    if body or method in ("PUT", "POST"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def put(key: str = "k", value: bytes = b"value", *fields: bytes, query: str = "") -> bytes:
    return request(f"/v1/kv/b/{key}{query}", "PUT", value, (b"Idempotency-Key: " + key.encode(), *fields))


GET = request("/v1/kv/b/k")
JSON = b"Content-Type: application/json"
LINEARIZABLE = request("/v1/buckets/lin", "PUT", b'{"mode":"linearizable"}', (JSON,))


def cas(content: object, key: str = "k", *fields: bytes) -> bytes:
    return request(f"/v1/cas/lin/{key}", "POST", json.dumps(content).encode(), (b"Idempotency-Key: n1", *fields))


HOT = {
    "missing": [GET],
    "put and get": [put(), GET, GET],
    "head": [put(), request("/v1/kv/b/k", "HEAD"), GET, request("/v1/kv/b/k", "HEAD")],
    "head of nothing": [request("/v1/kv/b/k", "HEAD")],
    "post": [request("/v1/kv/b/k", "POST", b"v", (b"Idempotency-Key: a",)), GET],
    "delete": [put(), request("/v1/kv/b/k", "DELETE", fields=(b"Idempotency-Key: d",)), GET],
    "empty value": [put("k", b""), GET, GET],
    "content type and metadata": [
        put("k", b"{}", JSON, b"Dynamo-Meta-Author: Ada", b"Content-Encoding: br"),
        GET,
        GET,
    ],
    "two values": [
        put("k", b"1", b"Accept: */*"),
        request("/v1/kv/b/k", "PUT", b"2", (b"Idempotency-Key: o",)),
        GET,
        GET,
    ],
    "two values, one wanted": [
        put(),
        request("/v1/kv/b/k", "PUT", b"2", (b"Idempotency-Key: o",)),
        request("/v1/kv/b/k?siblings=lww"),
        request("/v1/kv/b/k?siblings=fail"),
        request("/v1/kv/b/k", fields=(b"Accept: multipart/mixed",)),
    ],
    "replaced": [put(), GET, put("k", b"other", query="?w=1"), request("/v1/kv/b/k?siblings=lww"), GET],
    "expires": [put("k", b"v", query="?ttl=5s"), GET, GET],
    "representation": [put("k", b"v", b"Prefer: return=representation"), GET],
    "entity tags": [
        put(),
        request("/v1/kv/b/k", fields=(b'If-None-Match: "*"',)),
        request("/v1/kv/b/k", fields=(b"If-None-Match: *",)),
        request("/v1/kv/b/k", fields=(b'If-Match: "nothing"',)),
        GET,
    ],
    "own name": [request("/v1/kv/b/k", fields=(b"Request-Id: mine",))],
    "traceparent": [
        request("/v1/kv/b/k", fields=(b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",))
    ],
    "levels": [put(), *(request(f"/v1/kv/b/k?consistency={c}") for c in ("one", "quorum", "all", "linearizable", "x"))],
    "parameters": [
        put(),
        *(request(f"/v1/kv/b/k?{q}") for q in ("r=1", "r=9", "w=1", "timeout=0s", "timeout=1ms", "", "r=1&r=2", "%")),
    ],
    "keys": [
        *(put(k) for k in ("%ff%fe", "a/b/c", "..", "%2e%2e", "k%", "k" * 400, "k" * 401, "")),
        *(request(f"/v1/kv/b/{k}") for k in ("%ff%fe", "a/b/c", "..", "%2e%2e", "k%", "k" * 400, "k" * 401, "")),
    ],
    "buckets": [put(), *(request(f"/v1/kv/{b}/k") for b in ("b", "%62", "B", "", "%ff", "b" * 64))],
    "context": [put(), request("/v1/kv/b/k", fields=(b"Dynamo-Context: AAAA",)), GET],
    "conditions that are not checked": [put("k", b"v", b"If-Match: *")],
    "cas": [
        LINEARIZABLE,
        cas({"if": {"absent": True}, "then": {"set": "ada"}}),
        request("/v1/kv/lin/k"),
        request("/v1/kv/lin/k?consistency=one"),
        request("/v1/kv/lin/k?consistency=one"),
        cas({"if": {"version": 5}, "then": {"delete": True}}, "k", b"X: y"),
        cas({"then": {}}),
        cas([]),
        request("/v1/cas/lin/k", "POST", b'{"', (JSON,)),
        request("/v1/cas/b/k", "POST", b'{"then":{"add":1}}'),
        request("/v1/resolve/lin/k", "POST", b'{"idempotency_key":"n1"}'),
        request("/v1/cas/lin/k", "POST", b"x", (b"Content-Type: text/plain",)),
    ],
    "changes of all kinds": [
        LINEARIZABLE,
        *(
            request("/v1/cas/lin/k", "POST", json.dumps({"then": then}).encode(), (b"Idempotency-Key: %d" % number,))
            for number, then in enumerate(
                (
                    {"set": "a"},
                    {"set_b64": "AP8=", "content_type": "image/png"},
                    {"set": "b", "content_type": "text/\u00e4"},
                    {"delete": True},
                    {"add": -5},
                    {"set": "c", "meta": {"author": "Ada"}},
                    {"set": "a", "add": 1},
                    {"add": 1, "meta": {}},
                )
            )
        ),
        cas({"if": {"absent": True, "version": 1}, "then": {"set": ""}}),
        cas({"if": {}, "then": {"set": ""}}),
    ],
    "linearizable keys": [
        LINEARIZABLE,
        *(
            request(f"/v1/kv/lin/k{query}", method, body, fields)
            for method, body, query, *fields in (
                ("PUT", b"1", "", b"Content-Type: image/png", b"Idempotency-Key: 1"),
                ("GET", b"", ""),
                ("GET", b"", "", b"If-None-Match: *"),
                ("GET", b"", "", b'If-Match: "x"'),
                ("HEAD", b"", ""),
                ("PUT", b"1", "", b"Content-Type: image/png", b"Idempotency-Key: 1"),
                ("PUT", b"2", "", b"Dynamo-Meta-Author: Ada", b"If-Match: *", b"Prefer: return=representation"),
                ("GET", b"", "?timeout=1s"),
                ("PUT", b"2", "", b"If-None-Match: *"),
                ("DELETE", b"", "", b"Idempotency-Key: 2"),
                ("DELETE", b"", "", b"If-Match: *"),
                ("GET", b"", ""),
                ("GET", b"", "?timeout=x"),
            )
        ),
    ],
    "a value of the limit": [put("k", bytes(100_000)), GET, put("l", bytes(100_001))],
    "answers of all sizes": [
        step for n in (1, 32_767, 32_768, 70_000) for step in (put(f"k{n}", bytes(n)), request(f"/v1/kv/b/k{n}"))
    ],
    "connection": [request("/v1/kv/b/k", fields=(b"Connection: keep-alive",))],
    "host later": [b"GET /v1/kv/b/k HTTP/1.1\r\nAccept: */*\r\nhost: x\r\n\r\n"],
}
"""Conversations in which most requests take the hot path."""

ORDINARY = {
    "other routes": [
        request("/v1/ring"),
        request("/v1/kv/b"),
        request("/v1/kv"),
        request("/nothing"),
        request("/v1/x/b/k"),
    ],
    "other methods": [request("/v1/kv/b/k", "PATCH"), request("/v1/kv/b/k", "OPTIONS"), request("/v1/cas/b/k")],
    "absolute form": [request("http://x/v1/kv/b/k")],
    "ends": [request("/v1/kv/b/k", fields=(b"Connection: close",))],
    "http/1.0": [b"GET /v1/kv/b/k HTTP/1.0\r\n\r\n"],
    "http/1.0, kept": [b"GET /v1/kv/b/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"],
    "expects": [request("/v1/kv/b/k", "PUT", b"v", (b"Expect: 100-continue",))],
    "upgrade": [request("/v1/kv/b/k", fields=(b"Upgrade: websocket", b"Connection: upgrade"))],
    "chunked": [b"PUT /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"],
    "two hosts": [b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"],
    "no host": [b"GET /v1/kv/b/k HTTP/1.1\r\nAccept: */*\r\n\r\n"],
    "two types": [put("k", b"v", JSON, JSON)],
    "beyond ascii": [request("/v1/kv/b/k", fields=("X: ü".encode(),)), request("/v1/kv/b/ü")],
    "control characters": [request("/v1/kv/b/k", fields=(b"X: a\x01",)), request("/v1/kv/b/k", fields=(b"X: a\x00",))],
    "nonsense": [b"hello\r\n\r\n"],
    "a large head": [request("/v1/kv/b/k", fields=tuple(b"X-%d: %s" % (i, b"v" * 900) for i in range(6)))],
    "a line too long": [request("/v1/kv/b/" + "k" * 9000)],
    "two at once": [GET + GET],
    "three at once, cut": [GET + put()[:30], put()[30:] + GET],
    "a body of its own": [put()[:-5], b"value"],
}
"""Conversations that go, or begin, the ordinary way."""


@pytest.mark.parametrize("name", HOT)
async def test_the_hot_path_answers_as_the_ordinary_one(name: str):
    """Byte for byte, request after request on one connection; all that may take it do, after the first odd one too."""
    hot, ordinary, taken = await both(*HOT[name])
    assert hot == ordinary
    assert hot.count(b"HTTP/1.1 ") == len(HOT[name])
    assert taken == sum(b"/v1/buckets/" not in each for each in HOT[name])


@pytest.mark.parametrize("name", ORDINARY)
async def test_what_is_not_plain_goes_the_ordinary_way(name: str):
    """And gives the same bytes, with a plain request before it and one behind it."""
    hot, ordinary, taken = await both(put("first"), *ORDINARY[name], GET)
    assert hot == ordinary
    assert hot.startswith(b"HTTP/1.1 204")
    assert 1 <= taken <= 3


@pytest.mark.parametrize("whole", [put(), GET, put("k", b"v") + GET])
async def test_a_request_may_be_cut_anywhere(whole: bytes):
    """Two pieces, whatever their border, are answered like one, as is the request that follows."""
    for cut in range(1, len(whole)):
        hot, ordinary, _ = await both(whole[:cut], whole[cut:], GET)
        assert hot == ordinary, cut


async def test_single_bytes():
    """A request in pieces of one byte, then one in one piece."""
    whole = put() + GET
    hot, ordinary, _ = await both(*(whole[i : i + 1] for i in range(len(whole))), GET)
    assert hot == ordinary
    assert hot.count(b"HTTP/1.1 ") == 3


_KEYS = st.sampled_from(["k", "l", "a/b", "%ff", "k%", "", "k" * 401])
_QUERIES = st.sampled_from(
    ["", "?r=1", "?r=0", "?consistency=one", "?consistency=all", "?timeout=1s", "?x=1", "?w=1", "?"]
)
_FIELDS = st.lists(
    st.sampled_from(
        [
            b"Accept: */*",
            b"accept:multipart/mixed",
            b"Idempotency-Key: one",
            b"idempotency-key:\ttwo ",
            b"Idempotency-Key: \x7f",
            b"Dynamo-Meta-A: 1",
            b"dynamo-meta-a: 2",
            b"Dynamo-Context: AAAA",
            b"If-None-Match: *",
            b'If-Match: "x"',
            b"Content-Type: text/plain; charset=utf-8",
            b"Content-Type: application/json",
            b"Content-Encoding: gzip",
            b"Prefer: return=representation",
            b"Request-Id: mine",
            b"Request-Id: <script>",
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"Connection: keep-alive",
            b"Connection: close",
            b"Content-Length: 1",
            b"Expect: 100-continue",
            b"X-Empty:",
            b"X: a b\tc",
            b"X : a",
            b"Transfer-Encoding: chunked",
            "X: ä".encode(),
        ]
    ),
    max_size=4,
)
_BODIES = st.sampled_from(
    [b"", b"v", b'{"then":{"add":1}}', b'{"then":{"set":"x"},"if":{"absent":true}}', bytes(70_000), b"{"]
)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "PUT", "PUT", "POST", "DELETE", "PATCH"]))
    route = draw(st.sampled_from(["kv/b", "kv/b", "kv/lin", "cas/lin", "resolve/lin", "cas/b", "kv/B"]))
    body = draw(_BODIES) if method in ("PUT", "POST") else b""
    return request(f"/v1/{route}/{draw(_KEYS)}{draw(_QUERIES)}", method, body, tuple(draw(_FIELDS)))


@st.composite
def _conversations(draw: st.DrawFn) -> list[bytes]:
    """Some requests, some of them cut or glued together."""
    pieces: list[bytes] = []
    for each in draw(st.lists(_requests(), min_size=1, max_size=5)):
        how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "glued"]))
        if how == "glued" and pieces:
            pieces[-1] += each
        elif how == "cut":
            at = draw(st.integers(1, min(len(each), 400) - 1))
            pieces += [each[:at], each[at:]]
        else:
            pieces.append(each)
    return pieces


@given(_conversations())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([GET + GET, GET])
def test_any_conversation_is_the_same_on_both_paths(conversation: list[bytes]):
    """Odd fields, wrong parameters, cut and pipelined requests: not one byte differs but the Date."""
    hot, ordinary, _ = asyncio.run(both(LINEARIZABLE, *conversation))
    assert hot == ordinary
