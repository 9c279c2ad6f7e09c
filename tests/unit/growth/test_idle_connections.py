import os
import socket
import threading

import pytest

from dynamo.growth import idle_connections
from dynamo.growth.idle_connections import IdleConnections, opened
from dynamo.workload.processes import ServerFailed

NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Takes connections, answers the first request of each, and keeps all of them open."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self.listener, *self.taken):
            each.close()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            self.taken.append(line)
            line.recv(4096)
            # In two pieces, as it may come.
            line.sendall(self._answer[:20])
            line.sendall(self._answer[20:])


def test_all_are_open_at_the_same_time(monkeypatch: pytest.MonkeyPatch):
    """Those of the warm-up and those that are counted; each was answered."""
    monkeypatch.setattr(idle_connections, "_FIRST", 3)
    with Server(NOTHING) as server:
        found = opened(server.listener.getsockname(), os.getpid(), 20)
    assert len(server.taken) == 23
    assert found.count == 20
    assert found.before_bytes > 2**20


def test_a_connection_costs_its_share():
    """Of the difference."""
    assert IdleConnections(count=10, before_bytes=100, after_bytes=350).bytes_each == 25


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"])
def test_a_connection_that_is_refused_ends_the_run(answer: bytes):
    """Memory of connections that are not there would be too little."""
    with Server(answer) as server, pytest.raises(ServerFailed, match="503"):
        opened(server.listener.getsockname(), os.getpid(), 1)
