from dynamo.workload import systems
from dynamo.workload.keys import KeySpace
from dynamo.workload.peer import WORKLOADS
from dynamo.workload.peer_etcd import EtcdPeer
from dynamo.workload.systems import EtcdCluster


def test_every_workload_is_done(tmp_path):
    """Filled are what is put and, apart from it, what is compared and set: nobody else may write that."""
    filled: list = []
    operations = EtcdPeer().operations(EtcdCluster(tmp_path, 3), KeySpace(1, 8, 8), filled.append, 1)
    assert list(operations) == list(WORKLOADS)
    assert filled == [operations["put"], operations["cas"]]
    key = b"Y2FzL2tleS0wMDAwMDAwMA=="
    assert key in operations["cas"].request(0)
    assert key not in operations["put"].request(0)
    # The reads that promise the same are the same.
    assert operations["get-quorum"] is operations["get-linearizable"]
    assert b'"serializable":true' in operations["get-one"].request(0)


def test_where_it_is_not_installed_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert EtcdPeer().missing() == systems.ETCD_INSTALL
