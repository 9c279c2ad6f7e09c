import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue, DynamoError, StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.node.quarantine import Quarantine
from dynamo.node.records import PAGE_BYTES, Records, after
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record, Sibling, decode, digest, encode
from tests.unit.node.world import Agenda, ManualClock, MemoryStorage

ONE_PARTITION = PreferenceLists(first_ring([Member("node1", "h", 1, 2, 3)], 1))


def quarantine(storage: MemoryStorage) -> Quarantine:
    return Quarantine(storage, ManualClock(), Metrics([], "test"))


class Shelf:
    """Records of one partition on a disk in memory."""

    def __init__(self, **settings) -> None:
        self.agenda = Agenda()
        self.storage = MemoryStorage(self.agenda.later)
        self.records = Records(self.storage, ONE_PARTITION, quarantine(self.storage), sync=True, **settings)

    def put(self, key: bytes, value: bytes = b"v", bucket: str = "b") -> None:
        record = Record({"a": 1}, [Sibling("a", 1, 1, value)])
        self.storage.durable[Keyspace.RECORDS][record_key(0, bucket, key)] = encode(record)

    def scan(self, start: bytes = b"", end: bytes = b"", prefix: bytes = b"", limit: int = 100, *, values: bool = True):
        entries, more = self.records.scan("b", 0, start, end, prefix, limit, values=values)
        return [key for key, _ in entries], more


keys = st.lists(st.sampled_from([0, 1, 0x2F, 0x61, 0x62, 0xFE, 0xFF]), min_size=1, max_size=4).map(bytes)
bounds = st.one_of(st.just(b""), keys)


@given(st.sets(keys, max_size=12), bounds, bounds, bounds, st.integers(1, 13))
def test_a_scan_is_a_range_of_a_sorted_list(held, start, end, prefix, limit):
    """From start to before end, under the prefix, up to the limit; `more` exactly if there is more."""
    shelf = Shelf()
    for key in held:
        shelf.put(key)
        shelf.put(key, bucket="a")
        shelf.put(key, bucket="b0")
    expected = [k for k in sorted(held) if k >= start and (not end or k < end) and k.startswith(prefix)]
    assert shelf.scan(start, end, prefix, limit) == (expected[:limit], len(expected) > limit)


@pytest.mark.parametrize("prefix", [b"\xff", b"\xff\xff", b"a\xff", b"a\xff\xff"])
def test_a_prefix_at_the_end_of_the_alphabet(prefix):
    """There is no greater byte to stop before."""
    shelf = Shelf()
    for key in (b"a\xfe", prefix, prefix + b"\x00", prefix + b"\xff", b"b"):
        shelf.put(key)
    assert shelf.scan(prefix=prefix) == ([prefix, prefix + b"\x00", prefix + b"\xff"], False)


@pytest.mark.parametrize("count", [63, 64, 65, 128, 200])
def test_a_scan_reads_on_over_its_chunks(count):
    """However many records there are, each comes once."""
    shelf = Shelf()
    held = [b"%04d" % number for number in range(count)]
    for key in held:
        shelf.put(key)
    assert shelf.scan(limit=1000) == (held, False)
    assert shelf.scan(limit=count) == (held, False)
    assert shelf.scan(limit=count - 1) == (held[:-1], True)


def test_a_page_stays_small_enough_for_a_frame():
    """It is cut before it grows too large, by values or by keys alone; a large record alone is a page."""
    shelf = Shelf(page_bytes_max=10_000)
    for key, size in ((b"1", 4000), (b"2", 4000), (b"3", 4000), (b"4", 50_000), (b"5", 1)):
        shelf.put(key, b"x" * size)
    assert shelf.scan() == ([b"1", b"2"], True)
    assert shelf.scan(after(b"2")) == ([b"3"], True)
    assert shelf.scan(after(b"3")) == ([b"4"], True)
    assert shelf.scan(after(b"4")) == ([b"5"], False)
    assert shelf.scan(values=False) == ([b"1", b"2", b"3", b"4", b"5"], False)
    assert PAGE_BYTES <= 2**22


def test_a_scan_without_values_shows_versions():
    """Blank values, the same digest."""
    shelf = Shelf()
    shelf.put(b"k", b"secret")
    ((_, data),), _ = shelf.records.scan("b", 0, b"", b"", b"", 10, values=False)
    assert decode(data).siblings[0].value == b""
    assert digest(decode(data)) == digest(decode(shelf.records.read("b", b"k")))


def test_a_damaged_record_ends_the_scan():
    """It is not left out silently."""
    shelf = Shelf()
    shelf.put(b"a")
    shelf.storage.durable[Keyspace.RECORDS][record_key(0, "b", b"k")] = b"damaged"
    with pytest.raises(CorruptValue):
        shelf.scan(values=False)


@pytest.mark.parametrize("error", [StorageFull("full"), StorageRefused("gone")])
def test_who_waits_hears_what_the_store_says(error):
    """Of what it did not write, and of what is no more than a barrier behind that."""
    shelf = Shelf()
    outcomes: list[DynamoError | None] = []
    base = shelf.records.base("b", b"k")
    record = Record({"a": 1}, [Sibling("a", 1, 1, b"v")])
    shelf.records.replace(base, record, encode(record), outcomes.append)
    shelf.records.barrier(outcomes.append)
    shelf.storage.fail(error)
    assert outcomes == [error, error]


@pytest.mark.parametrize(("sync", "durable", "synced"), [(True, False, 2), (False, True, 2), (False, False, 0)])
def test_durability(sync, durable, synced):
    """As the node is configured, or as it is asked."""
    agenda = Agenda()
    storage = MemoryStorage(agenda.later)
    records = Records(storage, ONE_PARTITION, quarantine(storage), sync=sync)
    record = Record({"a": 1}, [Sibling("a", 1, 1, b"v")])
    records.replace(records.base("b", b"k"), record, encode(record), lambda _: None, durable=durable)
    records.barrier(lambda _: None, durable=durable)
    agenda.run()
    assert storage.synced == synced


def test_nothing_under_a_key():
    """No bytes, and an empty record to start from."""
    shelf = Shelf()
    assert shelf.records.read("b", b"k") == b""
    assert shelf.records.base("b", b"k").record == Record({}, [])
