import shutil
import tomllib

import pytest

from dynamo.config_load import load
from dynamo.workload import systems
from dynamo.workload.processes import Child, ServerFailed, status_of
from dynamo.workload.systems import (
    BareServer,
    DynamoCluster,
    EtcdCluster,
    System,
    etcd_command,
    etcd_version,
    node_config,
)


def test_a_nodes_settings_are_good_ones(tmp_path):
    """The product's own configuration accepts them, and they say where everybody is."""
    text = node_config("node2", tmp_path / 'odd "name"', {"node1": [1001, 1002, 1003], "node2": [2001, 2002, 2003]})
    config = load(None, {}, text=text)
    assert config.node.data_dir == str(tmp_path / 'odd "name"')
    assert [(m.id, m.client_port, m.peer_port, m.ops_port) for m in config.cluster.members] == [
        ("node1", 1001, 1002, 1003),
        ("node2", 2001, 2002, 2003),
    ]
    assert config.storage.durability == "sync"
    assert set(tomllib.loads(text)) == {"node", "storage", "log", "cluster"}


def test_etcd_is_told_of_all_its_nodes(tmp_path):
    """Nothing in the command weakens what etcd does by default."""
    peers = {"etcd1": "http://127.0.0.1:1", "etcd2": "http://127.0.0.1:2"}
    command = etcd_command("etcd2", tmp_path, "http://127.0.0.1:9", peers)
    assert command[0] == "etcd"
    assert "--initial-cluster=etcd1=http://127.0.0.1:1,etcd2=http://127.0.0.1:2" in command
    assert "--listen-peer-urls=http://127.0.0.1:2" in command
    assert not [word for word in command if "fsync" in word or "quota" in word or "snapshot" in word]


@pytest.mark.cluster
def test_the_bare_server_answers_its_constant(tmp_path):
    """At its endpoint while the block runs, and not after it."""
    with BareServer(tmp_path, b"hello", None) as server:
        ((_, port),) = server.endpoints
        assert systems.asked(port, "GET", "/", None) == b"hello"
    assert status_of(port, "/") != 200
    assert server.pids == []


@pytest.mark.cluster
def test_our_cluster_is_up_with_its_bucket(tmp_path):
    """Two nodes, ready, each with the bucket's n; gone after the block."""
    with DynamoCluster(tmp_path, nodes=2, n=2) as cluster:
        assert (len(cluster.endpoints), len(cluster.pids)) == (2, 2)
        assert b'"n":2' in systems.asked(cluster.endpoints[0][1], "GET", f"/v1/buckets/{systems.BUCKET}", None)
        ports = [port for _, port in cluster.endpoints]
    assert [port for port in ports if status_of(port, "/v1/buckets") == 200] == []


@pytest.mark.cluster
@pytest.mark.skipif(shutil.which("etcd") is None, reason=systems.ETCD_INSTALL)
def test_etcd_is_asked_at_its_leader(tmp_path):
    """One endpoint of three, where a put is answered."""
    with EtcdCluster(tmp_path, nodes=3) as cluster:
        ((_, port),) = cluster.endpoints
        assert len(cluster.pids) == 3
        assert b"revision" in systems.asked(port, "POST", "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
    assert etcd_version().count(".") == 2


def test_a_start_that_fails_ends_what_was_started(tmp_path):
    """No server is left, and the error is the one that the start raised."""
    started: list[Child] = []

    class Half(System):
        def start(self) -> None:
            self.children.append(Child("one", ["sleep", "600"], tmp_path / "one.log"))
            started.extend(self.children)
            raise ServerFailed("the second did not start")

    with pytest.raises(ServerFailed, match="the second"), Half("half", "none"):
        pass
    assert [child.exit_code for child in started] == [-15]


def test_an_answer_that_is_no_success_is_a_failed_server():
    """With what was asked and what came, so that the run can say why it ended."""
    with pytest.raises(ServerFailed, match=r"GET /x"):
        systems.asked(1, "GET", "/x", None)


def test_without_etcd_there_is_no_version(monkeypatch):
    """And the words that are shown then say how to get it."""
    monkeypatch.setenv("PATH", "")
    assert etcd_version() == ""
    assert "apt-get install etcd-server" in systems.ETCD_INSTALL
