"""A connection that asyncio accepts in the turn of the loop in which its server is closed belongs to the test's server.

asyncio (of Python 3.11) takes such a socket from the kernel, finds the server closed when it comes to make a transport
of it, and forgets both: nobody can close them, and the collector reports them later, against whatever test it runs in.
`install` closes them where they are forgotten. All that a test leaves open itself is still reported, and fails it.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

Accept = Callable[..., Coroutine[Any, Any, None]]


def install() -> None:
    """For all loops of this process."""
    original: Accept = BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]  # the place of the fault

    def accept(loop: asyncio.AbstractEventLoop, factory: object, conn: socket.socket, *more: Any) -> object:
        coroutine = _accepted(original, loop, factory, conn, *more)
        weakref.finalize(coroutine, _close_forgotten, loop, conn)
        return coroutine

    BaseSelectorEventLoop._accept_connection2 = accept  # type: ignore[attr-defined]


async def _accepted(
    original: Accept,
    loop: asyncio.AbstractEventLoop,
    factory: object,
    conn: socket.socket,
    extra: object,
    sslcontext: object = None,
    server: asyncio.Server | None = None,
    *more: object,
) -> None:
    if server is None or server.sockets:
        await original(loop, factory, conn, extra, sslcontext, server, *more)


def _close_forgotten(loop: asyncio.AbstractEventLoop, conn: socket.socket) -> None:
    """Close what was accepted, unless a transport has it. Also called for a loop that ends before it begins with it."""
    if conn.fileno() not in loop._transports:  # type: ignore[attr-defined]
        conn.close()
