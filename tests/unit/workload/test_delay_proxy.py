import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dynamo.workload.delay_proxy import HELD_BYTES_MAX, Delay, serve
from dynamo.workload.processes import free_ports
from tests.streams import serving_streams


@asynccontextmanager
async def echoing(delay: Delay) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through the proxy to a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    async with serving_streams(echo) as target:
        proxy = await serve(0, target[1], delay)
        async with proxy:
            reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
            try:
                yield reader, writer
            finally:
                writer.close()
                await writer.wait_closed()
                async with asyncio.timeout(5):
                    await ended.wait()


async def exchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    """How long it took until the same bytes were back."""
    began = time.monotonic()
    writer.write(data)
    async with asyncio.timeout(10):
        assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


async def test_only_what_goes_there_is_held_back_and_only_while_it_is_on():
    """Once, not on the way back; and what was said before the switch keeps its place."""
    delay = Delay(0.2)
    async with echoing(delay) as (reader, writer):
        assert await exchanged(reader, writer, b"quick") < 0.2
        delay.on()
        took_s = await exchanged(reader, writer, b"slow")
        assert 0.2 <= took_s < 0.4
        writer.write(b"held ")
        await writer.drain()
        await asyncio.sleep(0.02)  # until it is in the proxy's hands
        delay.off()
        assert await exchanged(reader, writer, b"") < 0.1
        writer.write(b"behind")
        async with asyncio.timeout(5):
            assert await reader.readexactly(11) == b"held behind"
        assert await exchanged(reader, writer, b"quick again") < 0.2


async def test_both_ways_are_held_back_where_that_is_asked_for():
    """As long there as back."""
    delay = Delay(0.1, both_ways=True)
    delay.on()
    async with echoing(delay) as (reader, writer):
        assert 0.2 <= await exchanged(reader, writer, b"far") < 0.4


async def test_more_than_it_holds_comes_through_whole():
    """The sender has to wait, and nothing is lost."""
    delay = Delay(0.05)
    delay.on()
    async with echoing(delay) as (reader, writer):
        size = HELD_BYTES_MAX + 2**22
        writer.write(bytes(size))
        got = 0
        async with asyncio.timeout(30):
            while got < size:
                got += len(await reader.read(2**20))
        assert got == size


async def test_who_says_something_and_leaves_at_once_is_heard():
    """The proxy has not connected on by then."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())
        writer.close()

    heard = asyncio.get_running_loop().create_future()
    async with serving_streams(hear) as target, await serve(0, target[1], Delay(0.0)) as proxy:
        with socket.create_connection(proxy.sockets[0].getsockname()) as client:
            client.sendall(b"good-bye")
        async with asyncio.timeout(5):
            assert await heard == b"good-bye"


async def test_a_target_that_is_not_there_ends_the_connection():
    """As it would without the proxy."""
    proxy = await serve(0, free_ports(1)[0], Delay(0.0))
    async with proxy:
        reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
