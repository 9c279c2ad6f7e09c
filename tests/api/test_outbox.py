"""Answers are written together at the end of a tick, and nobody can tell but by the time it takes."""

import asyncio

import pytest

from dynamo.api.answer import Outbox

GET = "GET /v1/kv/b/{} HTTP/1.1\r\nHost: x\r\n{}\r\n"


class Transport:
    def __init__(self, log: list[tuple[str, bytes]], name: str) -> None:
        self._log = log
        self._name = name
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self._log.append((self._name, data))


@pytest.fixture
def log() -> list[tuple[str, bytes]]:
    return []


async def test_answers_of_a_tick_are_written_at_its_end(log):
    """All of them, in their order, and nothing before."""
    outbox, one, two = Outbox(asyncio.get_running_loop()), Transport(log, "one"), Transport(log, "two")
    for transport, data in ((one, b"1"), (two, b"2"), (one, b"3")):
        outbox.put(transport, data)
    assert log == []
    await asyncio.sleep(0)
    assert log == [("one", b"1"), ("two", b"2"), ("one", b"3")]
    outbox.put(two, b"4")
    await asyncio.sleep(0)
    assert log[3:] == [("two", b"4")]


async def test_what_is_written_by_hand_is_not_written_again(log):
    """And what comes after it in the same tick is written all the same."""
    outbox, one = Outbox(asyncio.get_running_loop()), Transport(log, "one")
    outbox.put(one, b"1")
    outbox.flush()
    outbox.put(one, b"2")
    assert log == [("one", b"1")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log == [("one", b"1"), ("one", b"2")]


async def test_a_connection_that_closes_meanwhile_gets_nothing(log):
    """The others get theirs."""
    outbox, one, two = Outbox(asyncio.get_running_loop()), Transport(log, "one"), Transport(log, "two")
    outbox.put(one, b"1")
    outbox.put(two, b"2")
    one.closing = True
    await asyncio.sleep(0)
    assert log == [("two", b"2")]


async def test_what_is_begun_later_comes_later(log):
    """A callback that is scheduled after an answer runs after it was written."""
    loop = asyncio.get_running_loop()
    outbox, one = Outbox(loop), Transport(log, "one")
    outbox.put(one, b"1")
    loop.call_soon(one.write, b"2")
    await asyncio.sleep(0)
    assert log == [("one", b"1"), ("one", b"2")]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 90_000, 1), (90_000, 1, 90_000), (90_000, 90_000, 1)])
async def test_pipelined_answers_come_whole_and_in_order(fake, sizes):
    """Short ones, long ones, and the last one, after which the connection ends: each goes another way."""
    keys = ("a", "b", "c")
    for key, size in zip(keys, sizes, strict=True):
        await fake.call("PUT", f"/v1/kv/b/{key}", key.encode() * size)
    requests = [GET.format(key, "Connection: close\r\n" if key == "c" else "") for key in keys]
    rest = await fake.raw("".join(requests).encode())
    for key, size in zip(keys, sizes, strict=True):
        head, _, rest = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert rest[:size] == key.encode() * size
        rest = rest[size:]
    assert rest == b""


async def test_many_connections_at_once(fake):
    """Each gets its own answer."""
    for number in range(50):
        await fake.call("PUT", f"/v1/kv/b/k{number}", b"%d" % number)
    replies = await asyncio.gather(*(fake.call("GET", f"/v1/kv/b/k{number}") for number in range(50)))
    assert [reply.body for reply in replies] == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("count", [40, 400])
async def test_who_reads_late_gets_everything(fake, count: int):
    """Also where the socket takes no more meanwhile, and the answers wait for their reader."""
    await fake.call("PUT", "/v1/kv/b/k", bytes(30_000))
    reader, writer = await fake.open()
    writer.write(GET.format("k", "").encode() * count)
    read_bytes = 0
    async with asyncio.timeout(30):
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            read_bytes += len(await reader.readexactly(30_000))
    assert read_bytes == count * 30_000
    writer.close()
