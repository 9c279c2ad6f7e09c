import struct

from dynamo.workload import jute
from dynamo.workload.keys import KeySpace
from dynamo.workload.zookeeper_operations import (
    ONE_KEY,
    ZooKeeperCas,
    ZooKeeperCreate,
    ZooKeeperGet,
    ZooKeeperOneKeyCas,
    ZooKeeperSet,
)

KEYS = KeySpace(3, 4, 20)
BAD_VERSION, NO_NODE = -103, -101


def stat(version: int, length: int = 20) -> bytes:
    return struct.pack(">qqqqiiiqiiq", 1, 2, 3, 4, version, 0, 0, 0, length, 0, 1)


def data(position: int) -> bytes:
    return struct.pack(">i", 20) + KEYS.values[position]


def test_a_key_is_created_under_its_parent():
    """The answer names the node; one that exists is a fault."""
    create = ZooKeeperCreate(KEYS, "/kv")
    assert create.request(1) == jute.create("/kv/key-00000001", KEYS.values[1])
    assert create.fault(1, 0, b"", b"\x00\x00\x00\x10/kv/key-00000001") == ""
    assert create.fault(1, 0, b"", b"\x00\x00\x00\x10/kv/key-00000002").startswith("an answer of 20 bytes")
    assert create.fault(1, -110, b"", b"") == "error -110 NodeExists"


def test_a_write_names_no_version_and_is_answered_with_the_state_of_the_node():
    """Of as many bytes as were written."""
    write = ZooKeeperSet(KEYS, "/kv")
    assert write.request(2) == jute.set_data("/kv/key-00000002", KEYS.values[2])
    assert write.fault(2, 0, b"", stat(7)) == ""
    assert write.fault(2, 0, b"", stat(7, length=19)).startswith("an answer of 68 bytes")
    assert write.fault(2, 0, b"", stat(7) + b"x").startswith("an answer of 69 bytes")
    assert write.fault(2, NO_NODE, b"", b"") == "error -101 NoNode"


def test_a_read_knows_the_value():
    """Another value is a fault, and so is none, or more than one."""
    read = ZooKeeperGet(KEYS, "/kv", synced=False)
    assert read.name == "getData"
    assert read.request(2) == jute.get_data("/kv/key-00000002")
    assert read.fault(2, 0, b"", data(2) + stat(1)) == ""
    wrong = "getData gave another value than was set"
    for body in (data(1) + stat(1), data(2) + data(2) + stat(1), data(2) + stat(1)[1:], stat(1), b""):
        assert read.fault(2, 0, b"", body) == wrong
    assert read.fault(2, NO_NODE, b"", b"") == "error -101 NoNode"


def test_a_synced_read_is_two_requests_at_once():
    """And both their answers, of the same node."""
    read = ZooKeeperGet(KEYS, "/kv", synced=True)
    assert read.name == "sync + getData"
    assert read.request(3) == jute.sync("/kv/key-00000003", jute.MORE) + jute.get_data("/kv/key-00000003")
    assert read.fault(3, 0, b"", jute.text("/kv/key-00000003") + data(3) + stat(1)) == ""
    for body in (data(3) + stat(1), jute.text("/kv/key-00000002") + data(3) + stat(1)):
        assert read.fault(3, 0, b"", body) == "getData gave another value than was set"


def test_a_change_names_the_version_that_the_last_one_made():
    """Each key its own; after a refusal, which tells none, the next one takes any and learns it."""
    cas = ZooKeeperCas(KEYS, "/cas")

    def names(version: int) -> bool:
        return cas.request(1) == jute.set_data("/cas/key-00000001", KEYS.values[1], version)

    assert names(0)
    assert cas.fault(1, 0, b"", stat(1)) == ""
    assert names(1)
    assert cas.request(0) == jute.set_data("/cas/key-00000000", KEYS.values[0], 0)
    assert cas.fault(1, BAD_VERSION, b"", b"") == "error -103 BadVersion"
    assert names(-1)
    assert cas.fault(1, 0, b"", stat(9)) == ""
    assert names(9)
    assert cas.fault(1, 0, b"", stat(11)) == "a change of version 9 made version 11"
    assert names(11)
    assert cas.fault(1, 0, b"", stat(12, length=3)).startswith("an answer of 68 bytes")


def named(operation: ZooKeeperOneKeyCas, position: int) -> int:
    """The version that the next request is conditional on: the last four bytes of its first frame."""
    request = operation.request(position)
    end = 4 + int.from_bytes(request[:4], "big")
    assert request[end:] == jute.get_data(ONE_KEY)
    return int.from_bytes(request[end - 4 : end], "big")


def test_on_one_key_refusals_are_answers():
    """The read that goes with each change tells the version to go on from, whatever became of the change."""
    cas = ZooKeeperOneKeyCas(KEYS)
    assert cas.first == jute.create(ONE_KEY, KEYS.values[0])
    assert (named(cas, 0), named(cas, 1)) == (0, 0)
    # Two others were quicker with the read.
    assert cas.fault(0, 0, b"", stat(1) + data(0) + stat(3)) == ""
    assert named(cas, 2) == 3
    assert cas.fault(1, BAD_VERSION, b"", data(0) + stat(2)) == ""
    assert named(cas, 3) == 3
    assert (cas.answers, cas.made) == (2, 1)


def test_on_one_key_what_is_neither_is_a_fault():
    """Another error, another value, no value, a version that cannot be."""
    cas = ZooKeeperOneKeyCas(KEYS)
    assert named(cas, 0) == 0
    assert cas.fault(0, NO_NODE, b"", b"") == "error -101 NoNode"
    assert cas.fault(0, BAD_VERSION, b"", b"") == "error -103 BadVersion"
    assert cas.fault(0, BAD_VERSION, b"", data(1) + stat(2)) == "getData gave another value than was set"
    assert cas.fault(0, 0, b"", stat(2) + data(0) + stat(2)) == "a change of version 0 made version 2"
    assert cas.fault(0, 0, b"", stat(1)).startswith("an answer of 68 bytes")
