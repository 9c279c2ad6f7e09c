"""Every limit at the limit and one above it, and clients that are slow, many, or too late."""

import asyncio
import base64
import time

import msgspec
import pytest

from tests.api.fake_node import FakeNode
from tests.api.serving import LIMITS, VALUE_BYTES_MAX, assert_problem, fake_config, fresh, parsed


def chunked(body: bytes, size: int = 4096) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def put(path: str, *fields: bytes) -> bytes:
    return b"\r\n".join([b"PUT %s HTTP/1.1" % path.encode(), b"Host: x", b"Connection: close", *fields, b"", b""])


@pytest.mark.parametrize("extra", [0, 1])
async def test_the_largest_value(api, extra: int):
    """A value of the limit is stored and comes back; one byte more is 413, named, and nothing is written."""
    at = f"/v1/kv/{fresh()}/k"
    value = bytes(VALUE_BYTES_MAX + extra)
    reply = await api.call("PUT", at, value)
    if extra:
        assert assert_problem(reply, 413, "value-too-large")["limit"] == VALUE_BYTES_MAX
        assert (await api.call("GET", at)).status == 404
    else:
        assert reply.status == 204
        assert (await api.call("GET", at)).body == value


@pytest.mark.parametrize("extra", [0, 1])
async def test_the_largest_value_in_chunks(api, extra: int):
    """The bytes are counted, whatever was announced."""
    at = f"/v1/kv/{fresh()}/k"
    answer = parsed(await api.raw(put(at, b"Transfer-Encoding: chunked"), chunked(bytes(VALUE_BYTES_MAX + extra))))
    assert answer.status == (413 if extra else 204)
    assert (await api.call("GET", at)).status == (404 if extra else 200)


async def test_an_announced_size_above_the_limit_is_refused_before_the_body(fake):
    """The answer comes although not one byte of the body was sent."""
    answer = parsed(await fake.raw(put("/v1/kv/b/k", b"Content-Length: %d" % (VALUE_BYTES_MAX + 1))))
    assert_problem(answer, 413, "value-too-large")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_bucket_may_have_a_smaller_limit(api, extra: int):
    """Its own value_bytes_max counts, below the node's."""
    bucket = fresh("small")
    await api.json("PUT", f"/v1/buckets/{bucket}", {"value_bytes_max": 10})
    reply = await api.call("PUT", f"/v1/kv/{bucket}/k", bytes(10 + extra))
    assert reply.status == (413 if extra else 204)


@pytest.mark.parametrize("extra", [0, 1])
async def test_the_largest_content_type(api, extra: int):
    """256 characters come back; 257 are 431."""
    at = f"/v1/kv/{fresh()}/k"
    kind = "a/" + "b" * (254 + extra)
    reply = await api.call("PUT", at, b"v", Content_Type=kind)
    if extra:
        assert_problem(reply, 431, "headers-too-large")
    else:
        assert (await api.call("GET", at)).headers["Content-Type"] == kind


@pytest.mark.parametrize("extra", [0, 1])
async def test_the_largest_metadata(api, extra: int):
    """Names and values of all Dynamo-Meta-* fields have 4096 bytes in all."""
    at = f"/v1/kv/{fresh()}/k"
    reply = await api.call("PUT", at, b"v", Dynamo_Meta_A="x" * 2000, Dynamo_Meta_B="y" * (2094 + extra))
    if extra:
        assert assert_problem(reply, 431, "headers-too-large")["limit"] == 4096
    else:
        assert (await api.call("GET", at)).headers["Dynamo-Meta-B"] == "y" * 2094


@pytest.mark.parametrize("field", ["Content_Type", "Dynamo_Meta_A", "Content_Encoding"])
async def test_what_is_stored_cannot_break_a_header(fake, field: str):
    """Control characters are refused where they come in."""
    name = field.replace("_", "-").encode()
    for bad in (b"a\x01b", b"a\tb", b"a\x7fb", b"\xff"):
        answer = parsed(await fake.raw(put("/v1/kv/b/k", b"%s: %s" % (name, bad), b"Content-Length: 0")))
        assert_problem(answer, 400, "bad-request")
    assert fake.node.commands == []


async def test_a_context_is_bounded(api):
    """A token longer than any of ours is refused, below the limit of a header line."""
    reply = await api.call("GET", f"/v1/kv/{fresh()}/k", Dynamo_Context="A" * 4097)
    assert_problem(reply, 400, "bad-context")


@pytest.mark.parametrize("size", [9000, 20_000])
async def test_a_line_too_long_is_a_problem_too(api, size: int):
    """What the parser refuses is answered in the same form, and the connection ends."""
    for request in (
        b"GET /v1/kv/b/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"k" * size),
        b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n" % (b"v" * size),
    ):
        answer = parsed(await api.raw(request))
        assert_problem(answer, 431, "headers-too-large")
        assert answer.headers["Connection"] == "close"


async def test_too_many_headers_are_refused(api):
    """128 fields are read, 200 are not."""
    lines = b"".join(b"X-%d: v\r\n" % i for i in range(200))
    assert parsed(await api.raw(b"GET /v1/ring HTTP/1.1\r\nHost: x\r\n%s\r\n" % lines)).status in (400, 431)


@pytest.mark.parametrize("count", [1, 100, 101, 0])
async def test_a_batch_has_100_operations(api, count: int):
    """1 to 100 get a result each; none, and one more, are refused as a whole."""
    operations = [{"op": "get", "bucket": fresh(), "key": "k"}] * count
    reply = await api.json("POST", "/v1/batch", {"operations": operations})
    if 1 <= count <= 100:
        assert len(reply.json["results"]) == count
    else:
        assert_problem(reply, 400, "bad-request")


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_batched_value_has_the_same_limit(api, extra: int):
    """The value counts decoded, and only its own operation fails."""
    value = base64.b64encode(bytes(VALUE_BYTES_MAX + extra)).decode()
    operation = {"op": "put", "bucket": fresh(), "key": "k", "value_b64": value}
    reply = await api.json("POST", "/v1/batch", {"operations": [operation]})
    assert reply.json["results"][0]["status"] == (413 if extra else 204)


async def test_a_batch_has_a_largest_body(fake):
    """The body of a batch is bounded as a whole."""
    limit = LIMITS.object_bytes_max
    frame = msgspec.json.encode({"operations": []})
    padding = b" " * (limit - len(frame))
    fits = await fake.call("POST", "/v1/batch", frame + padding, Content_Type="application/json")
    assert_problem(fits, 400, "bad-request")
    large = await fake.call("POST", "/v1/batch", frame + padding + b" ", Content_Type="application/json")
    assert assert_problem(large, 413, "value-too-large")["limit"] == limit


async def test_a_slow_body_is_cut_off(api):
    """A client that announces a body and does not send it gets 408 after the time for bodies, and the socket ends."""
    at = f"/v1/kv/{fresh()}/k"
    began = time.monotonic()
    answer = parsed(await api.raw(put(at, b"Content-Length: 10"), b"half"))
    assert_problem(answer, 408, "request-timeout")
    assert 0.9 <= time.monotonic() - began < 6
    assert (await api.call("GET", at)).status == 404


async def test_slow_headers_are_cut_off(api):
    """A connection whose headers do not end is closed after its time, though bytes keep trickling in."""
    reader, writer = await api.open()
    began = time.monotonic()
    writer.write(b"GET /v1/ring HTTP/1.1\r\n")
    closed = asyncio.ensure_future(reader.read())
    while not closed.done() and time.monotonic() - began < 8:
        writer.write(b"X")
        await asyncio.wait([closed], timeout=0.1)
    assert closed.done()
    assert 0.9 <= time.monotonic() - began < 6
    writer.close()


async def test_an_idle_connection_is_closed(api):
    """One that never says anything holds its socket no longer than that."""
    began = time.monotonic()
    assert await api.raw() == b""
    assert 0.9 <= time.monotonic() - began < 6


async def test_100_continue(api):
    """A client that waits for permission gets it and sends; one that asks for too much is told so at once."""
    at = f"/v1/kv/{fresh()}/k"
    reader, writer = await api.open()
    writer.write(put(at, b"Content-Length: 3", b"Expect: 100-continue"))
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert parsed(await reader.read()).status == 204
    writer.close()
    assert (await api.call("GET", at)).body == b"abc"
    large = put(at, b"Content-Length: %d" % (VALUE_BYTES_MAX + 1), b"Expect: 100-continue")
    assert parsed(await api.raw(large)).status == 413


async def test_connections_above_the_limit_are_turned_away(serve):
    """The one too many gets a 503 and the end; when one of the others ends, there is room again."""
    limits = msgspec.structs.replace(LIMITS, connections_max=2, header_timeout_s=30.0)
    api = await serve(FakeNode(fake_config(limits)))
    held = [await api.open() for _ in range(2)]
    request = b"GET /v1/ring HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for _, writer in held:
        writer.write(b"GET /v1/ring HTTP/1.1\r\nHost: x\r\n\r\n")
    for reader, _ in held:
        assert await reader.read(12) == b"HTTP/1.1 200"
    refused = parsed(await api.raw())
    assert_problem(refused, 503, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert api.node.metrics.shed_requests["connections"].value == 1
    held[0][1].close()
    async with asyncio.timeout(5):
        while parsed(await api.raw(request)).status != 200:
            await asyncio.sleep(0.01)
    held[1][1].close()


async def test_requests_above_the_limit_are_shed_before_their_body(serve):
    """With every place taken the answer is 503 at once, with Retry-After; then there is a place again."""
    api = await serve(FakeNode(fake_config(msgspec.structs.replace(LIMITS, inflight_max=2))))
    api.node.hold = True
    waiting = [asyncio.ensure_future(api.call("PUT", "/v1/kv/b/k", b"v")) for _ in range(2)]
    async with asyncio.timeout(5):
        while len(api.node.held) < 2:
            await asyncio.sleep(0.005)
    shed = parsed(await api.raw(put("/v1/kv/b/k", b"Content-Length: 5")))
    assert_problem(shed, 503, "overloaded")
    assert shed.headers["Retry-After"] == "1"
    assert api.node.metrics.shed_requests["overloaded"].value == 1
    assert (await api.call("GET", "/v1/ring")).status == 200
    assert (await api.call("GET", "/readyz", ops=True)).status == 200
    batch = await api.json("POST", "/v1/batch", {"operations": [{"op": "get", "bucket": "b", "key": "k"}]})
    assert (batch.json["results"][0]["status"], batch.json["results"][0]["code"]) == (503, "overloaded")
    api.node.release()
    assert [(await each).status for each in waiting] == [204, 204]
    assert (await api.call("PUT", "/v1/kv/b/k", b"v")).status == 204
    assert api.node.admission.inflight == 0


async def test_a_draining_node_sends_its_clients_away(fake):
    """What runs is finished, what comes is refused, and every answer ends its connection."""
    fake.node.hold = True
    running = asyncio.ensure_future(fake.call("PUT", "/v1/kv/b/k", b"v"))
    async with asyncio.timeout(5):
        while not fake.node.held:
            await asyncio.sleep(0.005)
    idle = asyncio.Event()
    fake.node.admission.drain(idle.set)
    refused = await fake.call("GET", "/v1/kv/b/k")
    assert_problem(refused, 503, "draining")
    assert refused.headers["Connection"] == "close"
    assert fake.node.metrics.shed_requests["draining"].value == 1
    assert not idle.is_set()
    fake.node.release()
    finished = await running
    assert (finished.status, finished.headers["Connection"]) == (204, "close")
    assert idle.is_set()


@pytest.mark.parametrize("fields", [(b"Content-Length: 3",), (b"Transfer-Encoding: chunked",)])
async def test_a_body_that_may_have_waited_in_a_stopped_process_is_not_written(fake, fields: tuple[bytes, ...]):
    """The request was let in before the stop; its client has given up since, and may have written something newer."""
    reader, writer = await fake.open()
    writer.write(put("/v1/kv/b/k", *fields))
    async with asyncio.timeout(5):
        while not fake.node.admission.inflight:
            await asyncio.sleep(0.001)
    fake.node.stall.beat(time.monotonic() - 60)
    writer.write(b"abc" if b"Length" in fields[0] else chunked(b"abc"))
    async with asyncio.timeout(5):
        answer = parsed(await reader.read())
    writer.close()
    assert assert_problem(answer, 503, "overloaded")["reason"] == "stalled"
    assert fake.node.metrics.shed_requests["stalled"].value == 1
    assert fake.node.commands == []


@pytest.mark.parametrize(("method", "at"), [("GET", "/k"), ("PUT", "/k"), ("DELETE", "/k"), ("GET", "")])
async def test_what_could_only_be_answered_too_late_is_not_begun(fake, method: str, at: str):
    """Values and listings: requests lie so long before their start that this one's time would be over."""
    limit = fake.node.admission._limit
    limit.delay_s, limit._window_ends = 1.0, float("inf")
    reply = await fake.call(method, f"/v1/kv/b{at}")
    assert assert_problem(reply, 503, "overloaded")["reason"] == "deadline"
    assert fake.node.metrics.shed_requests["deadline"].value == 1
    assert fake.node.commands == []
