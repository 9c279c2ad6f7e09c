"""Requests of the hot path that have to wait for the node, and what their connection does meanwhile."""

import asyncio

import msgspec
import pytest
from aiohttp import ClientSession

from dynamo.api import trial
from dynamo.api.connection import INSIDE
from tests.api.fake_node import FakeNode
from tests.api.in_memory import Line, comparable, standing_time, turns
from tests.api.serving import LIMITS, Api, fake_config, listening
from tests.api.test_disconnects import until

PUT = b"PUT /v1/kv/b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv"
GET = b"GET /v1/kv/b/k HTTP/1.1\r\nHost: x\r\n\r\n"
RING = b"GET /v1/ring HTTP/1.1\r\nHost: x\r\n\r\n"


async def started(*, hot: bool = True, node: FakeNode | None = None) -> Line:
    line = Line(hot=hot, node=node)
    await turns()
    line.node.hold = True
    return line


@pytest.mark.parametrize(
    "later", [[GET], [GET, RING], [RING, GET, b"hello\r\n\r\n"], [GET[:20], GET[20:]], [GET + PUT]]
)
async def test_what_comes_meanwhile_is_answered_afterwards_in_order(later: list[bytes]):
    """As on the ordinary path, byte for byte; one piece is held, then the socket is not read from until the answer."""
    with standing_time():
        answers = []
        for hot in (True, False):
            line = await started(hot=hot)
            assert await line.send(PUT) == b""
            for piece in later:
                assert await line.send(piece) == b""
            assert line.transport.reading == (not hot)
            line.node.release()
            await turns()
            answers.append((comparable(line.transport.written), line.transport.closing))
            assert line.transport.reading
            await line.lose()
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"HTTP/1.1 204")


async def test_one_waiting_request_after_another():
    """What was held may have to wait itself."""
    line = await started()
    await line.send(PUT, PUT, GET)
    assert len(line.node.held) == 1
    held, line.node.held = line.node.held, []
    held[0]()
    await turns()
    assert len(line.node.held) == 1
    assert line.transport.written.count(b"HTTP/1.1 204") == 1
    line.node.release()
    await turns()
    assert line.transport.written.count(b"HTTP/1.1 204") == 2
    assert line.transport.written.count(b"HTTP/1.1 300") == 1
    assert line.taken == 3


async def test_a_request_goes_on_without_its_client():
    """Its write is made, its place is free, nothing is written to nobody, and what was held is forgotten."""
    line = await started()
    await line.send(PUT, GET)
    assert line.node.admission.inflight == 1
    await line.lose()
    line.node.release()
    await turns()
    assert line.node.admission.inflight == 0
    assert [type(command).__name__ for command in line.node.commands] == ["WriteCommand"]
    assert line.node.metrics.requests["put", "quorum"].outcomes["ok"].value == 1
    assert line.transport.written == b""


async def test_an_error_is_an_answer_on_the_hot_path_too():
    """What the node refuses, and what nobody foresaw."""
    line = await started()
    line.node.hold = False
    line.node.fail_with = RuntimeError("not foreseen")
    answer = await line.send(GET)
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"not foreseen" not in answer
    line.node.fail_with = None
    assert (await line.send(GET)).startswith(b"HTTP/1.1 404")
    assert line.taken == 2


async def test_a_stop_waits_for_the_answer():
    """A request on the hot path is under way like any other: its client gets the answer, then the end."""
    line = await started()
    await line.send(PUT)
    line.server.pre_shutdown()
    stop = asyncio.ensure_future(line.server.shutdown(5.0))
    await turns()
    assert not stop.done()
    assert not line.transport.closing
    line.node.release()
    async with asyncio.timeout(5):
        await stop
    assert line.transport.written.startswith(b"HTTP/1.1 204")
    assert line.transport.closing


async def test_a_draining_node_ends_the_connection_after_its_answer():
    """What was let in is finished; the answer says that the connection ends, and it does."""
    line = await started()
    await line.send(PUT)
    line.node.admission.drain(lambda: None)
    line.node.release()
    await turns()
    assert b"Connection: close\r\n" in line.transport.written
    assert line.transport.closing


async def test_a_waiting_request_is_not_idle():
    """Longer than a connection may be idle; once answered, it may be idle for that long, and no longer."""
    node = FakeNode(fake_config(msgspec.structs.replace(LIMITS, header_timeout_s=0.05)))
    line = await started(node=node)
    await line.send(PUT)
    await asyncio.sleep(0.2)  # time itself is what is tested
    assert not line.transport.closing
    node.release()
    await turns()
    assert line.transport.written.startswith(b"HTTP/1.1 204")
    await until(lambda: line.transport.closing)


async def test_a_client_that_takes_no_answers_is_left_to_the_ordinary_path():
    """Which knows how to wait for it."""
    line = await started()
    line.node.hold = False
    line.connection.pause_writing()
    asking = asyncio.ensure_future(line.send(GET))
    await turns()
    assert line.taken == 0
    line.connection.resume_writing()
    await asking
    await turns()
    assert (await line.send(GET)).startswith(b"HTTP/1.1 404")
    assert line.taken == 1


async def test_a_client_that_stops_taking_its_answer_is_waited_for():
    """A large answer, or one while the socket takes no more, keeps the connection busy until it is through."""
    line = await started()
    line.node.hold = False
    await line.send(PUT.replace(b"Length: 1\r\n\r\nv", b"Length: 50000\r\n\r\n" + bytes(50_000)))
    write = line.transport.write

    def full(data) -> None:
        write(data)
        if len(data) >= 50_000:
            line.connection.pause_writing()

    line.transport.write = full
    await line.send(GET)
    await line.send(GET)
    assert line.transport.written.count(b"HTTP/1.1 200") == 1
    line.transport.write = write
    line.connection.resume_writing()
    await turns()
    assert line.transport.written.count(b"HTTP/1.1 200") == 2
    assert line.taken == 3


async def test_requests_of_one_turn_have_waited_since_it_began():
    """While the first of them is carried out the others lie in their sockets, which is how far the loop is behind."""
    line = await started()
    began = line.connection.outbox.turn()
    while asyncio.get_running_loop().time() < began + 0.01:
        pass
    line.connection.data_received(GET)
    line.node.release()
    assert line.node.deadlines == [began + line.node.config.requests.timeout_s]
    await turns()
    assert line.connection.outbox.turn() > began


async def test_the_insides_are_as_expected():
    """Of the version that is installed."""
    assert await trial.fault() == ""


@pytest.mark.parametrize("broken", [*INSIDE, "answer"])
async def test_other_insides_switch_it_off(monkeypatch, caplog, broken: str):
    """One line in the log, and every request goes the ordinary way."""
    if broken == "answer":
        monkeypatch.setattr(trial._Trial, "_hot", lambda *_: None)
    else:
        monkeypatch.setattr(trial, "INSIDE", (*INSIDE, f"{broken}_renamed"))
    node = FakeNode(fake_config())
    client, operations = await listening(node)
    async with ClientSession() as session:
        api = Api(session, client.port, operations.port, node)
        assert (await api.call("PUT", "/v1/kv/b/k", b"v")).status == 204
        assert (await api.call("GET", "/v1/kv/b/k")).body == b"v"
    for connection in client._web_server.connections:
        assert connection._hot is None
    await client.stop(1.0)
    await operations.stop(1.0)
    assert caplog.text.count("plain requests go the ordinary way") == 1
