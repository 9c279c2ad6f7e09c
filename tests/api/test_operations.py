import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dynamo.membership.view import State
from dynamo.protocol.messages import MemberState
from dynamo.version import VERSION
from tests.api.serving import assert_problem, fresh


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/livez?verbose", "/readyz?verbose=1"])
async def test_probes_say_ok(api, path: str):
    """A running node is alive and ready, for GET and for HEAD."""
    reply = await api.call("GET", path, ops=True)
    assert (reply.status, reply.body) == (200, b"ok\n")
    assert (await api.call("HEAD", path, ops=True)).status == 200


async def test_a_node_that_is_not_ready_says_why(fake):
    """503 with the reasons; it is alive all the same."""
    fake.node.reasons = ["draining", "not started"]
    problem = assert_problem(await fake.call("GET", "/readyz", ops=True), 503, "not-ready")
    assert problem["reasons"] == ["draining", "not started"]
    assert (await fake.call("GET", "/livez", ops=True)).status == 200


async def test_the_metrics_page(api):
    """Both formats parse, and show the requests that were made."""
    await api.call("GET", f"/v1/kv/{fresh()}/k")
    text = await api.call("GET", "/metrics", ops=True)
    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value for f in parse_text(text.body.decode()) for s in f.samples
    }
    at = (("consistency", "quorum"), ("op", "get"), ("outcome", "ok"))
    assert samples["dynamo_requests_total", at] >= 1
    opened = await api.call("GET", "/metrics", ops=True, Accept="application/openmetrics-text;version=1.0.0")
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert list(parse_open_metrics(opened.body.decode()))


async def test_the_version(api):
    """What runs, and which peers it can talk to."""
    shown = (await api.call("GET", "/version", ops=True)).json
    assert shown["version"] == VERSION
    assert shown["protocol"]["min"] <= shown["protocol"]["max"]


async def test_the_cluster(api):
    """Every member with its addresses and its state, the asked node up with its own numbers."""
    shown = (await api.call("GET", "/admin/v1/cluster", ops=True)).json
    nodes = {node["id"]: node for node in shown["nodes"]}
    mine = nodes[shown["node"]]
    assert (mine["state"], mine["version"]) == ("up", VERSION)
    assert mine["uptime_s"] > 0
    assert len(mine["incarnation"]) == 8
    assert sum(node["partitions"] for node in nodes.values()) == 16
    assert {
        "client_port",
        "peer_port",
        "ops_port",
        "host",
        "zone",
        "host_label",
        "weight",
        "keys",
        "store_bytes",
    } <= set(mine)


async def test_a_node_that_does_not_answer_is_down(fake):
    """Its facts are unknown, not zero."""
    nodes = {n["id"]: n for n in (await fake.call("GET", "/admin/v1/cluster", ops=True)).json["nodes"]}
    assert (nodes["node2"]["state"], nodes["node2"]["keys"], nodes["node2"]["version"]) == ("down", None, None)


async def test_how_the_nodes_see_each_other(fake):
    """By every other member; unknown to one that did not answer."""
    fake.node.members = [MemberState("node2", State.SUSPECT, 7), MemberState("node3", State.DEAD, 8)]
    fake.node.members.append(MemberState("node4", State.ALIVE, 9))
    nodes = {n["id"]: n["seen"] for n in (await fake.call("GET", "/admin/v1/cluster", ops=True)).json["nodes"]}
    assert nodes == {
        "node1": {"node2": "unknown", "node3": "unknown", "node4": "unknown"},
        "node2": {"node1": "suspect", "node3": "unknown", "node4": "unknown"},
        "node3": {"node1": "dead", "node2": "unknown", "node4": "unknown"},
        "node4": {"node1": "alive", "node2": "unknown", "node3": "unknown"},
    }


async def test_listeners_do_not_mix(api):
    """Clients do not reach operations, operators do not reach data."""
    for path in ("/metrics", "/admin/v1/cluster", "/livez"):
        assert_problem(await api.call("GET", path), 404, "route-not-found")
    for path in ("/v1/kv/b/k", "/v1/ring", "/openapi.json"):
        assert_problem(await api.call("GET", path, ops=True), 404, "route-not-found")


async def test_unknown_parameters_of_operations(api):
    """Refused as everywhere."""
    for path in ("/livez?x=1", "/version?verbose", "/admin/v1/cluster?timeout=never"):
        assert_problem(await api.call("GET", path, ops=True), 400, "invalid-parameter")
