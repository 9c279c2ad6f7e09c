import dynamo.server
from dynamo.config_load import load
from dynamo.workload.processes import free_ports
from dynamo.workload.systems import node_config


async def test_whoever_is_told_that_a_node_is_ready_can_send_it_requests(tmp_path, monkeypatch):
    """The listener that says so is opened after that of the clients."""
    opened: list[int] = []
    serve = dynamo.server.serve_listener

    async def watched(app, host, port, *rest):
        listener = await serve(app, host, port, *rest)
        opened.append(port)
        return listener

    monkeypatch.setattr(dynamo.server, "serve_listener", watched)
    # What a process of its own does to its interpreter.
    for name in ("gc.freeze", "gc.set_threshold", "sys.setswitchinterval"):
        monkeypatch.setattr(f"dynamo.server.{name}", lambda *_: None)
    client_port, _, ops_port = ports = free_ports(3)
    file = tmp_path / "node.toml"
    file.write_text(node_config("node1", tmp_path / "data", {"node1": ports}))
    server = dynamo.server.Server(load(file, {}))
    try:
        await server.start()
        assert opened == [client_port, ops_port]
    finally:
        await server.stop()
