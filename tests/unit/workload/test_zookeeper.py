import socket
import threading
from pathlib import Path

import pytest

from dynamo.workload.jute import JUTE
from dynamo.workload.processes import ServerFailed
from dynamo.workload.zookeeper import ZooKeeperCluster, java_command, mode, settings

JARS = [Path("/cache/zookeeper-3.9.5.jar"), Path("/cache/zookeeper-jute-3.9.5.jar")]
MEMBERS = [(27001, 27002), (27003, 27004), (27005, 27006)]


def said(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in settings(folder, 28001, MEMBERS).splitlines())


def test_a_node_listens_on_loopback_and_keeps_all_it_writes_in_its_folder(tmp_path):
    """Nothing is left when that folder goes, and no page is served."""
    found = said(tmp_path)
    assert (found["clientPortAddress"], found["clientPort"]) == ("127.0.0.1", "28001")
    assert [found[f"server.{number}"] for number in (1, 2, 3)] == [
        "127.0.0.1:27001:27002",
        "127.0.0.1:27003:27004",
        "127.0.0.1:27005:27006",
    ]
    assert Path(found["dataDir"]).is_relative_to(tmp_path)
    assert found["admin.enableServer"] == "false"


def test_what_makes_a_write_safe_is_as_it_comes(tmp_path):
    """Nothing but what the module says is set: syncing, snapshots and threads are ZooKeeper's own."""
    timing = {"tickTime", "initLimit", "syncLimit"}
    own = {"dataDir", "clientPort", "clientPortAddress", "server.1", "server.2", "server.3"}
    assert set(said(tmp_path)) == timing | own | {"maxClientCnxns", "admin.enableServer"}
    assert [word for word in java_command(tmp_path, JARS) if word.startswith("-D")] == ["-Djute.maxbuffer=2097152"]


def test_the_command_has_the_jars_and_the_settings(tmp_path):
    """Its folder is first among the jars, for the settings of the log."""
    command = java_command(tmp_path, JARS)
    assert command[0] == "java"
    assert command[command.index("-cp") + 1] == f"{tmp_path}:{JARS[0]}:{JARS[1]}"
    assert command[-2:] == ["org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{tmp_path}/zoo.cfg"]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"Zookeeper version: 3.9.5\nLatency min/avg/max: 0/0.0/0\nMode: leader\nNode count: 5\n", "leader"),
        (b"Mode: follower\n", "follower"),
        (b"This ZooKeeper instance is not currently serving requests\n", ""),
    ],
)
def test_a_node_is_asked_what_it_is(answer: bytes, found: str):
    """It says so in a line of its own, and hangs up."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                heard.append(taken.recv(100))
                taken.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert mode(server.getsockname()) == found
        thread.join(10)
    assert heard == [b"srvr"]


def test_it_is_spoken_to_in_its_own_protocol(tmp_path):
    """And a cluster that is not there is said as a failure."""
    cluster = ZooKeeperCluster(tmp_path, JARS)
    assert cluster.wire is JUTE
    assert cluster.pids == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        cluster.endpoints = [server.getsockname()]
    with pytest.raises(ServerFailed, match="zookeeper: "):
        cluster.ask(b"")
    with pytest.raises(ServerFailed, match="zookeeper: "):
        mode(cluster.endpoints[0])
