"""One attempt: one HTTP request to one node, and what it means if no answer comes.

The only file here that opens sockets. It keeps the one distinction that retries rest on: `NodeUnreachable` says that
nothing was sent, `ConnectionLost` that something may have been. aiohttp would send GET, PUT and DELETE a second time by
itself when a kept connection drops; that is switched off, since it would blur the distinction: a request that was sent
on the old connection and refused on the new one would look as if it had never left.
"""

from __future__ import annotations

import asyncio
import io

import aiohttp
from yarl import URL

from dynamo.client.answer import Answer
from dynamo.client.results import ConnectionLost, NodeUnreachable
from dynamo.client.wire import Call
from dynamo.errors import InvalidParameter
from dynamo.protocol import http_fields as fields

CONNECT_TIMEOUT_S = 1.0
KEEPALIVE_S = 5.0
"""Below the idle time after which a node closes a connection, so that the client is the one that lets go."""
WRITTEN_AT_ONCE_BYTES_MAX = 2**20
SERVER_MARGIN_S = 0.05
"""A node is told to be done this much earlier than the client gives up, so that its answer can still arrive."""


class Connections:
    """The open connections of a client. Made inside a running loop."""

    def __init__(self, connections_max: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections_max, keepalive_timeout=KEEPALIVE_S),
            headers={"Accept-Encoding": "identity", "User-Agent": "dynamo-client"},
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        assert hasattr(self._session, "_retry_connection"), "this aiohttp re-sends by other rules; see the file's head"
        self._session._retry_connection = False  # noqa: SLF001 - the only switch there is

    async def exchange(self, endpoint: str, call: Call, timeout_s: float) -> Answer:
        """Send to `host:port` and read the whole answer, within `timeout_s`.

        Raises NodeUnreachable (nothing was sent), ConnectionLost (unknown), or InvalidParameter after `close`.
        """
        if self._session.closed:
            raise InvalidParameter("the client is closed")
        server_s = max(timeout_s - SERVER_MARGIN_S, timeout_s * 0.8)
        url = URL(f"http://{endpoint}{call.target(server_s)}", encoded=True)
        # Waiting for a free connection ends a little earlier than all else, so that it shows as nothing sent.
        timeout = aiohttp.ClientTimeout(
            total=timeout_s, connect=0.9 * timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, 0.9 * timeout_s)
        )
        try:
            async with self._session.request(
                call.method, url, data=_payload(call.body), headers=call.headers, timeout=timeout, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            raise NodeUnreachable(f"no connection to {endpoint}: {problem}", endpoint=endpoint) from problem
        except TimeoutError as problem:
            raise ConnectionLost(f"{endpoint} did not answer within {timeout_s:.3g} s", endpoint=endpoint) from problem
        except (aiohttp.ClientError, OSError) as problem:
            reason = str(problem) or type(problem).__name__
            raise ConnectionLost(f"the connection to {endpoint} broke: {reason}", endpoint=endpoint) from problem

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        await self._session.close()
        # aiohttp closes sockets on the loop's next ticks; a loop that ends at once would leave them open.
        await asyncio.sleep(0)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """The body in a form that aiohttp writes in pieces where it is large, instead of in one go."""
    return io.BytesIO(body) if body is not None and len(body) > WRITTEN_AT_ONCE_BYTES_MAX else body


def epoch_of(answer: Answer) -> int | None:
    """The topology that the node works with, if it said."""
    text = answer.headers.get(fields.EPOCH, "")
    return int(text) if text.isascii() and text.isdigit() else None
