import asyncio

import pytest

from tests.counts.wires import WiredLoop


class Said(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, exc) -> None:
        self.heard.append("lost")


def run(story):
    """The story on a loop of its own, with both ends of a connection."""
    loop = WiredLoop()

    async def told():
        server, client = Said(), Said()
        await loop.create_server(lambda: server, "127.0.0.1", 7)
        await loop.create_connection(lambda: client, "127.0.0.1", 7)
        return await story(server, client)

    try:
        return loop.run_until_complete(told())
    finally:
        loop.close()


def test_what_is_written_is_read_in_order_and_later():
    """Each write by itself, in the next turn of the loop: never inside of `write`."""

    async def story(server: Said, client: Said) -> None:
        client.transport.write(b"one")
        client.transport.write(bytearray(b"two"))
        assert server.heard == []
        await asyncio.sleep(0)
        assert server.heard == [b"one", b"two"]
        server.transport.write(b"back")
        await asyncio.sleep(0)
        assert client.heard == [b"back"]

    run(story)


def test_a_close_is_told_to_both():
    """Once each, after what was written before it."""

    async def story(server: Said, client: Said) -> None:
        client.transport.write(b"last")
        client.transport.close()
        client.transport.close()
        for _ in range(4):
            await asyncio.sleep(0)
        assert server.heard == [b"last", "lost"]
        assert client.heard == ["lost"]

    run(story)


def test_nobody_listens_at_another_port():
    async def story(server: Said, client: Said) -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.get_running_loop().create_connection(Said, "127.0.0.1", 8)

    run(story)


def test_a_server_that_was_closed_takes_nobody():
    async def story(server: Said, client: Said) -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(Said, "127.0.0.1", 9)
        assert listening.sockets[0].getsockname() == ("127.0.0.1", 9)
        listening.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Said, "127.0.0.1", 9)

    run(story)
