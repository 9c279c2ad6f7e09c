"""A key that many clients write without looking: the limit stops it, one read-modify-write clears it."""

from __future__ import annotations

import json

import pytest

from dynamo.client import Client, Siblings, Value, union
from dynamo.errors import TooManySiblings
from tests.cluster.rig import running_cluster

pytestmark = pytest.mark.cluster

LIMIT = 100


def test_a_hundredfold_explosion_is_resolved_by_one_update(tmp_path):
    """The write beyond the limit is refused by every node, reads go on, and nothing that was acknowledged is lost."""
    with running_cluster(tmp_path) as cluster:
        with Client(cluster.endpoints) as client:
            for number in range(LIMIT):
                client.put("carts", "k", json.dumps([number]).encode(), consistency="all")
            for node in cluster.nodes:
                with Client([node.address], token_aware=False) as direct, pytest.raises(TooManySiblings) as refusal:
                    direct.put("carts", "k", b"[-1]")
                assert refusal.value.members["limit"] == LIMIT
            shown = client.get("carts", "k", siblings="all")
            assert isinstance(shown, Siblings)
            assert len(shown.values) == LIMIT
        with Client(cluster.endpoints, resolve=union) as client:
            read = client.get("carts", "k")
            assert isinstance(read, Value)
            assert read.resolved_from == LIMIT
            written = client.update(
                "carts", "k", lambda old: json.dumps([*json.loads(old or b"[]"), LIMIT]).encode(), consistency="all"
            )
            assert written.siblings == 1
        with Client(cluster.endpoints) as client:
            after = client.get("carts", "k", consistency="all")
            assert isinstance(after, Value)
            assert sorted(json.loads(after.value)) == list(range(LIMIT + 1))
            client.put("carts", "k", b"[1000]", seen=after)
        refused = sum(node.metric('dynamo_limit_refusals_total{limit="siblings"}') for node in cluster.nodes)
        warned = sum(node.metric('dynamo_limit_warnings_total{limit="siblings"}') for node in cluster.nodes)
        assert refused == len(cluster.nodes)
        assert warned == LIMIT - 10
        logs = "".join(node.log.read_text() for node in cluster.nodes)
        assert "a key grows" in logs
        assert "carts" in logs
        assert "[42]" not in logs


def test_the_limit_of_a_record_works_through_the_api(tmp_path):
    """At the limit it is taken, a value more is 413 with the limit, and a write that has seen all passes."""
    settings = "[limits]\nvalue_bytes_max = 1000\nobject_bytes_max = 1500\nobject_bytes_warn = 700\n"
    with running_cluster(tmp_path, settings=settings) as cluster, Client(cluster.endpoints) as client:
        for _ in range(2):
            client.put("b", "k", b"x" * 500)
        with pytest.raises(Exception, match="1500 are allowed") as refusal:
            client.put("b", "k", b"x" * 500)
        assert getattr(refusal.value, "code", "") == "value-too-large"
        client.put("b", "k", b"x" * 1000, seen=client.get("b", "k"))
        assert sum(n.metric('dynamo_limit_refusals_total{limit="object_bytes"}') for n in cluster.nodes) == 1
        assert sum(n.metric('dynamo_limit_warnings_total{limit="object_bytes"}') for n in cluster.nodes) == 2
