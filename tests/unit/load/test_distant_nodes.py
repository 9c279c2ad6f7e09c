import os
from pathlib import Path

from dynamo.load import distant_nodes
from dynamo.load.distant_nodes import DistantNodes
from dynamo.workload.systems import asked

MEMBERS = {f"node{number}": [10 * number, 10 * number + 1, 10 * number + 2] for number in (1, 2, 3)}


def test_they_stand_in_a_row(tmp_path: Path):
    """Each twice as far as the one before, there and back alike."""
    nodes = DistantNodes(tmp_path, 3, 3, 8)
    nodes.members = MEMBERS
    assert nodes.delay_ms("node1", "node2") == nodes.delay_ms("node2", "node1") == 8
    assert nodes.delay_ms("node2", "node3") == 16
    assert nodes.delay_ms("node1", "node3") == nodes.delay_ms("node3", "node1") == 24
    assert nodes.delay_ms("node2", "node2") == 0


def test_a_node_reaches_each_other_one_by_a_link_of_its_own(tmp_path: Path, monkeypatch):
    """Itself, and everybody's clients and operations, directly."""
    told = []
    monkeypatch.setattr(distant_nodes, "Child", lambda *words: told.append(words[1]))
    monkeypatch.setattr(distant_nodes, "is_free", lambda _: False)
    monkeypatch.setattr(distant_nodes, "free_ports", lambda count: list(range(900, 900 + count)))
    nodes = DistantNodes(tmp_path, 3, 3, 8)
    nodes.members = MEMBERS
    nodes.prepare()
    seen = {name: nodes.as_seen_by(name) for name in MEMBERS}
    links = {ports[1] for name in MEMBERS for member, ports in seen[name].items() if member != name}
    assert links == set(range(900, 906))
    assert all(seen[name][name] == MEMBERS[name] for name in MEMBERS)
    assert all((ports[0], ports[2]) == (MEMBERS[name][0], MEMBERS[name][2]) for name, ports in seen["node1"].items())
    (command,) = told
    there = command.index(str(seen["node3"]["node1"][1]))
    assert command[there + 1 : there + 3] == ["11", "24"]


def test_messages_take_their_time(tmp_path: Path):
    """A write that two of two must have takes a round trip; when it ends, so do the links."""
    with DistantNodes(tmp_path, 2, 2, 150) as nodes:
        links = nodes.links_pid
        port = nodes.endpoints[0][1]
        began = os.times().elapsed
        asked(port, "PUT", "/v1/kv/bench/far?w=2", None)
        assert os.times().elapsed - began >= 0.29
    try:
        os.kill(links, 0)
    except ProcessLookupError:
        return
    raise AssertionError("the links are still there")
