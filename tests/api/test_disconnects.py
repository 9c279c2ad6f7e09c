"""Clients that go away, or do not take what they asked for."""

import asyncio
import gc
import socket

import pytest

from dynamo.api import answer
from dynamo.versioning.record import Record, Sibling
from tests.api.fake_node import FakeNode
from tests.api.serving import assert_problem, fake_config, listening, parsed


async def until(condition, timeout_s: float = 5.0) -> None:
    """Wait for a condition, not for a time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_write_goes_on_without_its_client(fake):
    """A client that disconnects after sending its write has written; the request leaves no place taken."""
    fake.node.hold = True
    _, writer = await fake.open()
    writer.write(b"PUT /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv")
    await until(lambda: fake.node.held)
    writer.transport.abort()
    # Another request shows that the server has seen the end of that connection.
    assert (await fake.call("GET", "/v1/ring")).status == 200
    fake.node.release()
    await until(lambda: fake.node.admission.inflight == 0)
    got = await fake.call("GET", "/v1/kv/b/k")
    assert (got.status, got.body) == (200, b"v")
    counted = fake.node.metrics.requests["put", "quorum"]
    assert counted.outcomes["ok"].value == 1


async def test_half_a_body_writes_nothing(fake):
    """A client that goes away in the middle of its value has written nothing, and left no bug in the log."""
    _, writer = await fake.open()
    writer.write(b"PUT /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(1000))
    await until(lambda: fake.node.admission.inflight == 1)
    writer.transport.abort()
    await until(lambda: fake.node.admission.inflight == 0)
    assert fake.node.commands == []
    assert fake.node.metrics.requests["put", "quorum"].outcomes["rejected"].value == 1


async def test_a_client_that_does_not_read_is_cut_off(serve, monkeypatch):
    """An answer that nobody takes holds its memory for a while, not for ever."""
    monkeypatch.setattr(answer, "SLOW_READER_GRACE_S", 0.2)
    monkeypatch.setattr(answer, "SLOW_READER_BYTES_PER_S", 2**40)
    size = 30 * 2**20
    api = await serve(FakeNode(fake_config()))
    sibling = Sibling("node2.0000abcd", 1, 1, bytes(size))
    api.node.records["b", b"k"] = Record({"node2.0000abcd": 1}, [sibling])
    reader, writer = await api.open()
    writer.write(b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: len(api.node.commands) == 1)
    try:
        got = 0
        await asyncio.sleep(1.0)  # the client's own slowness, which is what is tested
        while chunk := await reader.read(2**20):
            got += len(chunk)
    except ConnectionError:
        assert got < size
    assert got < size
    writer.close()


@pytest.mark.parametrize("poison", ["a\r\nSet-Cookie: x", "a\nb", "a\0b"])
async def test_stored_text_cannot_break_out_of_its_header(fake, poison: str):
    """Even a record that came past the checks (from another version, say) ends its connection, and injects nothing."""
    for sibling in (Sibling("n.1", 1, 1, b"v", poison), Sibling("n.1", 1, 1, b"v", "", {"a": poison})):
        fake.node.records["b", b"k"] = Record({"n.1": 1}, [sibling])
        assert await fake.raw(b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    both = [Sibling("n.1", 1, 1, b"v", poison), Sibling("n.2", 1, 1, b"w")]
    fake.node.records["b", b"k"] = Record({"n.1": 1, "n.2": 1}, both)
    assert_problem(await fake.call("GET", "/v1/kv/b/k", Accept="multipart/mixed"), 500, "internal")
    assert (await fake.call("GET", "/v1/kv/b/k")).status == 300


async def test_requests_in_a_row_on_one_connection(fake):
    """Pipelined requests are answered in their order, each with its own id, and the connection lives on."""
    reader, writer = await fake.open()
    for number in range(3):
        head = f"PUT /v1/kv/b/k{number} HTTP/1.1\r\nHost: x\r\nRequest-Id: n{number}\r\nContent-Length: 1\r\n\r\n"
        writer.write(head.encode() + b"v")
    writer.write(b"GET /v1/kv/b/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRequest-Id: last\r\n\r\n")
    async with asyncio.timeout(5):
        answers = (await reader.read()).split(b"HTTP/1.1 ")[1:]
    assert [a[:3] for a in answers] == [b"204", b"204", b"204", b"404"]
    assert [b"Request-Id: n%d\r\n" % i in a for i, a in enumerate(answers[:3])] == [True] * 3
    assert b"Connection: close" in answers[3]
    writer.close()


async def test_http_1_0(fake):
    """An old client gets its answer and the end; with keep-alive it is told that the connection stays."""
    assert (await fake.call("PUT", "/v1/kv/b/k", b"v")).status == 204
    ended = await fake.raw(b"GET /v1/kv/b/k HTTP/1.0\r\n\r\n")
    assert (parsed(ended).status, parsed(ended).body) == (200, b"v")
    reader, writer = await fake.open()
    writer.write(b"GET /v1/kv/b/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    async with asyncio.timeout(5):
        assert b"Connection: keep-alive" in await reader.readuntil(b"\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("turns", range(7))
async def test_a_connection_of_the_last_moment_is_ended(turns: int):
    """However far the listener has come with it when it stops, the client sees an end, and nothing stays open."""
    node = FakeNode(fake_config())
    client, operations = await listening(node)
    await operations.stop(1.0)
    with socket.create_connection(("127.0.0.1", client.port), timeout=5) as connection:
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.stop(1.0)
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass  # it was never accepted
    gc.collect()  # what is left open is reported now
