"""Every failure is a problem document that tells what became of the request, and none of them changes the store."""

import asyncio

import pytest

from dynamo import errors
from dynamo.errors import CATALOGUE, DynamoError
from tests.api.serving import assert_problem, fresh, parsed

AT_START_ONLY = {"bad-config"}
# Of errors that mean "perhaps written", by their class.
UNKNOWN = {"write-timeout", "outcome-forgotten", "internal"}


@pytest.mark.parametrize("code", sorted(set(CATALOGUE) - AT_START_ONLY))
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_error_of_the_node_is_answered_as_the_catalogue_says(fake, code: str, method: str):
    """Status, code, what was applied, when to come back; a read never applies anything."""
    kind = CATALOGUE[code]
    fake.node.fail_with = kind("what to do about it", required=2, received=1, status="forged")
    reply = await fake.call(method, "/v1/kv/b/k", b"v" if method == "PUT" else None)
    applied = "no" if method == "GET" else kind.applied.value
    assert (applied == "unknown") == (code in UNKNOWN and method != "GET")
    problem = assert_problem(reply, kind.http_status, code, applied)
    assert problem["detail"] == "what to do about it"
    assert (problem["required"], problem["received"]) == (2, 1)
    retry_after = None if kind.retry_after_s is None else str(kind.retry_after_s)
    assert reply.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_bug_is_answered_without_a_traceback(fake, method: str, caplog):
    """The client gets an id, the log gets the rest under that id; the outcome of a write is unknown."""
    fake.node.fail_with = ZeroDivisionError("secret detail")
    reply = await fake.call(method, "/v1/kv/b/k", b"v" if method == "PUT" else None, Request_Id="find-me")
    assert_problem(reply, 500, "internal", "no" if method == "GET" else "unknown")
    assert b"secret" not in reply.body
    assert reply.headers["Request-Id"] == "find-me"
    (record,) = [r for r in caplog.records if r.name == "dynamo.api"]
    assert record.exc_info[0] is ZeroDivisionError
    assert record.dynamo_fields["request_id"] == "find-me"
    assert fake.node.admission.inflight == 0


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/kv/b/k", "/v1/kv", "/v1/nothing/b/k", "/v1/ring/x", "//"])
async def test_an_unknown_path_is_a_problem(api, path: str):
    """404 for what is not there, whatever the method."""
    for method in ("GET", "PUT", "OPTIONS"):
        assert_problem(await api.call(method, path), 404, "route-not-found")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/v1/kv/b/k", "PATCH", "DELETE, GET, HEAD, POST, PUT"),
        ("/v1/kv/b/k", "OPTIONS", "DELETE, GET, HEAD, POST, PUT"),
        ("/v1/kv/b", "DELETE", "GET, HEAD, POST"),
        ("/v1/buckets", "POST", "GET, HEAD"),
        ("/v1/buckets/b", "POST", "DELETE, GET, HEAD, PUT"),
        ("/v1/batch", "GET", "POST"),
        ("/v1/cas/b/k", "GET", "POST"),
        ("/v1/resolve/b/k", "PUT", "POST"),
        ("/v1/ring", "TRACE", "GET, HEAD"),
        ("/v1/kv/b/k", "MKCOL", "DELETE, GET, HEAD, POST, PUT"),
    ],
)
async def test_another_method_is_told_which_there_are(api, path: str, method: str, allowed: str):
    """405 with Allow."""
    reply = await api.call(method, path)
    assert_problem(reply, 405, "method-not-allowed")
    assert reply.headers["Allow"] == allowed


MALFORMED = [
    b"nonsense\r\n\r\n",
    b"GET /v1/ring HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /v1/ring HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /v1/ring HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"PUT /v1/kv/%b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"PUT /v1/kv/%b/k HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"PUT /v1/kv/%b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /v1/kv/%b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /v1/ring HTTP/1.1\r\nHost: x\r\nX-\x00: y\r\n\r\n",
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
async def test_malformed_http_is_answered_and_changes_nothing(api, number: int):
    """400 as a problem without an echo of the input, and the connection ends; no request reaches the store."""
    bucket = fresh()
    request = MALFORMED[number].replace(b"%b", bucket.encode())
    answer = parsed(await api.raw(request))
    assert_problem(answer, 400, "bad-request")
    assert answer.headers["Connection"] == "close"
    assert b"nonsense" not in answer.body
    assert (await api.call("GET", f"/v1/kv/{bucket}/k")).status == 404


@pytest.mark.parametrize("chunks", [b"3\r\nabc\r\nzz\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"-1\r\n"])
async def test_a_broken_chunk_is_answered_and_changes_nothing(api, chunks: bytes):
    """A body that turns malformed halfway is refused, at once or when its time is up; its beginning is not stored."""
    at = f"/v1/kv/{fresh()}/k"
    head = f"PUT {at} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = parsed(await api.raw(head, chunks))
    # The parser tells a waiting reader nothing of an error in a later packet.
    assert answer.json["code"] in ("bad-request", "request-timeout")
    assert answer.json["applied"] == "no"
    assert (await api.call("GET", at)).status == 404


async def test_malformed_requests_fill_no_log(fake, caplog):
    """A hundred of them are one line, without a traceback and without their bytes."""
    for _ in range(100):
        await fake.raw(b"nonsense\r\n\r\n")
    lines = [r for r in caplog.records if r.name.startswith(("dynamo", "aiohttp"))]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert "nonsense" not in str(vars(lines[0]))


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("\u00e9", False)]
)
async def test_every_answer_names_its_request(api, given: str, kept: bool):
    """A sane Request-Id is echoed, another one replaced, on errors as on anything else."""
    for path in (f"/v1/kv/{fresh()}/k", "/v1/ring", "/none", f"/v1/kv/{fresh()}"):
        reply = await api.call("GET", path, Request_Id=given)
        assert (reply.headers["Request-Id"] == given) == kept
        assert reply.headers["Request-Id"]


async def test_the_nodes_hear_the_requests_name(fake):
    """Given, or taken from a W3C traceparent; it reaches the node as the trace."""
    await fake.call("GET", "/v1/kv/b/k", Request_Id="mine")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await fake.call("PUT", "/v1/kv/b/k", b"v", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    await fake.call("GET", "/v1/kv/b")
    assert fake.node.traces[:2] == ["mine", trace]
    assert fake.node.traces[2]


async def test_after_a_storm_of_errors_the_store_is_unchanged(api):
    """Hundreds of requests of every refused kind, many at a time, leave the bucket as it was."""
    bucket = fresh()
    at = f"/v1/kv/{bucket}/k"
    before = await api.call("PUT", at, b"v")
    bad = [
        api.call(method, f"{at}{query}", b"other", **headers)
        for method in ("PUT", "POST", "DELETE")
        for query in ("?w=9", "?what=1", "?consistency=linearizable", "?timeout=0s", "?ttl=x")
        for headers in ({}, {"Dynamo_Context": "damaged"}, {"If_Match": "*"}, {"Content_Type": "x" * 300})
    ]
    bad += [api.call("PUT", f"/v1/kv/{bucket}/{'k' * 401}", b"v") for _ in range(20)]
    bad += [api.call("PUT", f"{at}%", bytes(10)) for _ in range(20)]
    bad += [api.json("POST", "/v1/batch", {"operations": [{"op": "put", "bucket": bucket}]}) for _ in range(20)]
    replies = await asyncio.gather(*bad)
    assert {reply.status for reply in replies} <= {200, 400, 414, 431}
    after = await api.call("GET", at)
    assert (after.status, after.body, after.headers["ETag"]) == (200, b"v", before.headers["ETag"])
    assert (await api.call("GET", f"/v1/kv/{bucket}")).json["keys"] == [{"key": "k"}]


def test_every_error_is_in_the_catalogue_once():
    """No two kinds of error share a code, and each has words for its reader."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DynamoError)]
    named = [kind for kind in kinds if kind is not DynamoError]
    assert {CATALOGUE[kind.code] for kind in named} == set(named)
    assert len({kind.title for kind in named}) == len(named)
