"""Real nodes without room: what clients see, that reads go on, and that writes do once there is room again."""

from __future__ import annotations

import pytest

from dynamo.client import Client, Value
from dynamo.errors import DynamoError, StorageFull
from tests.cluster import disks
from tests.cluster.rig import ClusterRig, running_cluster, started, until

pytestmark = pytest.mark.cluster

VALUE = b"x" * 20_000
SMALL = 12 * 2**20
LARGE = 64 * 2**20
RECOVERY_S = 75.0
"""Renewals of the incarnation come ever more rarely while a disk is full: a minute apart in the end."""


@pytest.fixture(autouse=True)
def _mounts() -> None:
    disks.needs_mounts()


def written(client: Client, start: int, enough: int) -> tuple[list[int], list[DynamoError]]:
    """Write until something is refused a few times, or enough is written: what was acknowledged, and the errors."""
    acked: list[int] = []
    errors: list[DynamoError] = []
    for number in range(start, start + enough):
        try:
            client.put("b", f"k{number}", VALUE + b"%d" % number)
            acked.append(number)
        except DynamoError as error:
            errors.append(error)
            if len(errors) == 5:
                break
    return acked, errors


def missing(client: Client, numbers: list[int]) -> list[int]:
    """Which of them a read does not give back as they were written."""
    lost = []
    for number in numbers:
        found = client.get("b", f"k{number}")
        if not isinstance(found, Value) or found.value != VALUE + b"%d" % number:
            lost.append(number)
    return lost


def writes(client: Client) -> bool:
    """Whether a write goes through now."""
    try:
        client.put("b", "probe", b"probe", timeout_s=2.0)
    except DynamoError:
        return False
    return True


def test_a_lone_node_on_a_full_disk(tmp_path):
    """503 storage-full, not applied; reads go on; with room writes do as well, without a restart; nothing is lost."""
    cluster = ClusterRig(tmp_path, 1)
    place = cluster.nodes[0].directory / "data"
    with disks.memory_disk(place, SMALL), started(cluster), Client(cluster.endpoints, timeout_s=3.0) as client:
        acked, errors = written(client, 0, 2000)
        assert len(acked) > 100
        assert {(type(e), e.members["applied"]) for e in errors} == {(StorageFull, "no")}
        assert missing(client, acked) == []
        disks.resize(place, LARGE)
        until(lambda: writes(client), RECOVERY_S, lambda: "no write goes through though there is room")
        more, _ = written(client, 5000, 50)
        assert len(more) == 50
        cluster.nodes[0].kill()
        cluster.nodes[0].start()
        cluster.nodes[0].wait_ready()
        assert missing(client, acked + more) == []


def test_a_full_map_takes_nothing_more_until_it_is_larger(tmp_path):
    """503 storage-full with the setting's name; reads go on, before and after; a larger map and a restart end it."""
    settings = "[storage]\nmap_size_bytes = 8388608\n"
    with running_cluster(tmp_path, 1, settings) as cluster, Client(cluster.endpoints, timeout_s=3.0) as client:
        acked, errors = written(client, 0, 2000)
        assert len(acked) > 100
        assert {(type(e), e.members["applied"]) for e in errors} == {(StorageFull, "no")}
        assert any("map_size_bytes" in e.detail for e in errors)
        assert missing(client, acked) == []
        node = cluster.nodes[0]
        node.stop()
        node.config.write_text(node.config.read_text().replace("8388608", "67108864"))
        node.start()
        node.wait_ready()
        more, refused = written(client, 5000, 50)
        assert (len(more), refused) == (50, [])
        assert missing(client, acked + more) == []


def test_one_full_disk_of_three_stops_nobody(tmp_path):
    """Writes are acknowledged by the other two, reads go on through every node, and the full one catches up.

    By hints; and by comparing, which is often here: nobody keeps a hint of the writes that it coordinated itself when
    its disk was found to be full, as there is no fourth node.
    """
    cluster = ClusterRig(tmp_path, 3, settings="[repair]\nperiod_s = 10.0\n")
    full = cluster.nodes[0]
    place = full.directory / "data"
    with (
        disks.memory_disk(place, SMALL),
        started(cluster),
        Client(cluster.endpoints) as client,
        Client([full.address], token_aware=False) as direct,
    ):

        def others() -> float:
            return max(node.metric("dynamo_store_keys") for node in cluster.nodes[1:])

        acked, errors = written(client, 0, 900)
        assert errors == []
        assert missing(client, acked) == []
        assert missing(direct, acked[-50:]) == []
        disks.resize(place, LARGE)
        until(lambda: writes(direct), RECOVERY_S, lambda: "no write goes through though there is room")
        until(
            lambda: full.metric("dynamo_store_keys") == others(),
            RECOVERY_S,
            lambda: f"it holds {full.metric('dynamo_store_keys')} keys, and the others {others()}",
        )
        assert missing(direct, acked) == []


def test_a_read_only_disk_at_the_start(tmp_path):
    """The node ends with what to do, the others serve; once the disk is writable it starts and has everything."""
    cluster = ClusterRig(tmp_path, 3)
    node = cluster.nodes[0]
    place = node.directory / "data"
    with disks.memory_disk(place, LARGE), started(cluster), Client(cluster.endpoints) as client:
        acked, _ = written(client, 0, 50)
        assert node.stop() == 0
        disks.writable(place, yes=False)
        node.start()
        assert node.process is not None
        assert node.process.wait(20) == 1
        assert "Read-only file system" in node.log.read_text()
        assert "make it writable" in node.log.read_text()
        assert missing(client, acked) == []
        disks.writable(place, yes=True)
        node.start()
        node.wait_ready()
        cluster.wait_connected()
        assert missing(client, acked) == []


def test_a_disk_that_becomes_read_only_under_a_node(tmp_path):
    """As by an error of its file system: nothing wrong is read, the others go on, and nothing acknowledged is lost."""
    cluster = ClusterRig(tmp_path, 3)
    node = cluster.nodes[0]
    place = node.directory / "data"
    with (
        disks.failing_disk(tmp_path / "image", place, 64 * 2**20) as disk,
        started(cluster),
        Client(cluster.endpoints) as client,
    ):
        acked, _ = written(client, 0, 50)
        disk.fail()
        more, errors = written(client, 1000, 100)
        assert len(more) > 90, errors
        assert missing(client, acked + more) == []
        if node.process is not None and node.process.poll() is None:
            node.kill()
        disk.mend()
        node.start()
        node.wait_ready()
        cluster.wait_connected()
        assert missing(client, acked + more) == []
