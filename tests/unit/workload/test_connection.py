import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.connection import BrokenAnswer, Connection, parse
from tests.streams import serving_streams

ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Connection, Transport, list[tuple], list[str]]:
    """A connection with what it wrote, was answered, and how it was lost."""
    answers: list[tuple] = []
    losses: list[str] = []
    connection, transport = Connection(lambda *parts: answers.append(parts), losses.append), Transport()
    connection.connection_made(transport)
    return connection, transport, answers, losses


def test_an_answer_comes_in_its_parts():
    """Status, header bytes without the empty line, body."""
    assert parse(ANSWER) == (200, b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5", b"hello")


@given(st.lists(st.integers(1, len(ANSWER) - 1), max_size=6))
def test_an_answer_in_pieces_is_one_answer(cuts: list[int]):
    """However the network cuts it, the next one included."""
    connection, _, answers, losses = connected()
    edges = [0, *sorted(set(cuts)), len(ANSWER)]
    for _ in range(2):
        for start, end in itertools.pairwise(edges):
            connection.data_received(ANSWER[start:end])
    assert answers == [parse(ANSWER)] * 2
    assert losses == []


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_needs_no_length(status: int):
    """204 and 304 end with their header."""
    assert parse(b"HTTP/1.1 %d x\r\nA: b\r\n\r\n" % status) == (status, b"HTTP/1.1 %d x\r\nA: b" % status, b"")


@pytest.mark.parametrize("field", [b"content-length: 2", b"CONTENT-LENGTH:2", b"Content-Length: 2 "])
def test_a_length_may_be_spelt_in_any_way(field: bytes):
    """Names of fields have no case, values may have blanks around them."""
    assert parse(b"HTTP/1.1 200 OK\r\n" + field + b"\r\nA: b\r\n\r\nok") == (
        200,
        b"HTTP/1.1 200 OK\r\n" + field + b"\r\nA: b",
        b"ok",
    )


def test_how_many_bytes_are_missing_is_known():
    """From the header on, a long body is looked at once, not at each piece."""
    assert parse(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc") == 41 + 1000
    assert parse(b"HTTP/1.1 200 OK\r\n") == 18


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length is"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length is"),
        (ANSWER + b"HTTP", "4 bytes came after"),
        (b"HTTP/1.1 204 No Content\r\n\r\nx", "1 bytes came after"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "begins with"),
        (b"HTTP/1.1 abc\r\n\r\n", "begins with"),
    ],
)
def test_what_is_no_answer_loses_the_connection(data: bytes, words: str):
    """Said once, and the connection is closed."""
    with pytest.raises(BrokenAnswer, match=words):
        parse(data)
    connection, transport, answers, losses = connected()
    connection.data_received(data)
    connection.connection_lost(None)
    assert (answers, transport.closed, len(losses)) == ([], True, 1)
    assert words in losses[0]


def test_a_connection_that_breaks_is_lost():
    """By the server's end, or by an error."""
    for error, words in ((None, "closed"), (ConnectionResetError("reset by peer"), "reset by peer")):
        connection, _, _, losses = connected()
        connection.connection_lost(error)
        assert len(losses) == 1
        assert words in losses[0]


def test_a_connection_that_was_closed_is_not_lost():
    """Whoever closed it knows."""
    connection, transport, _, losses = connected()
    connection.close()
    connection.connection_lost(None)
    assert (transport.closed, losses) == (True, [])


def test_a_farewell_is_said_once_and_only_to_somebody_who_is_there():
    """Not on a connection that broke."""
    connection, transport, _, _ = connected()
    connection.close(b"bye")
    connection.close(b"bye")
    assert (transport.written, transport.closed) == ([b"bye"], True)
    connection, transport, _, losses = connected()
    connection.connection_lost(None)
    connection.close(b"bye")
    assert (transport.written, len(losses)) == ([], 1)


async def test_it_speaks_over_a_socket():
    """Bytes go out as they are, the answer comes back."""
    answered: asyncio.Future[tuple] = asyncio.get_running_loop().create_future()
    losses: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n"
        writer.write(ANSWER)
        writer.close()

    async with serving_streams(serve) as (host, port):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(lambda *parts: answered.set_result(parts), losses.append), host, port
        )
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(answered, 5) == parse(ANSWER)
        connection.close()
