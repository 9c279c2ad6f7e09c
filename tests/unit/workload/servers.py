"""A small HTTP server of the tests' own, so that what a run says of it is known beforehand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.streams import serving_streams

Answer = Callable[[bytes], bytes]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[str, int]]:
    """An endpoint that gives `answer(request)` for each request; an empty answer closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while said := answer(await reader.readuntil(b"\r\n\r\n")):
                writer.write(said)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async with serving_streams(serve) as endpoint:
        yield endpoint


def good(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
