"""The dictionaries in front of LMDB say what LMDB says, and ask it seldom."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import recent
from dynamo.storage.applying import Mark
from dynamo.storage.group import Group
from dynamo.storage.memtable import Memtable
from dynamo.storage.recent import Recent
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import put

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS
KEYS = [b"a", b"b", b"c", b"d"]
VALUES = st.one_of(st.none(), st.sampled_from([b"1", b"22", b"333"]))


class Lmdb:
    """A dictionary that counts what it is asked for."""

    def __init__(self, **held: bytes) -> None:
        self.held: dict[bytes, bytes | None] = {name.encode(): value for name, value in held.items()}
        self.asked: list[bytes] = []

    def get(self, space: Keyspace, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.held.get(key) if space is RECORDS else None

    def take(self, changes: dict[bytes, bytes | None]) -> Memtable:
        """The table that it has taken over."""
        group, table = Group(1 << 30), Memtable()
        group.add([(RECORDS, key, value) for key, value in changes.items()], True, lambda _: None)
        table.add(group)
        self.held.update(changes)
        return table


@given(
    st.lists(st.one_of(st.sampled_from(KEYS), st.dictionaries(st.sampled_from(KEYS), VALUES)), max_size=40),
    st.integers(1, 9),
    st.integers(0, 4),
)
def test_it_says_what_lmdb_says(steps, count_max, taken_in_max):
    """Whatever is read and taken over, in any order, and however soon a generation is full."""
    lmdb = Lmdb(a=b"0", b=b"0")
    cache = Recent(lmdb.get)
    with patch.object(recent, "COUNT_MAX", count_max), patch.object(recent, "TAKEN_IN_MAX", taken_in_max):
        for step in steps:
            if isinstance(step, bytes):
                assert cache.read(RECORDS, step) == lmdb.held.get(step)
            else:
                cache.took(lmdb.take(step))
    assert [cache.read(RECORDS, key) for key in KEYS] == [lmdb.held.get(key) for key in KEYS]


def test_what_was_read_or_taken_lately_is_not_asked_for_again(monkeypatch):
    """Also that a key is not there. It stays while it is wanted, and goes after two generations without."""
    monkeypatch.setattr(recent, "TAKEN_IN_MAX", -1)
    lmdb = Lmdb(a=b"0")
    cache = Recent(lmdb.get)
    for _ in range(2):
        assert [cache.read(RECORDS, key) for key in (b"a", b"z")] == [b"0", None]
    cache.took(lmdb.take({b"b": b"1"}))
    assert [cache.read(RECORDS, key) for key in (b"a", b"b")] == [b"0", b"1"]
    cache.took(lmdb.take({}))
    assert cache.read(RECORDS, b"a") == b"0"
    assert lmdb.asked == [b"a", b"z"]
    cache.took(lmdb.take({}))
    cache.took(lmdb.take({}))
    assert cache.read(RECORDS, b"a") == b"0"
    assert lmdb.asked == [b"a", b"z", b"a"]


def test_few_changes_drive_out_nothing():
    """A store of which much is read, and in which little is written, remembers what is read."""
    lmdb = Lmdb(a=b"0")
    cache = Recent(lmdb.get)
    for number in range(100):
        assert cache.read(RECORDS, b"a") == b"0"
        cache.took(lmdb.take({b"b": b"%d" % number}))
        assert cache.read(RECORDS, b"b") == b"%d" % number
    assert lmdb.asked == [b"a"]


def test_another_keyspace_is_another_place():
    lmdb = Lmdb(a=b"0")
    cache = Recent(lmdb.get)
    assert (cache.read(RECORDS, b"a"), cache.read(DIGESTS, b"a")) == (b"0", None)


def test_what_is_read_stays_within_bounds(monkeypatch):
    """By count and by bytes; a large value is read anew each time."""
    monkeypatch.setattr(recent, "COUNT_MAX", 10)
    monkeypatch.setattr(recent, "SIZE_BYTES_MAX", 100)
    monkeypatch.setattr(recent, "VALUE_BYTES_MAX", 50)
    lmdb = Lmdb(large=bytes(51), middle=bytes(50))
    cache = Recent(lmdb.get)
    for number in range(1000):
        cache.read(RECORDS, b"%d" % number)
        assert len(cache._younger[RECORDS]) + len(cache._elder[RECORDS]) <= 20
    cache.clear()
    for key in (b"middle", b"large", b"large", b"a", b"middle", b"middle"):
        cache.read(RECORDS, key)
    assert lmdb.asked[1000:] == [b"middle", b"large", b"large", b"a"]
    cache.read(RECORDS, b"b")
    assert cache._size_bytes <= 100
    cache.clear()
    for number in range(1000):
        cache.took(lmdb.take({b"%d" % number: bytes(20)}))
        assert len(cache._younger[RECORDS]) + len(cache._elder[RECORDS]) <= 12, "five each, and the first"


def test_after_another_change_everything_is_asked_for():
    lmdb = Lmdb(a=b"0")
    cache = Recent(lmdb.get)
    cache.took(lmdb.take({b"b": b"1"}))
    cache.read(RECORDS, b"a")
    lmdb.held = {b"a": b"9"}
    cache.clear()
    assert [cache.read(RECORDS, key) for key in (b"a", b"b")] == [b"9", None]


def test_what_lmdb_shows_otherwise_is_forgotten(monkeypatch):
    """In both generations: nothing else changes LMDB but a table that was taken over, so its file is damaged."""
    monkeypatch.setattr(recent, "TAKEN_IN_MAX", 1)
    lmdb = Lmdb(a=b"0")
    cache = Recent(lmdb.get)
    cache.took(lmdb.take({b"a": b"1", b"b": b"1"}))
    cache.took(lmdb.take({b"a": b"2"}))
    lmdb.held[b"a"] = b"damaged"
    cache.shown(RECORDS, [(b"a", b"damaged"), (b"b", b"1")])
    assert [cache.read(RECORDS, key) for key in (b"a", b"b")] == [b"damaged", b"1"]
    assert lmdb.asked == [b"a"]


def test_damage_is_not_kept():
    """The next one to ask may find it repaired."""

    def get(space: Keyspace, key: bytes) -> bytes:
        raise CorruptValue("damaged")

    cache = Recent(get)
    for _ in range(2):
        with pytest.raises(CorruptValue):
            cache.read(RECORDS, b"a")


def test_a_walk_over_the_store_sees_damage_that_memory_hides(tmp_path):
    """As the auditor's: whoever reads the key then, to take it out, must be shown the same."""
    rig = LogRig(tmp_path / "data")
    put(rig, (RECORDS, b"a", b"sound"))
    rig.storage.settle()
    assert rig.storage.read(RECORDS, b"a") == b"sound"
    mark = rig.storage._mark
    rig.environment.advance({RECORDS: {b"a": b"damaged"}}, mark, Mark(mark.log, mark.applied + 1))
    rig.environment.refresh()
    assert rig.storage.read(RECORDS, b"a") == b"sound"
    assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"a", b"damaged")]
    assert rig.storage.read(RECORDS, b"a") == b"damaged"
    rig.close()
