"""What is durable and not in LMDB yet, and scans over it, against a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import merge
from dynamo.storage.group import CHANGE_WEIGHT, GROUP_WEIGHT_MAX, Group
from dynamo.storage.memtable import Memtable

RECORDS, META = Keyspace.RECORDS, Keyspace.META
KEYS = st.binary(min_size=1, max_size=2)
BATCHES = st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=8), max_size=6)


def group(pairs: dict[bytes, bytes | None], space: Keyspace = RECORDS) -> Group:
    made = Group(GROUP_WEIGHT_MAX)
    made.add([(space, key, value) for key, value in pairs.items()], True, lambda _: None)
    return made


def tables(*batches: list[dict[bytes, bytes | None]]) -> list[Memtable]:
    made = []
    for of_one in batches:
        made.append(Memtable())
        for batch in of_one:
            made[-1].add(group(batch))
    return made


def test_it_counts_what_it_holds():
    """Each change, also of one key: that is what the log has, and what LMDB would be asked for."""
    table = Memtable()
    table.add(group({b"a": b"12345", b"b": None}))
    table.add(group({b"a": b"1"}, META))
    table.add(group({b"a": b"123"}))
    assert (table.count, table.size_bytes, table.weight) == (4, 9, 4 * CHANGE_WEIGHT + 9)
    assert table.changes[RECORDS] == {b"a": b"123", b"b": None}
    assert table.changes[META] == {b"a": b"1"}


def test_keys_are_in_order_whenever_they_came():
    """Those that came since the last look, too; each once."""
    table = Memtable()
    table.add(group({b"c": b"1", b"a": b"1"}))
    assert table.keys(RECORDS, b"", None, 9) == [b"a", b"c"]
    table.add(group({b"b": None, b"a": b"2"}))
    assert table.keys(RECORDS, b"", None, 9) == [b"a", b"b", b"c"]
    assert table.keys(RECORDS, b"a\0", b"c", 9) == [b"b"]
    assert table.keys(RECORDS, b"", None, 2) == [b"a", b"b"]
    assert table.keys(META, b"", None, 9) == []


@given(st.dictionaries(KEYS, st.binary(max_size=2), max_size=30), BATCHES, BATCHES, KEYS, st.none() | KEYS, st.data())
def test_a_merged_scan_is_a_scan_of_everything(below, frozen, active, start, end, data):
    """At every bound and limit, over what lies below, what is frozen above it and what is active above that."""
    expected: dict[bytes, bytes | None] = dict(below)
    for batch in [*frozen, *active]:
        expected.update(batch)
    limit = data.draw(st.integers(0, len(expected) + 2))
    asked: list[int] = []

    def base(space: Keyspace, first: bytes, last: bytes | None, most: int) -> list[tuple[bytes, bytes]]:
        assert space is RECORDS
        asked.append(most)
        return sorted((k, v) for k, v in below.items() if k >= first and (last is None or k < last))[:most]

    found = merge.scan(base, tables(frozen, active), RECORDS, start, end, limit)
    visible = sorted((k, v) for k, v in expected.items() if v is not None and k >= start and (end is None or k < end))
    assert found == visible[:limit]
    assert all(0 < most <= limit for most in asked)


def test_a_page_of_a_scan_does_not_cost_the_whole_table():
    """Ten pairs of ten thousand: the merge looks at a few."""
    table = Memtable()
    table.add(group({b"%05d" % number: b"v" for number in range(10_000)}))
    table.keys(RECORDS, b"", None, 1)
    given_out: list[int] = []
    real = table.keys

    class Counted:
        changes = table.changes

        def keys(self, *args: object) -> list[bytes]:
            given_out.append(len(keys := real(*args)))
            return keys

    assert len(merge.scan(lambda *_: [], [Counted()], RECORDS, b"", None, 10)) == 10
    assert sum(given_out) == 10
