"""The yardstick of the front: the smallest aiohttp application, which answers the same bytes to everything.

Run as a process of its own (`python -m dynamo.workload.bare_server PORT HEX`), on the same event loop as a node uses.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from dynamo.workload.event_loop import new_event_loop


def application(body: bytes) -> web.Application:
    """One handler, one route."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    made = web.Application()
    made.router.add_get("/", answer)
    return made


def main(arguments: list[str]) -> None:
    """Serve on a port of loopback until told to end."""
    port, body = int(arguments[0]), bytes.fromhex(arguments[1])
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    web.run_app(application(body), host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main(sys.argv[1:])
