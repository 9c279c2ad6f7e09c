"""How a system is spoken to: what has to be said before the first request and after the last, and where an answer ends.

A load generator sends requests as bytes and is handed answers in three parts. All that differs from protocol to
protocol is here, so that each system is measured by the same loops. The greeting is exchanged before a connection is
given to a loop, and costs no measurement anything.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

from dynamo.workload.connection import Parse, parse

CONNECT_S = 2.0
GREET_S = 10.0
"""For each answer to the greeting."""


def _nothing(connection: socket.socket) -> None:
    """HTTP begins with the first request."""


class Wire(NamedTuple):
    """A protocol as a load generator needs to know it."""

    parse: Parse
    greet: Callable[[socket.socket], None] = _nothing
    """Says what opens a connection and takes the answer. Raises OSError where it is not the right one."""
    farewell: bytes = b""
    """Sent before a connection is closed; nobody waits for an answer."""

    def connect(self, endpoint: tuple[str, int]) -> socket.socket:
        """A connection that is ready for requests and does not block. Raises OSError."""
        made = socket.create_connection(endpoint, CONNECT_S)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(GREET_S)
            self.greet(made)
            made.setblocking(False)
        except BaseException:
            made.close()
            raise
        return made


HTTP = Wire(parse)
