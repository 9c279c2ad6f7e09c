from dynamo.workload import cql, peer_cassandra
from dynamo.workload.cassandra import CassandraCluster
from dynamo.workload.cql_operations import STATEMENTS
from dynamo.workload.keys import KeySpace
from dynamo.workload.maven import Unavailable
from dynamo.workload.peer import WORKLOADS
from dynamo.workload.peer_cassandra import CassandraPeer


def test_every_workload_is_done(tmp_path, monkeypatch):
    """Filled are all replicas of plain keys, then the registers; the one key of all is created by itself."""
    asked: list[bytes] = []
    cluster = CassandraCluster(tmp_path, [])
    cluster.statements = {statement: bytes([number]) * 16 for number, statement in enumerate(STATEMENTS)}
    monkeypatch.setattr(cluster, "ask", asked.append)
    filled: list = []
    operations = CassandraPeer().operations(cluster, KeySpace(1, 8, 8), filled.append, 1)
    assert list(operations) == list(WORKLOADS)
    assert [each.name for each in filled] == ["INSERT ALL", "INSERT IF NOT EXISTS"]
    assert asked == [operations["cas-one-key"].first]
    consistencies = {"put": cql.QUORUM, "get-one": cql.ONE, "get-quorum": cql.QUORUM, "get-linearizable": cql.SERIAL}
    for name, consistency in consistencies.items():
        # Behind the header, and an id of sixteen bytes with its length.
        assert int.from_bytes(operations[name].request(0)[27:29], "big") == consistency


def test_what_is_missing_is_said_as_a_line(monkeypatch):
    """Which store, that it is left out, and what to do."""

    def jars(artifact):
        raise Unavailable("needs mvn to fetch its jars. On Debian: apt-get install maven")

    monkeypatch.setattr(peer_cassandra, "jars", jars)
    line = "cassandra: skipped: needs mvn to fetch its jars. On Debian: apt-get install maven"
    assert CassandraPeer().missing() == line
    monkeypatch.setattr(peer_cassandra, "jars", lambda _: [])
    assert CassandraPeer().missing() == ""
