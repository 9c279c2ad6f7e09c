import json
from pathlib import Path

from dynamo.workload.cassandra import REGISTERS, TABLE, CassandraCluster, java_command, schema, settings
from dynamo.workload.cql import CQL

JARS = [Path("/cache/jamm-0.4.0.jar"), Path("/cache/cassandra-all-5.0.6.jar")]


def test_a_node_syncs_what_it_acknowledges(tmp_path):
    """On par with ours: no write is acknowledged that is not on disk."""
    said = json.loads(settings(tmp_path, "127.0.0.2", 0, 27000, 29042))
    assert said["commitlog_sync"] == "batch"
    assert not [name for name in said if name.startswith("commitlog_sync_")]


def test_a_node_listens_on_loopback_and_keeps_all_it_writes_in_its_folder(tmp_path):
    """Nothing is left when that folder goes."""
    said = json.loads(settings(tmp_path, "127.0.0.2", 5, 27000, 29042))
    assert (said["listen_address"], said["rpc_address"]) == ("127.0.0.2", "127.0.0.2")
    assert (said["storage_port"], said["native_transport_port"], said["initial_token"]) == (27000, 29042, "5")
    assert said["seed_provider"][0]["parameters"] == [{"seeds": "127.0.0.1:27000"}]
    folders = [value for name, value in said.items() if name.endswith("_directory")]
    folders += said["data_file_directories"]
    assert len(folders) == 5
    assert all(Path(folder).is_relative_to(tmp_path) for folder in folders)


def test_the_command_has_the_jars_and_the_settings(tmp_path):
    """Each package that is opened follows the word that opens it."""
    command = java_command(tmp_path, JARS)
    assert command[0] == "java"
    assert command[command.index("-cp") + 1] == f"{tmp_path}:{JARS[0]}:{JARS[1]}"
    assert f"-Dcassandra.config=file://{tmp_path}/cassandra.yaml" in command
    assert f"-javaagent:{JARS[0]}" in command
    opened = [command[at + 1] for at, word in enumerate(command) if word in ("--add-exports", "--add-opens")]
    assert len(opened) > 20
    assert all(word.endswith("=ALL-UNNAMED") for word in opened)


def test_every_key_is_on_every_node():
    """Three replicas of three nodes, and a table of its own for what is changed under conditions."""
    keyspace, *tables = schema()
    assert "'replication_factor': 3" in keyspace
    assert [
        f".{name} (key text PRIMARY KEY" in text for name, text in zip((TABLE, REGISTERS), tables, strict=True)
    ] == [
        True,
        True,
    ]


def test_it_is_spoken_to_in_its_own_protocol(tmp_path):
    """And has no process before it is started."""
    cluster = CassandraCluster(tmp_path, JARS)
    assert cluster.wire is CQL
    assert cluster.pids == []
