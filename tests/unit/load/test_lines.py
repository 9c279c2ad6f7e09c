import socket
import threading
import time

import pytest

from dynamo.load.lines import Line, Lines
from dynamo.load.memory_store import Store
from dynamo.workload.processes import free_ports
from tests.unit.load.stage import listening

GET = b"GET /v1/kv/load/a HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT_S = 5.0


class Heard:
    """Lines, and what they said."""

    def __init__(self, ports: list[int], count: int = 2) -> None:
        self.answers: list[tuple[Line, int, bytes]] = []
        self.losses: list[str] = []
        self.lines = Lines([("127.0.0.1", port) for port in ports], count, self.answered, self.lost)

    def answered(self, line, status, head, body) -> None:
        self.answers.append((line, status, body))
        self.lines.release(line, closes=b"Connection: close" in head)

    def lost(self, line, why) -> None:
        self.losses.append(why)

    def free_into(self, lines: list[Line]) -> bool:
        """Whether a line was free, which is now in the list."""
        line = self.lines.idle()
        lines += [] if line is None else [line]
        return line is not None

    def until(self, condition) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, (self.answers, self.losses)
            self.lines.tend(time.monotonic())
            self.lines.take(0.01)


def answering(script: list[bytes | None]) -> tuple[int, threading.Thread]:
    """A server that gives one answer to each connection's first request, and closes; None: it closes at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for answer in script:
                connection, _ = listener.accept()
                with connection:
                    if answer is not None:
                        connection.recv(4096)
                        for byte in (answer[:20], answer[20:]):
                            connection.sendall(byte)
                        connection.recv(4096)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


def test_a_request_is_answered():
    """And the line is free again, also for a second one."""
    with listening(Store()) as port:
        heard = Heard([port], 1)
        heard.lines.open()
        for count in (1, 2):
            line = heard.lines.idle()
            heard.lines.send(line, GET)
            assert heard.lines.in_flight == 1
            assert heard.lines.idle() is None
            heard.until(lambda count=count: len(heard.answers) == count)
        assert [(status, body) for _, status, body in heard.answers] == [(404, b"")] * 2
        assert heard.lines.in_flight == 0
        heard.lines.close()


def test_lines_take_turns_over_the_nodes():
    """One after the other; a wanted node first, an unwanted one last."""
    with listening(Store()) as one, listening(Store()) as other:
        lines = Heard([one, other], 4).lines
        lines.open()
        assert {lines.idle().endpoint, lines.idle().endpoint} == {0, 1}
        assert lines.idle(1).endpoint == 1
        assert lines.idle(1).endpoint == 0
        assert lines.idle() is None
        lines.close()
        lines = Heard([one, other], 2).lines
        lines.open()
        assert lines.idle(-1, 0).endpoint == 1
        assert lines.idle(-1, 0).endpoint == 0
        lines.close()


def test_nobody_there():
    """Is said at once, with the addresses."""
    (port,) = free_ports(1)
    heard = Heard([port])
    with pytest.raises(OSError, match=f"none of 127.0.0.1:{port} can be reached"):
        heard.lines.open()
    heard.lines.close()


def test_an_answer_may_come_in_pieces():
    """It is taken when it is whole."""
    port, thread = answering([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"])
    heard = Heard([port], 1)
    heard.lines.open()
    heard.lines.send(heard.lines.idle(), GET)
    heard.until(lambda: heard.answers)
    assert heard.answers[0][1:] == (200, b"hello")
    heard.lines.close()
    thread.join()


def test_a_broken_connection_is_made_again():
    """The request is lost, the next one goes over another connection."""
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    port, thread = answering([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", good])
    heard = Heard([port], 1)
    heard.lines.open()
    heard.lines.send(heard.lines.idle(), GET)
    heard.until(lambda: heard.losses)
    assert "no Content-Length" in heard.losses[0]
    lines: list[Line] = []
    heard.until(lambda: lines or heard.free_into(lines))
    heard.lines.send(lines[0], GET)
    heard.until(lambda: heard.answers)
    heard.lines.close()
    thread.join()


def test_a_request_that_is_given_up_leaves_nothing_behind():
    """Its connection is closed; whatever would have come on it is not for the next one."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = Heard([listener.getsockname()[1]], 1)
    heard.lines.open()
    line = heard.lines.idle()
    heard.lines.send(line, GET)
    first, _ = listener.accept()
    turn = line.turn
    heard.lines.give_up(line)
    assert (line.turn, heard.lines.in_flight) == (turn + 1, 0)
    assert first.recv(4096) == GET
    assert first.recv(4096) == b""
    second, _ = listener.accept()
    heard.until(lambda: heard.lines.idle() is line)
    for each in (first, second, listener):
        each.close()
    heard.lines.close()


def test_a_node_that_says_it_closes_is_left():
    """The next request goes over a connection of its own."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    port, thread = answering([closing, closing])
    heard = Heard([port], 1)
    heard.lines.open()
    for count in (1, 2):
        lines: list[Line] = []
        heard.until(lambda lines=lines: lines or heard.free_into(lines))
        heard.lines.send(lines[0], GET)
        heard.until(lambda count=count: len(heard.answers) == count)
    assert heard.losses == []
    heard.lines.close()
    thread.join()
