"""Refusals before parsing: the same answers as the ordinary way gives, and the same opinion on where a request ends."""

import asyncio
import re
from unittest import mock

import msgspec
import pytest
from aiohttp import ClientSession

from dynamo.api.app import client_app
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.listener import serve_listener
from dynamo.api.plain import request_bytes
from dynamo.node.admission import Admission
from dynamo.telemetry.exposition import Cell
from tests.api.fake_node import FakeNode
from tests.api.serving import LIMITS, Reply, assert_problem, fake_config, parsed

NEXT = b"GET /v1/ring HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Not counted in admission: shows that both sides agree on where the request before it ended."""
HEAD = b"Host: x\r\n"


def get(target: str = "/v1/kv/b/k", *fields: bytes, method: str = "GET") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method.encode(), target.encode(), HEAD, lines)


def put(body: bytes, *fields: bytes, method: str = "PUT", target: str = "/v1/kv/b/k") -> bytes:
    return get(target, *fields, b"Content-Length: %d" % len(body), method=method) + body


EARLY = {
    "get": [get()],
    "get of a listing": [get("/v1/kv/b?prefix=a")],
    "head": [get(method="HEAD")],
    "put": [put(b"value")],
    "post": [put(b"value", method="POST")],
    "post to a bucket": [put(b"value", method="POST", target="/v1/kv/b")],
    "delete": [get(method="DELETE")],
    "empty body": [put(b"")],
    "body like a request": [put(get())],
    "own id": [get("/v1/kv/b/k", b"request-id: mine-1")],
    "insane id": [get("/v1/kv/b/k", b"Request-Id: <script>")],
    "traceparent": [get("/v1/kv/b/k", b"TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    "keep-alive": [get("/v1/kv/b/k", b"Connection: keep-alive")],
    "many fields": [get("/v1/kv/b/k", *[b"X-%d: v" % i for i in range(40)])],
    "twice": [get(), get()],
    "three kinds": [put(b"v"), get(method="HEAD"), get()],
}
"""Requests, each in one piece, that are refused early."""

ORDINARY = {
    "in two pieces": [put(b"value")[:20], put(b"value")[20:]],
    "body later": [put(b"value")[:-5], b"value"],
    "two in one piece": [get() + get()],
    "two, cut in the second": [get() + get()[:10], get()[10:]],
    "chunked": [get("/v1/kv/b/k", b"Transfer-Encoding: chunked", method="PUT") + b"5\r\nvalue\r\n0\r\n\r\n"],
    "chunked and length": [get("/v1/kv/b/k", b"Content-Length: 5", b"Transfer-Encoding: chunked", method="PUT")],
    "two lengths": [get("/v1/kv/b/k", b"Content-Length: 1", b"content-length: 1", method="PUT") + b"v"],
    "expects": [get("/v1/kv/b/k", b"Content-Length: 1", b"Expect: 100-continue", method="PUT") + b"v"],
    "upgrade": [get("/v1/kv/b/k", b"Upgrade: websocket", b"Connection: upgrade")],
    "closing": [get("/v1/kv/b/k", b"Connection: close")],
    "http/1.0": [b"GET /v1/kv/b/k HTTP/1.0\r\n\r\n"],
    "bare line ends": [b"GET /v1/kv/b/k HTTP/1.1\nHost: x\n\n"],
    "folded": [b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"],
    "space before colon": [b"PUT /v1/kv/b/k HTTP/1.1\r\nContent-Length : 1\r\n\r\nv"],
    "signed length": [b"PUT /v1/kv/b/k HTTP/1.1\r\nContent-Length: +1\r\n\r\nv"],
    "unknown method": [get(method="PATCH")],
    "not possible on a bucket": [get("/v1/kv/b", method="DELETE")],
    "another resource": [get("/v1/buckets")],
    "no resource": [get("/v1/nothing/b/k")],
    "leading empty line": [b"\r\n" + get()],
    "no host": [b"GET /v1/kv/b/k HTTP/1.1\r\nAccept: */*\r\n\r\n"],
    "two types": [get("/v1/kv/b/k", b"Content-Type: a/b", b"content-type: a/b")],
    "no request": [b"hello\r\n\r\n"],
    "a large head": [get("/v1/kv/b/" + "k" * 300, *[b"X-%d: %s" % (i, b"v" * 900) for i in range(6)])],
}
"""Pieces that go the ordinary way."""


def full_node() -> FakeNode:
    node = FakeNode(fake_config(msgspec.structs.replace(LIMITS, inflight_max=1)))
    node.admission.enter()
    return node


def early_cell(node: FakeNode) -> Cell:
    return node.metrics.shed_requests["overloaded"]


async def answered(node: FakeNode, pieces: list[bytes], *, early: bool) -> list[Reply]:
    """All answers of one connection to the pieces, then to NEXT."""
    refusal = EarlyRefusal(node.admission, early_cell(node)) if early else None
    shed = node.metrics.shed_requests["connections"]
    listener = await serve_listener(client_app(node), "127.0.0.1", 0, node.config.limits, shed, refusal)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        first = b"GET /v1/ring HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(first)  # from here on the connection waits between two requests
        await until_quiet(reader, 1)
        got = b""
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            got += await until_quiet(reader, 0)
        writer.write(NEXT)
        async with asyncio.timeout(5):
            got += await reader.read()
        return split(got)
    finally:
        writer.close()
        await listener.stop(1.0)


async def until_quiet(reader: asyncio.StreamReader, least: int) -> bytes:
    """What comes, until `least` bytes have and nothing more follows for a moment: pieces must arrive as pieces."""
    got = b""
    while True:
        try:
            async with asyncio.timeout(5 if len(got) < least else 0.03):
                some = await reader.read(65536)
        except TimeoutError:
            return got
        if not some:
            return got
        got += some


def split(answers: bytes) -> list[Reply]:
    starts = [found.start() for found in re.finditer(rb"HTTP/1\.1 \d{3} [A-Za-z -]+\r\n", answers)]
    return [parsed(answers[a:b]) for a, b in zip(starts, [*starts[1:], len(answers)], strict=True)]


def comparable(reply: Reply) -> tuple[object, ...]:
    """What both ways must agree upon: everything but ids, dates, and whose turn it is to come back when."""
    fields = {name: text for name, text in reply.headers.items() if name not in ("Request-Id", "Date", "Retry-After")}
    body = re.sub(rb"urn:dynamo:request:[0-9A-Za-z._-]+", b"<id>", reply.body)
    given_id = reply.headers.get("Request-Id", "")
    own = given_id if given_id in ("mine-1", "0af7651916cd43dd8448eb211c80319c") else ""
    fields.pop("Content-Length", None)  # ids differ in length; that it is right is checked below
    return reply.status, fields, body, own, "Retry-After" in reply.headers


@pytest.mark.parametrize("name", EARLY | ORDINARY)
async def test_both_ways_answer_the_same(name: str):
    """Status, header, body and what follows on the connection, for everything that a client may send to a full node."""
    pieces = (EARLY | ORDINARY)[name]
    early_node, node = full_node(), full_node()
    early, ordinary = await answered(early_node, pieces, early=True), await answered(node, pieces, early=False)
    assert [comparable(reply) for reply in early] == [comparable(reply) for reply in ordinary]
    assert early_node.metrics.shed_requests["overloaded"].value == node.metrics.shed_requests["overloaded"].value
    assert early_node.commands == node.commands == []
    assert early_node.admission.arriving == 0


@pytest.mark.parametrize("name", EARLY)
async def test_the_plain_case_is_refused_before_it_is_parsed(name: str):
    """The application never sees it; the answer is a whole problem all the same."""
    node = full_node()
    with mock.patch.object(Admission, "enter", side_effect=AssertionError("it went the ordinary way")):
        *refused, after = await answered(node, EARLY[name], early=True)
    assert after.status == 200, "the request that follows is understood"
    assert len(refused) == len(EARLY[name])
    for reply, request in zip(refused, EARLY[name], strict=True):
        assert reply.headers["Retry-After"] in ("1", "2", "3")
        if request.startswith(b"HEAD"):
            assert reply.body == b""
            continue
        assert len(reply.body) == int(reply.headers["Content-Length"])
        assert assert_problem(reply, 503, "overloaded")["reason"] == "overloaded"


@pytest.mark.parametrize("name", ORDINARY)
async def test_everything_else_is_left_to_the_parser(name: str):
    """Nothing of it is refused early."""
    node = full_node()
    refusal_cell = Cell()
    with mock.patch("tests.api.test_early_refusal.early_cell", return_value=refusal_cell):
        await answered(node, ORDINARY[name], early=True)
    assert refusal_cell.value == 0


async def test_a_node_with_room_takes_what_comes():
    """And counts each request once, until it has its outcome."""
    node = full_node()
    node.admission.leave()
    replies = await answered(node, [put(b"value"), get()], early=True)
    assert [reply.status for reply in replies] == [204, 200, 200]
    assert (node.admission.inflight, node.admission.arriving) == (0, 0)


async def test_a_connection_that_ends_before_its_request_started_leaves_no_trace():
    """What had arrived is not waited for."""
    node = full_node()
    node.admission.leave()
    refusal = EarlyRefusal(node.admission, node.metrics.shed_requests["overloaded"])
    listener = await serve_listener(
        client_app(node), "127.0.0.1", 0, node.config.limits, node.metrics.shed_requests["connections"], refusal
    )
    node.hold = True
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(get())
        writer.transport.abort()
    node.release()
    await listener.stop(1.0)
    assert node.admission.arriving == 0


async def test_a_refused_connection_lives_on():
    """Refusals count as a sign of life: who is refused for longer than a connection may be idle keeps it."""
    node = full_node()
    refusal = EarlyRefusal(node.admission, node.metrics.shed_requests["overloaded"])
    limits = msgspec.structs.replace(node.config.limits, header_timeout_s=0.3)
    listener = await serve_listener(
        client_app(node), "127.0.0.1", 0, limits, node.metrics.shed_requests["connections"], refusal
    )
    async with ClientSession() as session:
        for _ in range(12):
            async with session.get(f"http://127.0.0.1:{listener.port}/v1/kv/b/k") as response:
                assert response.status == 503
            await asyncio.sleep(0.05)  # time itself is what is tested
        assert listener._web_server.connections.__len__() == 1
    await listener.stop(1.0)


@pytest.mark.parametrize("pieces", EARLY.values(), ids=EARLY)
def test_plain_requests_are_measured(pieces: list[bytes]):
    """One in a piece is as long as the piece, also before its body has come."""
    for piece in pieces:
        assert request_bytes(piece) == len(piece)
        head = piece[: piece.index(b"\r\n\r\n") + 4]
        assert request_bytes(head) == len(piece)
