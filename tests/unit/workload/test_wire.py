import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dynamo.workload import connection
from dynamo.workload.wire import HTTP, Wire


@contextmanager
def accepting(answer: bytes) -> Iterator[tuple[str, int]]:
    """An endpoint that takes one connection, reads what greets it and says `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                if answer:
                    taken.recv(100)
                    taken.sendall(answer)
                taken.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            thread.join(10)
            assert not thread.is_alive()


def test_http_begins_with_the_first_request():
    """Nothing is sent before, the connection does not block, and small requests are not held back."""
    with accepting(b"") as endpoint, HTTP.connect(endpoint) as made:
        assert made.getblocking() is False
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert HTTP.parse is connection.parse


def test_a_greeting_is_exchanged_before_the_connection_is_given_out():
    """On a connection that blocks until it is over."""
    heard: list[bytes] = []

    def greet(made: socket.socket) -> None:
        made.sendall(b"hello")
        heard.append(made.recv(100))

    with accepting(b"welcome") as endpoint, Wire(connection.parse, greet).connect(endpoint) as made:
        assert heard == [b"welcome"]
        assert made.getblocking() is False


def test_a_connection_that_was_greeted_wrongly_is_closed():
    """The error comes out, and no socket is left behind."""
    kept: list[socket.socket] = []

    def greet(made: socket.socket) -> None:
        kept.append(made)
        raise OSError("go away")

    with accepting(b"") as endpoint, pytest.raises(OSError, match="go away"):
        Wire(connection.parse, greet).connect(endpoint)
    assert kept[0].fileno() == -1
