import os
from pathlib import Path

import pytest

from dynamo.load import distant_nodes
from dynamo.load.distant_nodes import DistantNodes
from dynamo.workload.processes import ServerFailed
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
    monkeypatch.setattr(distant_nodes, "Child", lambda *words: told.extend(words[1]))
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
    there = told.index(str(seen["node3"]["node1"][1]))
    assert told[there + 1 : there + 3] == ["11", "24"]


def test_messages_take_their_time_and_can_be_cut(tmp_path: Path):
    """A write that three must have takes a round trip to the third, and fails while it is cut off."""
    with DistantNodes(tmp_path, 3, 3, 50) as nodes:
        links = nodes.links_pids
        port = nodes.endpoints[0][1]
        began = os.times().elapsed
        asked(port, "PUT", "/v1/kv/bench/far?w=3", None)
        assert os.times().elapsed - began >= 0.29
        nodes.cut()
        with pytest.raises(ServerFailed, match=r"50[34]"):
            asked(port, "PUT", "/v1/kv/bench/cut?w=3&sloppy=false&timeout=500ms", None)
        asked(port, "PUT", "/v1/kv/bench/near?w=2", None)
        nodes.heal()
        asked(port, "PUT", "/v1/kv/bench/healed?w=2", None)
    for pid in links:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
