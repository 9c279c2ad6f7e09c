import asyncio

import pytest

from dynamo.client import wire
from dynamo.client.connection import Connections, epoch_of
from dynamo.client.results import ConnectionLost, NodeUnreachable
from tests.unit.client.faults import Hang, dropping
from tests.unit.client.patience import WIDE_S

PUT = wire.write("b", b"k", b"x", None, "", {}, {})
GET = wire.read("b", b"k", None, {})


@pytest.fixture
async def connections():
    made = Connections(10)
    yield made
    await made.close()


@pytest.fixture
def node(cluster):
    return cluster.nodes["node1"]


async def test_an_exchange_brings_status_fields_and_body(connections, node):
    """And the epoch that the node works with."""
    answer = await connections.exchange(node.endpoint, PUT, WIDE_S)
    assert (answer.status, epoch_of(answer)) == (204, 1)
    answer = await connections.exchange(node.endpoint, GET, WIDE_S)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"x", "application/octet-stream")


@pytest.mark.parametrize("size", [0, 2**20, 2**20 + 1, 4 * 2**20])
async def test_bodies_of_any_size_arrive_whole(connections, node, size: int):
    """Announced with their length, so that a node can refuse one before it reads it."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    await connections.exchange(node.endpoint, wire.write("b", b"k", body, None, "", {}, {}), WIDE_S)
    assert node.seen[-1].body == body
    assert node.seen[-1].headers["Content-Length"] == str(size)


async def test_a_closed_port_means_that_nothing_was_sent(connections, node):
    """So the call may go elsewhere without a doubt."""
    await node.stop()
    with pytest.raises(NodeUnreachable):
        await connections.exchange(node.endpoint, PUT, WIDE_S)


async def test_a_dropped_connection_means_that_something_may_have_been(connections, node):
    """Also on a kept connection, where aiohttp alone would send it a second time."""
    await connections.exchange(node.endpoint, GET, WIDE_S)
    node.faults = [dropping]
    before = len(node.seen)
    with pytest.raises(ConnectionLost):
        await connections.exchange(node.endpoint, PUT, WIDE_S)
    assert len(node.seen) == before + 1


async def test_a_node_that_went_away_between_requests_leaves_no_false_certainty(connections, node):
    """The kept connection is dead and the port closed: whatever is reported, nothing was applied, and no hang."""
    await connections.exchange(node.endpoint, GET, WIDE_S)
    await node.stop()
    with pytest.raises((ConnectionLost, NodeUnreachable)):
        await connections.exchange(node.endpoint, PUT, WIDE_S)


async def test_silence_ends_with_the_time_given(connections, node, clock):
    """And counts as sent."""
    hang = Hang()
    node.faults = [hang]
    exchange = asyncio.create_task(connections.exchange(node.endpoint, PUT, 3.0))
    await hang.arrived.wait()
    clock.jump(2.9)
    await asyncio.sleep(0)
    assert not exchange.done()
    clock.jump(0.2)
    with pytest.raises(ConnectionLost, match=r"within 3 s"):
        await exchange
    hang.release.set()


async def test_the_node_is_told_to_be_done_earlier(connections, node, clock):
    """Its own answer about the timeout is worth more than ours."""
    await connections.exchange(node.endpoint, GET, 1.0)
    await connections.exchange(node.endpoint, GET, 0.1)
    assert [s.raw_path.partition("timeout=")[2] for s in node.seen] == ["950ms", "80ms"]


async def test_a_name_that_does_not_resolve_is_unreachable(connections):
    """Nothing was sent."""
    with pytest.raises(NodeUnreachable):
        await connections.exchange("no-such-host.invalid:1", GET, 5.0)


async def test_stored_encodings_are_not_undone(connections, node):
    """Values are bytes: a stored gzip file is not unpacked on its way out."""
    from aiohttp import web

    async def packed(request: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8bnot really", headers={"Content-Encoding": "gzip"})

    node.faults = [packed]
    answer = await connections.exchange(node.endpoint, GET, WIDE_S)
    assert answer.body == b"\x1f\x8bnot really"
    assert node.seen[-1].headers["Accept-Encoding"] == "identity"


async def test_waiting_for_a_free_connection_is_not_sending(cluster, node, clock):
    """The only one is taken by a request that hangs: the second one was never sent, and its caller is told so."""
    connections = Connections(1)
    hang = Hang()
    node.faults = [hang]
    first = asyncio.create_task(connections.exchange(node.endpoint, GET, 60.0))
    await hang.arrived.wait()
    second = asyncio.create_task(connections.exchange(node.endpoint, PUT, 4.0))
    await asyncio.sleep(0)
    clock.jump(3.7)
    with pytest.raises(NodeUnreachable):
        await second
    hang.release.set()
    assert (await first).status == 404
    await connections.close()
    assert len(node.calls("PUT")) == 0


async def test_connections_are_kept_and_bounded(cluster, node):
    """Ten requests at once over two connections."""
    connections = Connections(2)
    ports = set()

    async def note(request) -> None:
        ports.add(request.transport.get_extra_info("peername")[1])

    node.always = note
    await asyncio.gather(*(connections.exchange(node.endpoint, GET, WIDE_S) for _ in range(10)))
    await connections.close()
    assert len(ports) == 2
