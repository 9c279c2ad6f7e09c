import os
import socket
from pathlib import Path

import pytest

from dynamo.cli.local_cluster import lock, plan, refuse_used_ports, write
from dynamo.config_load import load
from dynamo.errors import ConfigError


def planned(
    data: Path, count: int | None = None, base_port: int | None = None, *settings: str, hosts: int | None = None
):
    nodes = plan(data, count, base_port, settings, {}, hosts)
    write(nodes)
    return nodes


def files(data: Path) -> list[str]:
    return sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file())


def test_a_new_cluster_has_a_file_for_each_node(tmp_path):
    """Same members in each, ports ten apart, data beside the file."""
    planned(tmp_path)
    assert files(tmp_path) == [f"node{n}/node.toml" for n in (1, 2, 3)]
    for number in (1, 2, 3):
        config = load(tmp_path / f"node{number}/node.toml", {})
        assert config.node.id == f"node{number}"
        assert config.node.data_dir == str(tmp_path / f"node{number}/data")
        assert [m.client_port for m in config.cluster.members] == [7610, 7620, 7630]
        assert (config.member.peer_port, config.member.ops_port) == (7601 + 10 * number, 7602 + 10 * number)


def test_a_plan_alone_changes_nothing(tmp_path):
    """A mistake found later leaves no files behind."""
    plan(tmp_path, 3, None, (), {})
    assert files(tmp_path) == []


def test_settings_are_kept_in_their_types(tmp_path):
    """So that the next start has them without being told."""
    planned(tmp_path, 1, 9000, "storage.durability=async", "requests.timeout_s=3", "cluster.partitions=64")
    text = (tmp_path / "node1/node.toml").read_text()
    assert "timeout_s = 3.0" in text
    config = planned(tmp_path)[0].config
    assert (config.storage.durability, config.requests.timeout_s, config.cluster.partitions) == ("async", 3.0, 64)


def test_settings_of_one_run_do_not_change_the_files(tmp_path):
    """A later --set holds for that run."""
    planned(tmp_path, 1)
    before = (tmp_path / "node1/node.toml").read_text()
    assert planned(tmp_path, None, None, "log.level=debug")[0].config.log.level == "debug"
    assert (tmp_path / "node1/node.toml").read_text() == before


def test_an_existing_cluster_is_taken_as_it_is(tmp_path):
    """Count and ports come from its files; what is edited there is honoured."""
    planned(tmp_path, 5, 9000)
    file = tmp_path / "node4/node.toml"
    file.write_text(file.read_text() + '\n[log]\nlevel = "debug"\n')
    again = planned(tmp_path)
    assert [n.id for n in again] == [f"node{n}" for n in range(1, 6)]
    assert again[3].config.log.level == "debug"
    assert again[0].member.client_port == 9000
    assert planned(tmp_path, 5, 9000)


def test_another_cluster_than_the_one_there_is_refused(tmp_path):
    """More nodes on the same data are another topology."""
    planned(tmp_path, 3)
    with pytest.raises(ConfigError, match="holds a cluster of 3 nodes, not 5"):
        planned(tmp_path, 5)
    with pytest.raises(ConfigError, match="listens from port 7610"):
        planned(tmp_path, None, 9000)


def test_nodes_take_turns_on_hosts(tmp_path):
    """Every file says so, the next start knows; another number of hosts is another cluster, and none is none."""
    planned(tmp_path / "on-hosts", 5, hosts=2)
    again = planned(tmp_path / "on-hosts", hosts=2)
    assert [n.member.host_label for n in again] == ["h1", "h2", "h1", "h2", "h1"]
    assert [m.host_label for m in again[4].config.cluster.members] == ["h1", "h2", "h1", "h2", "h1"]
    with pytest.raises(ConfigError, match="has 2 hosts, and --hosts is 3"):
        planned(tmp_path / "on-hosts", hosts=3)
    planned(tmp_path / "bare", 3)
    with pytest.raises(ConfigError, match="has no host labels"):
        planned(tmp_path / "bare", hosts=1)
    with pytest.raises(ConfigError, match="3 nodes run on at most 3 hosts"):
        planned(tmp_path / "more", 3, hosts=4)


def test_a_node_whose_folder_was_lost_is_made_again(tmp_path):
    """As a member of the same cluster, with the same settings."""
    planned(tmp_path, 3, 9000, "cluster.partitions=64")
    (tmp_path / "node2/node.toml").unlink()
    (tmp_path / "node2").rmdir()
    planned(tmp_path)
    assert load(tmp_path / "node2/node.toml", {}).cluster == load(tmp_path / "node1/node.toml", {}).cluster


def test_a_moved_folder_is_noticed(tmp_path):
    """Its files name the old place, where the nodes would begin with empty data."""
    planned(tmp_path / "old", 1)
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(ConfigError, match="moved"):
        planned(tmp_path / "new")


@pytest.mark.parametrize(
    "setting", ["node.id=x", "node.data_dir=/x", "cluster.members=x", "log.levle=debug", "log.level=loud", "nonsense"]
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(tmp_path, setting: str):
    """Also those that `up` decides itself."""
    with pytest.raises(ConfigError):
        planned(tmp_path, 3, None, setting)
    assert files(tmp_path) == []


def test_ports_end_somewhere(tmp_path):
    """The last node's must exist as well."""
    with pytest.raises(ConfigError, match="65535"):
        planned(tmp_path, 3, 65520)


def test_used_ports_are_named(tmp_path):
    """All of them, with whom they were meant for."""
    nodes = planned(tmp_path, 2, 20000 + os.getpid() % 10000)
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", nodes[0].member.client_port))
        second.bind(("127.0.0.1", nodes[1].member.ops_port))
        first.listen()
        second.listen()
        with pytest.raises(ConfigError) as caught:
            refuse_used_ports(nodes)
    assert f"{nodes[0].member.client_port} (node1, clients)" in caught.value.detail
    assert f"{nodes[1].member.ops_port} (node2, operations)" in caught.value.detail
    assert "peers" not in caught.value.detail


def test_a_folder_has_one_owner(tmp_path):
    """Until it lets go."""
    data = tmp_path / "data"
    with lock(data), pytest.raises(ConfigError, match=f"process {os.getpid()}"):
        lock(data)
    lock(data).close()
