"""A node that loses its disk and comes back under the same name."""

from __future__ import annotations

import shutil

import pytest

from dynamo.client import Client, Siblings, Value
from tests.cluster.rig import running_cluster, until

pytestmark = pytest.mark.cluster

KEYS = 60


def test_a_wiped_node_hides_nothing(tmp_path):
    """It is another actor, so that its new dots cover none of the old ones; a quorum that it is part of misses nothing,
    and after a while it holds what the others hold.
    """
    with running_cluster(tmp_path) as cluster:
        node = cluster.nodes[0]
        with Client([node.address], token_aware=False) as client:
            for number in range(KEYS):
                client.put("b", f"k{number}", b"old%d" % number)
        node.kill()
        shutil.rmtree(node.directory / "data")
        node.start()
        node.wait_ready()
        cluster.wait_connected()
        with Client([node.address], token_aware=False) as client:
            for number in range(KEYS):
                client.put("b", f"k{number}", b"new%d" % number)
        for reader in cluster.nodes:
            with Client([reader.address], token_aware=False) as client:
                for number in range(KEYS):
                    found = client.get("b", f"k{number}")
                    shown = found.values if isinstance(found, Siblings) else (found,)
                    values = {value.value for value in shown if isinstance(value, Value)}
                    assert values == {b"old%d" % number, b"new%d" % number}, (reader.id, number)
        until(lambda: node.metric("dynamo_store_keys") == KEYS, 60, lambda: "it is not filled")
