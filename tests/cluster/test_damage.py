"""A file is damaged while its node is stopped: what is read then is right, or an error; later the node is whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dynamo.client import Client, Value
from dynamo.errors import DynamoError
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster, until

pytestmark = pytest.mark.cluster

KEYS = 150
HEALED_S = 60.0
SET_ASIDE = '[storage]\non_damage = "set-aside"\n'
PAGE = 4096


def value_of(number: int) -> bytes:
    """Long enough that some pages hold nothing but values, and recognised in the file."""
    return (b"<value %06d>" % number) * 40


def fill(cluster: ClusterRig) -> None:
    with Client(cluster.endpoints) as client:
        for number in range(KEYS):
            client.put("b", b"k%d" % number, value_of(number), consistency="all")


def read_all(cluster: ClusterRig, consistency: str) -> int:
    """Read every key through every running node. None is wrong or missing; how many were errors."""
    refused = 0
    for node in cluster.nodes:
        if node.process is None or node.process.poll() is not None:
            continue
        with Client([node.address], token_aware=False) as client:
            for number in range(KEYS):
                try:
                    found = client.get("b", b"k%d" % number, consistency=consistency)
                except DynamoError:
                    refused += 1
                    continue
                assert isinstance(found, Value), (node.id, number, found)
                assert found.value == value_of(number), (node.id, number)
    return refused


def data_file(node: NodeProcess) -> Path:
    return node.directory / "data" / "store" / "data.mdb"


def flip_bits(node: NodeProcess) -> int:
    """One bit in the value of every third key, in every page that has it; how many keys."""
    content = bytearray(data_file(node).read_bytes())
    harmed = range(0, KEYS, 3)
    for number in harmed:
        places = [match.start() for match in re.finditer(re.escape(value_of(number)), bytes(content))]
        assert places, "the value lies in the file as it was written"
        for place in places:
            content[place + 100] ^= 0x10
    data_file(node).write_bytes(content)
    return len(harmed)


def harm_at_rest(node: NodeProcess) -> int:
    """Flip bits in its file while it is stopped; how many keys. It runs again."""
    assert node.stop() == 0
    harmed = flip_bits(node)
    node.start()
    node.wait_ready()
    return harmed


def audit(node: NodeProcess) -> dict[str, object]:
    """How the audit of a node stands."""
    found: dict[str, object] = json.loads(node.operations("/admin/v1/audit")[1])
    return found


def audited(node: NodeProcess) -> None:
    """Have a pass made, and wait until it is over and nothing is in doubt any more."""
    assert node.operations("/admin/v1/audit", "POST")[0] == 202

    def is_whole() -> bool:
        status = audit(node)
        return not status["running"] and status["in_doubt"] == 0

    until(is_whole, HEALED_S, lambda: f"the audit does not end: {audit(node)}")


def test_flipped_bits_are_never_read_and_are_repaired(tmp_path):
    """Every level goes on while sound copies are enough; after an audit all replicas are, byte for byte."""
    with running_cluster(tmp_path) as cluster:
        fill(cluster)
        node = cluster.nodes[0]
        harmed = harm_at_rest(node)
        cluster.wait_connected()
        assert read_all(cluster, "one") == 0
        assert read_all(cluster, "quorum") == 0
        audited(node)
        assert node.metric('dynamo_audit_damaged_total{where="records"}') == harmed
        assert read_all(cluster, "all") == 0
        with Client(cluster.endpoints) as client:
            client.put("b", b"after", b"it", consistency="all")


def test_a_damaged_node_finds_it_by_itself(tmp_path):
    """Nobody reads, nobody asks for an audit: the first pass of a node begins with its start."""
    with running_cluster(tmp_path, settings="[audit]\nperiod_s = 5\n") as cluster:
        fill(cluster)
        node = cluster.nodes[0]
        harmed = harm_at_rest(node)
        until(
            lambda: node.metric('dynamo_audit_healed_total{outcome="repaired"}') == harmed,
            HEALED_S,
            lambda: f"not all was repaired: {audit(node)}",
        )
        assert read_all(cluster, "all") == 0


@pytest.mark.parametrize("damage", ["truncated", "header"])
def test_a_damaged_file_is_refused_or_set_aside(tmp_path, damage):
    """By default with what to do; where the operator wants it, the node begins anew and is filled by the others."""
    with running_cluster(tmp_path) as cluster:
        fill(cluster)
        node = cluster.nodes[0]
        assert node.stop() == 0
        content = data_file(node).read_bytes()
        if damage == "truncated":
            data_file(node).write_bytes(content[: len(content) // 2])
        else:
            data_file(node).write_bytes(b"\xff" * 2 * PAGE + content[2 * PAGE :])
        harmed = data_file(node).read_bytes()
        node.start()
        assert node.process is not None
        assert node.process.wait(20) == 1
        assert "set-aside" in node.log.read_text()
        assert data_file(node).read_bytes() == harmed
        assert read_all(cluster, "quorum") == 0
        node.config.write_text(SET_ASIDE + node.config.read_text())
        node.start()
        node.wait_ready()
        cluster.wait_connected()
        (moved,) = (node.directory / "data").glob("store.damaged-*")
        assert (moved / "data.mdb").read_bytes() == harmed
        assert read_all(cluster, "quorum") == 0
        until(lambda: read_all(cluster, "all") == 0, HEALED_S, lambda: "some keys cannot be read at all replicas")
        audited(node)
        assert audit(node)["damaged"] == 0


@pytest.mark.parametrize("rubbish", [b"\x00", b"\xff"])
def test_overwritten_pages_are_never_read(tmp_path, rubbish):
    """The node answers errors for them or ends, which is a crash like any other; nothing wrong is read, and set aside
    by the operator it is whole again.
    """
    with running_cluster(tmp_path) as cluster:
        fill(cluster)
        node = cluster.nodes[0]
        assert node.stop() == 0
        content = bytearray(data_file(node).read_bytes())
        for page in range(len(content) // PAGE // 3, len(content) // PAGE // 2):
            content[page * PAGE : (page + 1) * PAGE] = rubbish * PAGE
        data_file(node).write_bytes(content)
        node.start()
        assert node.process is not None
        until(lambda: node.process.poll() is not None or node.answers("/livez"), 20, lambda: "neither up nor ended")
        read_all(cluster, "one")
        assert read_all(cluster, "quorum") == 0 or node.process.poll() is None
        if node.process.poll() is None:
            node.kill()
        assert read_all(cluster, "quorum") == 0
        (node.directory / "data" / "store" / "suspect").write_text("an operator has seen errors")
        node.config.write_text(SET_ASIDE + node.config.read_text())
        node.start()
        node.wait_ready()
        cluster.wait_connected()
        until(lambda: read_all(cluster, "all") == 0, HEALED_S, lambda: "some keys cannot be read at all replicas")
