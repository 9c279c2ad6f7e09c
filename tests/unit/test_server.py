import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

import dynamo.server
from dynamo.config_load import load
from dynamo.workload.processes import free_ports
from dynamo.workload.systems import node_config

Opened = list[tuple[int, bool]]
"""Each listener's port, and whether it has a hot path, in the order of their opening."""


@pytest.fixture
def started(tmp_path, monkeypatch) -> Callable[..., contextlib.AbstractAsyncContextManager[Opened]]:
    """Starts a node with these flags, and stops it."""
    opened: Opened = []
    serve = dynamo.server.serve_listener

    async def watched(app, host, port, limits, shed, early, hot):
        listener = await serve(app, host, port, limits, shed, early, hot)
        opened.append((port, hot is not None))
        return listener

    monkeypatch.setattr(dynamo.server, "serve_listener", watched)
    # What a process of its own does to its interpreter.
    for name in ("gc.freeze", "gc.set_threshold", "sys.setswitchinterval"):
        monkeypatch.setattr(f"dynamo.server.{name}", lambda *_: None)

    @contextlib.asynccontextmanager
    async def start(ports: list[int], *flags: str) -> AsyncIterator[Opened]:
        file = tmp_path / "node.toml"
        file.write_text(node_config("node1", tmp_path / "data", {"node1": ports}))
        server = dynamo.server.Server(load(file, {}, flags))
        try:
            await server.start()
            yield opened
        finally:
            await server.stop()

    return start


async def test_whoever_is_told_that_a_node_is_ready_can_send_it_requests(started):
    """The listener that says so is opened after that of the clients."""
    client_port, _, ops_port = ports = free_ports(3)
    async with started(ports) as opened:
        assert [port for port, _ in opened] == [client_port, ops_port]


@pytest.mark.parametrize(("flags", "is_hot"), [([], True), (["http.hot_path=false"], False)])
async def test_the_hot_path_can_be_switched_off(started, flags: list[str], is_hot: bool):
    """It is there for clients, unless the configuration says otherwise; for operators it never is."""
    async with started(free_ports(3), *flags) as opened:
        assert [hot for _, hot in opened] == [is_hot, False]
