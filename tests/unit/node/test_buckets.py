import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.config import BucketsSection
from dynamo.errors import (
    Applied,
    BucketExists,
    BucketNotFound,
    DynamoError,
    InvalidParameter,
    NotReady,
    StorageFull,
    StorageRefused,
    TooManyBuckets,
)
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.buckets import BucketBook
from dynamo.protocol.bucket import BucketProperties, Mode
from tests.unit.node.world import Agenda, ManualClock, MemoryStorage, World


class Shelf:
    """One node's book on its disk."""

    def __init__(self, node: str = "node1", clock: ManualClock | None = None, **defaults) -> None:
        self.agenda = Agenda()
        self.clock = clock or ManualClock()
        self.storage = MemoryStorage(self.agenda.later)
        self._opened = (node, BucketsSection(**defaults))
        self.open()

    def open(self) -> BucketBook:
        """The book as it is read at a start."""
        node, defaults = self._opened
        self.book = BucketBook(node, defaults, self.clock, self.storage)
        self.book.load()
        return self.book

    def learn(self, *buckets: BucketProperties) -> DynamoError | None:
        outcomes: list[DynamoError | None] = []
        self.book.learn(list(buckets), outcomes.append)
        self.agenda.run()
        assert len(outcomes) == 1
        return outcomes[0]

    def put(self, name: str, **properties) -> BucketProperties:
        """A client's PUT, kept."""
        bucket = self.book.changed(BucketProperties(name=name, **properties))
        assert self.learn(bucket) is None
        return bucket

    def drop(self, name: str) -> BucketProperties:
        bucket = self.book.dropped(name)
        assert self.learn(bucket) is None
        return bucket


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_book_survives_a_restart(shelf):
    """All of it, dropped buckets included, however many there are; nothing else of the store is taken for one."""
    for number in range(1203):
        shelf.put(f"b{number:04}", n=1 + number % 5)
    shelf.drop("b0007")
    shelf.storage.durable[Keyspace.META].update({b"bucket": b"x", b"bucket0": b"x", b"topology": b"x"})
    before, digest = shelf.book.everything(), shelf.book.digest()
    assert len(before) == 1203
    again = shelf.open()
    assert again.everything() == before
    assert again.digest() == digest
    assert again.known("b0007") is None
    assert len(again.all()) == 1202


def test_a_first_write_makes_a_bucket(shelf):
    """With the node's defaults, kept and announced once; a read makes none."""
    announced: list[BucketProperties] = []
    shelf.book.on_created = announced.append
    assert shelf.book.for_reading("b").n == 3
    assert shelf.book.all() == []
    made = shelf.book.for_writing("b")
    assert shelf.book.for_writing("b") is made
    assert announced == [made] == shelf.book.all()
    assert (made.mode, made.n, made.generation) == (Mode.SIBLINGS, 3, 1)
    shelf.agenda.run()
    assert shelf.open().known("b") == made


def test_where_a_write_makes_none():
    """Then an unknown bucket is an error for reads and writes alike."""
    shelf = Shelf(create_on_write=False)
    for use in (shelf.book.for_reading, shelf.book.for_writing):
        with pytest.raises(BucketNotFound):
            use("b")
    shelf.put("b")
    assert shelf.book.for_writing("b") == shelf.book.known("b")


@pytest.mark.parametrize("name", ["", "B", "-b", "b/c", "x" * 64, "b\0"])
def test_a_name_that_is_none(shelf, name):
    """Refused before anything is made."""
    with pytest.raises(InvalidParameter):
        shelf.book.for_writing(name)
    with pytest.raises(InvalidParameter):
        shelf.book.changed(BucketProperties(name=name))
    assert shelf.book.everything() == []


def test_a_change_keeps_what_is_fixed(shelf):
    """Creation, generation, mode and n stay; the rest is what the client says."""
    made = shelf.put("b", mode=Mode.LWW, n=5, ttl_s=9)
    shelf.clock.wall += 10
    changed = shelf.put("b", mode=Mode.LWW, n=5, w="all")
    assert (changed.created, changed.generation) == (made.created, 1)
    assert changed.changed > made.changed
    assert shelf.book.known("b") == changed
    assert (changed.w, changed.ttl_s) == ("all", 0)


@pytest.mark.parametrize(("properties", "actual"), [({"mode": Mode.LWW}, "siblings"), ({"n": 5}, 3)])
def test_what_is_fixed_cannot_be_changed(shelf, properties, actual):
    """The error says what is and what was wanted, in the words of the API."""
    shelf.put("b")
    with pytest.raises(BucketExists) as refusal:
        shelf.book.changed(BucketProperties(name="b", **properties))
    assert refusal.value.members == {"expected": next(iter(properties.values())), "actual": actual}
    assert all(type(member) in (int, str) for member in refusal.value.members.values())


@pytest.mark.parametrize("properties", [{"r": 4}, {"w": 0}, {"n": 0}, {"n": 17}, {"ttl_s": -1}, {"pw": "some"}])
def test_properties_that_no_request_could_be_served_with(shelf, properties):
    """Refused at the change, not at the first request."""
    with pytest.raises(InvalidParameter):
        shelf.book.changed(BucketProperties(name="b", **properties))


def test_a_dropped_bucket_is_gone_and_cannot_come_back_by_an_older_copy(shelf):
    """A node that was away still has it, and shares it."""
    old = shelf.put("b")
    shelf.drop("b")
    shelf.learn(old)
    assert shelf.book.known("b") is None
    assert shelf.book.all() == []
    with pytest.raises(BucketNotFound):
        shelf.book.dropped("b")


def test_a_bucket_that_is_made_again_is_another_one(shelf):
    """With other fixed properties if it likes; neither the old one nor its drop touches it."""
    old = shelf.put("b", n=3)
    gone = shelf.drop("b")
    new = shelf.put("b", mode=Mode.LWW, n=5)
    assert new.generation == 2
    for late in (old, gone, old):
        shelf.learn(late)
    assert shelf.book.known("b") == new


def test_a_first_write_makes_a_dropped_bucket_again(shelf):
    """As another generation, known to be newer everywhere."""
    shelf.put("b")
    gone = shelf.drop("b")
    assert shelf.book.for_writing("b").generation == 2
    assert shelf.learn(gone) is None
    assert shelf.book.known("b") is not None


def test_a_first_write_on_a_node_that_was_away_resets_nothing():
    """It has not heard of the bucket, and makes it anew with the defaults; what a client had set before stays set."""
    clock = ManualClock()
    there, away = Shelf("node1", clock), Shelf("node2", clock)
    there.put("b", ttl_s=60, w="all", require_context=True, sloppy=False)
    clock.wall += 1000
    made = away.book.for_writing("b")
    there.learn(made)
    away.learn(there.book.known("b"))
    assert there.book.known("b") == away.book.known("b")
    kept = there.book.known("b")
    assert (kept.ttl_s, kept.w, kept.require_context, kept.sloppy) == (60, "all", True, False)


def test_stamps_grow_though_the_clock_jumps_back(shelf):
    """A change that follows another one is newer than it, on whatever node it was made."""
    far = msgspec.structs.replace(shelf.put("b"), changed=((shelf.clock.wall + 10**6) << 16, "node2"), ttl_s=5)
    shelf.learn(far)
    shelf.clock.wall -= 10**6
    mine = shelf.put("b", ttl_s=7)
    assert mine.changed > far.changed
    shelf.learn(far)
    assert shelf.book.known("b").ttl_s == 7


def test_who_asks_is_told_when_it_is_durable(shelf):
    """Not before; also if nothing was new, since it may be queued only."""
    shelf.storage.held = True
    bucket = BucketProperties(name="b", created=(1, "node2"), changed=(1, "node2"))
    outcomes: list[DynamoError | None] = []
    for _ in range(2):
        assert shelf.book.learn([bucket], outcomes.append) == [bucket]
    shelf.agenda.run()
    assert outcomes == []
    shelf.storage.release()
    shelf.agenda.run()
    assert outcomes == [None, None]


@pytest.mark.parametrize("error", [StorageFull("full"), StorageRefused("gone")])
def test_what_could_not_be_kept_is_written_again(shelf, error):
    """A store that refused it once must not be told `known already` the next time: the answer would be a lie."""
    bucket = BucketProperties(name="b", created=(1, "node2"), changed=(1, "node2"))
    outcomes: list[DynamoError | None] = []
    shelf.book.learn([bucket], outcomes.append)
    shelf.storage.fail(error)
    assert outcomes == [error]
    assert shelf.open().known("b") is None
    shelf.book.learn([bucket], outcomes.append)
    shelf.storage.fail(error)
    assert shelf.learn(bucket) is None
    assert shelf.open().known("b") == bucket


def test_after_it_was_kept_nothing_is_written_for_what_is_known(shelf):
    """Comparing books costs no writes."""
    bucket = shelf.put("b")
    written: list = []
    write = shelf.storage.write
    shelf.storage.write = lambda changes, *rest: (written.append(list(changes)), write(changes, *rest))
    assert shelf.learn(bucket) is None
    assert written == [[]]


_names = st.sampled_from(["a", "b"])
_steps = st.one_of(
    st.tuples(st.just("put"), _names, st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("drop"), _names, st.integers(0, 2), st.just(0)),
    st.tuples(st.just("write"), _names, st.integers(0, 2), st.just(0)),
    st.tuples(st.just("share"), _names, st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("wait"), _names, st.integers(0, 2), st.integers(0, 2)),
)


@given(st.lists(_steps, max_size=25), st.randoms(use_true_random=False))
def test_books_agree_once_all_have_shared(steps, dice):
    """Whatever three nodes did to two buckets, in any order of learning: the same book, the same digest, everywhere."""
    clocks = [ManualClock() for _ in range(3)]
    shelves = [Shelf(f"node{i + 1}", clocks[i]) for i in range(3)]
    for kind, name, at, what in steps:
        shelf = shelves[at]
        if kind == "put":
            known = shelf.book.known(name)
            shelf.put(name, n=what if known is None else known.n, ttl_s=what)
        elif kind == "drop" and shelf.book.known(name) is not None:
            shelf.drop(name)
        elif kind == "write":
            shelf.book.for_writing(name)
        elif kind == "share":
            shelves[what].learn(*shelf.book.everything())
        else:
            clocks[at].wall += what
    pairs = list(itertools.permutations(shelves, 2)) * 2
    dice.shuffle(pairs)
    for one, other in [*pairs, *itertools.permutations(shelves, 2), *itertools.permutations(shelves, 2)]:
        other.learn(*one.book.everything())
    assert len({shelf.book.digest() for shelf in shelves}) == 1
    assert shelves[0].book.everything() == shelves[1].book.everything() == shelves[2].book.everything()
    assert shelves[0].open().everything() == shelves[1].book.everything()


def test_the_digest_tells_books_apart(shelf):
    """Never 0, which asks for no comparison; another one for any other book."""
    empty = shelf.book.digest()
    made = shelf.put("b")
    digests = {empty, shelf.book.digest()}
    shelf.put("b", ttl_s=1)
    digests.add(shelf.book.digest())
    shelf.drop("b")
    digests.add(shelf.book.digest())
    assert len(digests) == 4
    assert 0 not in digests
    other = Shelf("node9")
    other.learn(made)
    assert other.book.digest() in digests


def test_the_number_of_buckets_is_bounded():
    """By first writes and by PUT alike; known ones go on, and what other nodes have agreed to is learnt."""
    shelf = Shelf(count_max=2)
    shelf.put("a")
    shelf.book.for_writing("b")
    for refused in (lambda: shelf.put("c"), lambda: shelf.book.for_writing("c")):
        with pytest.raises(TooManyBuckets):
            refused()
    assert shelf.book.for_writing("a").name == "a"
    shelf.put("a", ttl_s=5)
    shelf.learn(BucketProperties(name="c", created=(1, "node2"), changed=(1, "node2")))
    assert shelf.book.known("c") is not None


def test_an_unknown_bucket_is_not_guessed_before_the_book_was_compared():
    """Somebody may have set its properties while this node was away. Once there is nobody to ask, it goes on."""
    world = World(3)
    node = world["node1"]
    node.buckets.compared = False
    outcome = world.write("node1", b"k", b"v")
    assert isinstance(outcome, NotReady)
    assert outcome.applied is Applied.NO
    assert node.buckets.known("b") is None
    world.network.down = {"node2", "node3"}
    assert isinstance(world.write("node1", b"k", b"v", w=1), NotReady), "the start was just now"
    world.clock.turn(5)
    assert not isinstance(world.write("node1", b"k", b"v", w=1), NotReady)
    world.network.down = set()
    node.buckets.compared = True
    assert not isinstance(world.write("node1", b"k", b"w"), DynamoError)


def test_what_may_exist_is_neither_made_nor_missed_before_the_book_was_compared():
    """A PUT would set back to the defaults what it does not name, for all nodes; a DELETE would find no such bucket."""
    book = World(3)["node1"].buckets
    book.compared = False
    for change in (lambda: book.changed(BucketProperties(name="b")), lambda: book.dropped("b")):
        with pytest.raises(NotReady):
            change()
    book.learn([BucketProperties(name="b", created=(1, "node2"), changed=(1, "node2"))], lambda _: None)
    assert book.changed(BucketProperties(name="b", ttl_s=5)).generation == 1
    assert book.dropped("b").deleted
