"""What a node keeps for others: merged, durable, counted, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.config import HintsSection
from dynamo.errors import Applied, ClockDrift, CorruptValue, DynamoError, InvalidParameter, StorageFull, StorageRefused
from dynamo.layout.hint import decode as decode_hint
from dynamo.layout.keyspaces import Keyspace, hint_key
from dynamo.node.hint_book import HintBook
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.messages import Fetch, Fetched, Refused, Store, Stored
from dynamo.replication.hints import HintTotals
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, decode, encode
from tests.unit.node.world import START_MS, World

TARGET = "node2"


class Keeper:
    """A node of three, as a keeper of hints."""

    def __init__(self, **settings) -> None:
        self.world = World(3)
        self.storage = self.world.storage["node1"]
        self.node = self.world["node1"]
        self.node.buckets.learn([BucketProperties(name="l", mode=Mode.LWW)], lambda _: None)
        self.world.agenda.run()
        self.book = self.new_book(**settings)

    def new_book(self, **settings) -> HintBook:
        node = self.node
        book = HintBook(
            HintsSection(**settings), "node1", node.clock, self.storage, node.preference, node.replica, node.metrics
        )
        book.load()
        return book

    def begin(self, key: bytes, record: Record, target: str = TARGET, bucket: str = "b") -> list[DynamoError | None]:
        told: list[DynamoError | None] = []
        self.book.store(target, bucket, key, encode(record), told.append)
        return told

    def keep(self, key: bytes, record: Record, target: str = TARGET, bucket: str = "b") -> None:
        told = self.begin(key, record, target, bucket)
        self.world.agenda.run()
        assert told == [None]

    def dots(self, key: bytes, target: str = TARGET, bucket: str = "b") -> list[tuple[str, int]]:
        data = self.book.fetch(target, bucket, key)
        return [s.dot for s in decode(data).siblings] if data else []

    def counted(self, event: str) -> int:
        return self.node.metrics.hints[event].value

    def damage(self, target: str = TARGET) -> None:
        for stored in self.storage.durable[Keyspace.HINTS]:
            if stored.startswith(target.encode()):
                self.storage.durable[Keyspace.HINTS][stored] = b"damaged"


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def of(actor: str, counter: int, value: bytes = b"v", hybrid: int = 1) -> Record:
    return Record({actor: counter}, [Sibling(actor, counter, hybrid, value)])


def test_a_hint_is_shown_once_it_is_durable(keeper: Keeper):
    """Before that only the next write is computed from it."""
    told = keeper.begin(b"k", of("a", 1))
    assert keeper.book.fetch(TARGET, "b", b"k") == b""
    assert keeper.book.latest(TARGET, "b", b"k") == encode(of("a", 1))
    keeper.world.agenda.run()
    assert told == [None]
    assert keeper.book.fetch(TARGET, "b", b"k") == encode(of("a", 1))


def test_a_hint_is_of_one_target_and_one_key(keeper: Keeper):
    """Others have none."""
    keeper.keep(b"k", of("a", 1))
    assert keeper.book.fetch("node3", "b", b"k") == b""
    assert keeper.book.fetch(TARGET, "b", b"l") == b""
    assert keeper.book.latest("node3", "b", b"k") == b""
    assert keeper.book.holds_any("b", b"k")
    assert not keeper.book.holds_any("b", b"l")
    assert not keeper.book.holds_any("c", b"k")


def test_what_is_not_durable_yet_is_held_too(keeper: Keeper):
    """A deleted key must not be forgotten on the strength of a hint that was about to come."""
    keeper.begin(b"k", of("a", 1), "node3")
    assert keeper.book.holds_any("b", b"k")


def test_a_second_hint_is_merged_into_the_first(keeper: Keeper):
    """Also while the first one is not durable."""
    keeper.begin(b"k", of("a", 1))
    keeper.begin(b"k", of("b", 1))
    keeper.world.agenda.run()
    keeper.keep(b"k", of("c", 1))
    assert keeper.dots(b"k") == [("a", 1), ("b", 1), ("c", 1)]
    assert (keeper.counted("created"), keeper.counted("merged")) == (1, 2)


def test_a_bucket_of_last_writes_keeps_one(keeper: Keeper):
    """The newer one."""
    keeper.keep(b"k", of("a", 1, hybrid=stamp(START_MS)), bucket="l")
    keeper.keep(b"k", of("b", 1, hybrid=stamp(START_MS) - 1), bucket="l")
    assert keeper.dots(b"k", bucket="l") == [("a", 1)]


def test_a_clock_too_far_ahead_is_refused(keeper: Keeper):
    """Here as on a replica, since the target would not take it either."""
    with pytest.raises(ClockDrift):
        keeper.begin(b"k", of("a", 1, hybrid=stamp(START_MS + 3_600_000)), bucket="l")


def test_a_hint_that_knows_more_of_us_than_we_do(keeper: Keeper):
    """Means that we have forgotten: the next write is another actor's."""
    mint = keeper.node.replica.mint
    before = mint.actor
    keeper.keep(b"k", of(before, 99))
    assert mint.dot({})[0] != before


def test_a_repeat_waits_for_what_is_under_way(keeper: Keeper):
    """Its acknowledgement means as much as the first one's."""
    first = keeper.begin(b"k", of("a", 1))
    again = keeper.begin(b"k", of("a", 1))
    assert (first, again) == ([], [])
    keeper.world.agenda.run()
    assert (first, again) == ([None], [None])
    assert keeper.book.totals(TARGET).count == 1


def test_too_many_bytes_are_refused():
    """Nothing is written, and whoever asked can turn to another node; other targets have room of their own."""
    keeper = Keeper(bytes_max=500)
    keeper.keep(b"k", of("a", 1, b"x" * 300))
    before = keeper.book.totals(TARGET)
    with pytest.raises(StorageFull) as refused:
        keeper.begin(b"l", of("a", 2, b"x" * 300))
    assert refused.value.applied is Applied.NO
    with pytest.raises(StorageFull):
        keeper.begin(b"k", of("b", 1, b"x" * 300))
    assert keeper.book.totals(TARGET) == before
    assert keeper.counted("refused") == 2
    keeper.keep(b"l", of("a", 2, b"x" * 300), "node3")


def test_a_hint_that_takes_less_room_than_before_is_kept_in_a_full_book():
    """The limit is against growing."""
    keeper = Keeper(bytes_max=500)
    keeper.keep(b"k", of("a", 1, b"x" * 300))
    keeper.book = keeper.new_book(bytes_max=200)
    keeper.keep(b"k", of("a", 2, b"x" * 200))
    assert keeper.dots(b"k") == [("a", 2)]


def test_a_node_that_keeps_no_hints():
    """Says so, and may still deliver those it has."""
    with pytest.raises(StorageFull, match=r"hints\.enabled"):
        Keeper(enabled=False).begin(b"k", of("a", 1))


@pytest.mark.parametrize("target", ["node1", "node9", ""])
def test_a_target_that_is_no_other_node(keeper: Keeper, target: str):
    """Nobody keeps a hint for itself, or for a stranger."""
    with pytest.raises(InvalidParameter):
        keeper.begin(b"k", of("a", 1), target)


def test_a_damaged_hint_is_not_shown(keeper: Keeper):
    """Neither to a reader, who would take it for nothing, nor to a writer."""
    keeper.keep(b"k", of("a", 1))
    keeper.damage()
    with pytest.raises(CorruptValue):
        keeper.book.fetch(TARGET, "b", b"k")
    with pytest.raises(CorruptValue):
        keeper.book.latest(TARGET, "b", b"k")


def test_a_new_hint_takes_the_place_of_a_damaged_one(keeper: Keeper):
    """It is counted, and the totals still fit."""
    keeper.keep(b"k", of("a", 1))
    keeper.damage()
    keeper.keep(b"k", of("b", 1))
    assert keeper.dots(b"k") == [("b", 1)]
    assert keeper.counted("damaged") == 1


def test_a_refused_batch_leaves_nothing(keeper: Keeper):
    """Neither the hint nor its share of the totals; and what was minted meanwhile may be forgotten, too."""
    before = keeper.node.replica.mint.actor
    told = keeper.begin(b"k", of("a", 1))
    keeper.storage.fail(StorageFull("no room"))
    assert [type(error) for error in told] == [StorageFull]
    assert keeper.book.latest(TARGET, "b", b"k") == b""
    assert keeper.book.totals(TARGET) == HintTotals()
    assert keeper.node.replica.mint.dot({})[0] != before


def test_what_was_carried_away_may_live_on(keeper: Keeper):
    """A write over a hint that was not durable has taken it to other nodes."""
    told = keeper.begin(b"k", of("a", 1))
    keeper.book.latest(TARGET, "b", b"k")
    keeper.storage.fail(StorageFull("no room"))
    assert [error.applied for error in told if error] == [Applied.UNKNOWN]


def test_a_store_that_broke_for_good_is_no_base(keeper: Keeper):
    """What it says it has not may be there."""
    told = keeper.begin(b"k", of("a", 1))
    keeper.storage.fail(StorageRefused("broken"))
    assert [error.applied for error in told if error] == [Applied.UNKNOWN]
    with pytest.raises(StorageRefused):
        keeper.node.replica.store(Store("b", b"k", encode(of("a", 1))), told.append)


class TestRemoving:
    def test_what_was_acknowledged_goes(self, keeper: Keeper):
        """With its share of the totals."""
        keeper.keep(b"k", of("a", 1))
        keeper.keep(b"l", of("a", 2))
        told: list[DynamoError | None] = []
        (first, _) = keeper.book.page(TARGET, b"", 10)
        assert keeper.book.remove(TARGET, [first], told.append) == 1
        keeper.world.agenda.run()
        assert told == [None]
        ((stored, data),) = keeper.book.page(TARGET, b"", 10)
        assert keeper.book.totals(TARGET) == HintTotals(1, len(stored) + len(data), START_MS)

    def test_a_hint_that_was_merged_meanwhile_stays(self, keeper: Keeper):
        """Only what was acknowledged may go, whether the merge is durable yet or not."""
        keeper.keep(b"k", of("a", 1))
        sent = keeper.book.page(TARGET, b"", 10)
        keeper.begin(b"k", of("b", 1))
        assert keeper.book.remove(TARGET, sent, lambda _: None) == 0
        keeper.world.agenda.run()
        assert keeper.book.remove(TARGET, sent, lambda _: None) == 0
        assert keeper.dots(b"k") == [("a", 1), ("b", 1)]

    def test_nothing_goes_twice(self, keeper: Keeper):
        """Two acknowledgements of one hint, and a hint that came again after it had gone."""
        keeper.keep(b"k", of("a", 1))
        sent = keeper.book.page(TARGET, b"", 10)
        assert keeper.book.remove(TARGET, sent, lambda _: None) == 1
        assert keeper.book.remove(TARGET, sent, lambda _: None) == 0
        keeper.begin(b"k", of("a", 2))
        keeper.world.agenda.run()
        assert keeper.dots(b"k") == [("a", 2)]
        assert keeper.book.totals(TARGET).count == 1

    def test_a_removal_that_the_disk_refuses(self, keeper: Keeper):
        """The hint is there, and will be sent again: that is harmless."""
        keeper.keep(b"k", of("a", 1))
        told: list[DynamoError | None] = []
        keeper.book.remove(TARGET, keeper.book.page(TARGET, b"", 10), told.append)
        keeper.storage.fail(StorageFull("no room"))
        assert [type(error) for error in told] == [StorageFull]
        assert keeper.book.totals(TARGET).count == 1
        assert keeper.dots(b"k") == [("a", 1)]


def test_a_restart_finds_them(keeper: Keeper):
    """Who has hints, how many, and since when."""
    keeper.keep(b"k", of("a", 1))
    keeper.world.clock.wall += 5000
    keeper.keep(b"l", of("a", 2), "node3")
    book = keeper.new_book()
    assert book.targets() == ["node2", "node3"]
    assert [book.totals(t).oldest_ms for t in book.targets()] == [START_MS, START_MS + 5000]
    assert book.holds_any("b", b"l")


def test_a_page_is_of_one_target(keeper: Keeper):
    """In order, from where the last one ended, and nobody else's."""
    for target in ("node2", "node3"):
        for number in range(5):
            keeper.keep(b"%d" % number, of("a", number + 1), target)
    everything = keeper.book.page(TARGET, b"", 100)
    assert [stored for stored, _ in everything] == sorted(stored for stored, _ in everything)
    assert {stored.partition(b"\0")[0] for stored, _ in everything} == {b"node2"}
    assert len(everything) == 5
    assert keeper.book.page(TARGET, everything[1][0] + b"\0", 2) == everything[2:4]


def test_a_look_at_everything_makes_the_age_exact(keeper: Keeper):
    """Removing the oldest leaves a bound that is too old until then."""
    keeper.keep(b"k", of("a", 1))
    oldest = keeper.book.page(TARGET, b"", 10)
    keeper.world.clock.wall += 5000
    keeper.keep(b"l", of("a", 2))
    keeper.book.remove(TARGET, oldest, lambda _: None)
    keeper.world.agenda.run()
    assert keeper.book.totals(TARGET).oldest_ms == START_MS
    keeper.book.none_older(TARGET, START_MS + 5000)
    keeper.world.agenda.run()
    assert keeper.book.totals(TARGET).oldest_ms == START_MS + 5000
    keeper.book.none_older(TARGET, START_MS)
    assert keeper.book.totals(TARGET).oldest_ms == START_MS + 5000


def test_damaged_totals_are_counted_once(keeper: Keeper, monkeypatch: pytest.MonkeyPatch):
    """The delivery asks for them several times a second, and a count meets every hint there is."""
    keeper.keep(b"k", of("a", 1))
    keeper.keep(b"l", of("a", 2))
    right = keeper.book.totals(TARGET)
    (stored,) = (name for name in keeper.storage.durable[Keyspace.META] if name.endswith(TARGET.encode()))
    keeper.storage.durable[Keyspace.META][stored] = b"\x01damaged"
    assert keeper.book.totals(TARGET) == right
    monkeypatch.setattr(keeper.book, "page", None)
    assert keeper.book.totals(TARGET) == right
    keeper.world.agenda.run()
    assert keeper.book.totals(TARGET) == right


class TestOverTheWire:
    def ask(self, keeper: Keeper, message):
        answers: list = []
        keeper.node.handle("node3", 1, message, 0.0, "t", answers.append)
        keeper.world.agenda.run()
        (answer,) = answers
        return answer

    def test_a_node_keeps_and_shows_hints(self, keeper: Keeper):
        """Beside its own copy, which is another thing."""
        data = encode(of("a", 1))
        assert self.ask(keeper, Store("b", b"k", data, hint_for=TARGET)) == Stored()
        assert self.ask(keeper, Fetch("b", b"k", hint_for=TARGET)) == Fetched(data)
        assert self.ask(keeper, Fetch("b", b"k", hint_for="node3")) == Fetched(b"")
        assert self.ask(keeper, Fetch("b", b"k")) == Fetched(b"")
        assert keeper.storage.durable[Keyspace.RECORDS] == {}

    def test_a_damaged_hint_is_refused(self, keeper: Keeper):
        """An answer of nothing would be a lie."""
        self.ask(keeper, Store("b", b"k", encode(of("a", 1)), hint_for=TARGET))
        keeper.damage()
        answer = self.ask(keeper, Fetch("b", b"k", hint_for=TARGET))
        assert isinstance(answer, Refused)
        assert answer.code == "corrupt-value"


events = st.lists(
    st.tuples(st.sampled_from(["store", "remove", "commit", "fail", "restart"]), st.integers(0, 2), st.integers(1, 3)),
    max_size=30,
)


@given(events)
def test_the_totals_are_the_sum_whatever_happens(happening):
    """Stores, removals of what a page once showed, refused batches and crashes, in any order."""
    keeper = Keeper()
    seen: list[tuple[bytes, bytes]] = []
    for event, key, number in happening:
        if event == "store":
            keeper.begin(b"%d" % key, of("abc"[key], number, hybrid=number))
        elif event == "remove":
            keeper.book.remove(TARGET, list(dict(seen[key:]).items()), lambda _: None)
        elif event == "commit":
            keeper.world.agenda.run()
            seen += keeper.book.page(TARGET, b"", number)
        elif event == "fail":
            keeper.storage.fail(StorageFull("no room"))
        else:
            keeper.storage.fail(StorageFull("the power is gone"))
            keeper.book = keeper.new_book()
        durable = keeper.storage.durable[Keyspace.HINTS]
        held = {stored: keeper.storage.latest(Keyspace.HINTS, stored) for stored in _keys(keeper)}
        left = {stored: data for stored, data in held.items() if data is not None}
        assert all(stored in held for stored in durable)
        totals = keeper.book.totals(TARGET)
        assert (totals.count, totals.size_bytes) == (len(left), sum(len(k) + len(v) for k, v in left.items()))
        assert all(decode_hint(data).first_failed_ms >= totals.oldest_ms for data in left.values())


def _keys(keeper: Keeper) -> list[bytes]:
    partition = keeper.node.preference.partition
    return [hint_key(TARGET, partition("b", b"%d" % key).to_bytes(2, "big") + b"b\0" + b"%d" % key) for key in range(3)]
