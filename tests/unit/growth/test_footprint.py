import os

from dynamo.growth.footprint import Footprint, footprint, together, told

PAGE = """# HELP dynamo_store_bytes Bytes
dynamo_store_bytes 4096.0
dynamo_store_keys 12.0
dynamo_store_keys_of_another_name 99.0
dynamo_pending_hints{peer="node2"} 3.0
dynamo_pending_hints{peer="node3"} 4.0
dynamo_storage_memtable_bytes 0.0
dynamo_storage_checkpoints_total 7.0
"""


def test_a_page_says_what_it_has():
    """Labels are summed over, other series left out, what is missing is nothing."""
    assert told(PAGE) == {
        "used_bytes": 4096,
        "records": 12,
        "hints": 7,
        "memtable_bytes": 0,
        "checkpoints": 7,
        "rebuilding": 0,
    }
    assert set(told("").values()) == {0}


def test_a_node_is_its_memory_and_its_files(tmp_path):
    """LMDB's file and the log by their sizes, the disk by what is really taken."""
    log = tmp_path / "store" / "log"
    log.mkdir(parents=True)
    with (tmp_path / "store" / "data.mdb").open("wb") as data:
        data.truncate(10 * 2**20)
    for name in ("1.log", "2.log"):
        (log / name).write_bytes(b"x" * 5000)
    found = footprint(os.getpid(), tmp_path, PAGE)
    assert (found.data_bytes, found.log_bytes, found.hints) == (10 * 2**20, 10_000, 7)
    assert found.free_bytes == 10 * 2**20 - 4096
    assert found.disk_bytes < 2**20
    assert 2**20 < found.own_bytes < found.resident_bytes


def test_nodes_add_up():
    """Every field; nothing of none."""
    one = Footprint(own_bytes=1, data_bytes=10, used_bytes=4, hints=2)
    both = together([one, one])
    assert (both.own_bytes, both.free_bytes, both.hints) == (2, 12, 4)
    assert together([]) == Footprint()


def test_a_store_that_is_not_there_yet_is_nothing(tmp_path):
    """Nor is a process that is gone."""
    assert footprint(2**22 + 1, tmp_path, "") == Footprint()
