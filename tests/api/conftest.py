"""`fake`: the API before a node in memory that a test can steer. `api`: the same, and again before three real nodes."""

import pytest
from aiohttp import ClientSession

from tests.api import real_nodes
from tests.api.fake_node import FakeNode
from tests.api.serving import Api, fake_config, listening


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    """Client and operations ports of three real nodes that run as long as the session."""
    with real_nodes.running(tmp_path_factory.mktemp("nodes")) as ports:
        yield ports


@pytest.fixture
async def serve():
    """Serves fake nodes, and takes them down after the test."""
    listeners, sessions = [], []

    async def start(node: FakeNode) -> Api:
        session = ClientSession(auto_decompress=False)
        sessions.append(session)
        client, ops = await listening(node)
        listeners.extend((client, ops))
        return Api(session, client.port, ops.port, node)

    yield start
    for session in sessions:
        await session.close()
    for listener in listeners:
        await listener.stop(1.0)


@pytest.fixture
async def fake(serve) -> Api:
    return await serve(FakeNode(fake_config()))


@pytest.fixture(params=["fake", "real"])
async def api(request, serve):
    if request.param == "fake":
        yield await serve(FakeNode(fake_config()))
        return
    client_port, ops_port = request.getfixturevalue("nodes")[1]
    async with ClientSession(auto_decompress=False) as session:
        yield Api(session, client_port, ops_port)
