from dynamo.workload import jute, peer_zookeeper
from dynamo.workload.keys import KeySpace
from dynamo.workload.maven import Unavailable
from dynamo.workload.peer import WORKLOADS
from dynamo.workload.peer_zookeeper import ZooKeeperPeer
from dynamo.workload.zookeeper import ARTIFACT, PROVIDED, ZooKeeperCluster


def test_every_workload_is_done(tmp_path, monkeypatch):
    """Created are the plain keys, then those that are changed; the one key of all is created by itself."""
    asked: list[bytes] = []
    cluster = ZooKeeperCluster(tmp_path, [])
    monkeypatch.setattr(cluster, "ask", asked.append)
    filled: list = []
    keys = KeySpace(1, 8, 8)
    operations = ZooKeeperPeer().operations(cluster, keys, filled.append, 1)
    assert list(operations) == list(WORKLOADS)
    paths = ["/kv/key-00000000", "/cas/key-00000000"]
    assert [each.request(0) for each in filled] == [jute.create(path, keys.values[0]) for path in paths]
    assert asked == [operations["cas-one-key"].first]
    synced = jute.sync(paths[0], jute.MORE) + jute.get_data(paths[0])
    assert operations["put"].request(0) == jute.set_data(paths[0], keys.values[0])
    assert operations["get-one"].request(0) == jute.get_data(paths[0])
    assert operations["get-quorum"].request(0) == operations["get-linearizable"].request(0) == synced
    assert operations["cas"].request(0) == jute.set_data(paths[1], keys.values[0], 0)


def test_what_is_missing_is_said_as_a_line(monkeypatch):
    """Which store, that it is left out, and what to do; what its jar does not ask for is fetched, too."""
    asked: list = []

    def missing(artifact, also):
        raise Unavailable("needs mvn to fetch its jars. On Debian: apt-get install maven")

    def found(artifact, also):
        asked.append((artifact, also))
        return []

    monkeypatch.setattr(peer_zookeeper, "jars", missing)
    line = "zookeeper: skipped: needs mvn to fetch its jars. On Debian: apt-get install maven"
    assert ZooKeeperPeer().missing() == line
    monkeypatch.setattr(peer_zookeeper, "jars", found)
    assert ZooKeeperPeer().missing() == ""
    assert asked == [(ARTIFACT, PROVIDED)]
