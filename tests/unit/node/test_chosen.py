"""Nothing but what was chosen gets into a linearizable bucket, by whichever door it comes."""

import pytest

from dynamo.errors import BucketExists, BucketNotFound, ModeConflict
from dynamo.node.chosen import keep_chosen, version_of
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import Consistency
from dynamo.protocol.messages import Forward, Refused, Store, Stored
from dynamo.versioning.record import Record, Sibling, encode
from dynamo.versioning.siblings import EMPTY
from tests.unit.node.strict_world import BUCKET, StrictWorld
from tests.unit.node.world import START_MS

KEY = b"k"
PLAIN = Record({"node2.1": 1}, [Sibling("node2.1", 1, START_MS << 16, b"plain")])
FORGED = (
    PLAIN,
    Record({"~": 2}, [Sibling("~", 1, 1, b"x")]),
    Record({"~": 1, "node2.1": 1}, [Sibling("~", 1, 1, b"x")]),
    Record({"~": 1}, [Sibling("~", 1, 1, b"x", expires_ms=5)]),
)


def chosen(version: int, value: bytes | None = b"v") -> Record:
    return Record({"~": version}, [Sibling("~", version, START_MS << 16, value)])


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld(5)


def refused(world: StrictWorld, at: str, message) -> Exception:
    answer = world.ask(at, message)
    assert isinstance(answer, Refused), answer
    return refused_error(answer)


def test_no_coordinator_makes_a_plain_write(world):
    """Not a replica, not a stranger, not one that stands in for replicas that are all away."""
    for node in world.network.nodes:
        assert isinstance(world.write(node, KEY, b"x", bucket=BUCKET), ModeConflict)
        assert isinstance(world.write(node, KEY, None, bucket=BUCKET), ModeConflict)
        assert isinstance(refused(world, node, Forward(world.command(KEY, b"x", BUCKET))), ModeConflict)
    world.network.down = {*world.order(KEY)}
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    assert isinstance(world.write(stranger, KEY, b"x", bucket=BUCKET, sloppy=True), ModeConflict)
    assert all(world.records(node) == {} for node in world.network.nodes)


def test_no_replica_and_no_stand_in_mints_one(world):
    """Also when asked past the coordinator."""
    node, command = world["node1"], world.command(KEY, b"x", BUCKET)
    with pytest.raises(ModeConflict):
        node.replica.write(command, world.properties, durable=True)
    with pytest.raises(ModeConflict):
        node._coordinator._stand_in.write(command, world.properties, "node2")


@pytest.mark.parametrize("record", FORGED)
def test_no_replica_takes_a_record_of_another_form(world, record):
    """By repair, or by whoever sends it; and no fallback keeps a hint, of whatever form."""
    assert isinstance(refused(world, "node1", Store(BUCKET, KEY, encode(record))), ModeConflict)
    for hint in (record, chosen(1)):
        store = Store(BUCKET, KEY, encode(hint), hint_for="node2")
        assert isinstance(refused(world, "node1", store), ModeConflict)
    assert world.records("node1") == {}


def test_what_was_chosen_spreads_and_never_goes_back(world):
    """In any order."""
    first = world.order(KEY)[0]
    for version in (2, 1, 3, 2):
        assert isinstance(world.ask(first, Store(BUCKET, KEY, encode(chosen(version, b"%d" % version)))), Stored)
    assert world.values(first, KEY, bucket=BUCKET, consistency=Consistency.ONE) == [b"3"]


def test_what_was_there_before_is_nothing(world):
    """A record from a time when this node knew the bucket as another one: not shown, and soon gone."""
    first = world.order(KEY)[0]
    node = world[first]
    base = node.records.base(BUCKET, KEY)
    node.records.replace(base, PLAIN, encode(PLAIN), lambda _: None)
    world.agenda.run()
    for consistency in (Consistency.ONE, Consistency.ALL):
        assert world.values(first, KEY, bucket=BUCKET, consistency=consistency) == []
    world.set(first, KEY, b"a")
    assert world.values(first, KEY, bucket=BUCKET, consistency=Consistency.ONE) == [b"a"]


def test_reconciliation_takes_the_highest_version():
    """Whichever comes first; what was not chosen counts as nothing."""
    assert keep_chosen(chosen(2), chosen(1)) == keep_chosen(chosen(1), chosen(2)) == chosen(2)
    assert keep_chosen(PLAIN, chosen(1)) == keep_chosen(chosen(1), PLAIN) == chosen(1)
    assert keep_chosen(PLAIN, PLAIN) == EMPTY
    assert [version_of(record) for record in (chosen(3), chosen(4, None), EMPTY, *FORGED)] == [3, 4, 0, 0, 0, 0, 0]


def test_a_dropped_bucket_keeps_what_its_acceptors_rest_on(world):
    """The next one of its name has the same mode and n, and no first write makes it: promises outlive the bucket."""
    book = world["node1"].buckets
    book.learn([book.dropped(BUCKET)], lambda _: None)
    for other in (
        BucketProperties(name=BUCKET),
        BucketProperties(name=BUCKET, mode=Mode.LWW),
        BucketProperties(name=BUCKET, mode=Mode.LINEARIZABLE, n=5),
    ):
        with pytest.raises(BucketExists):
            book.changed(other)
    assert isinstance(world.write("node1", KEY, b"x", bucket=BUCKET), BucketNotFound)
    assert book.changed(BucketProperties(name=BUCKET, mode=Mode.LINEARIZABLE, n=3)).generation == 2


def test_sloppy_is_shown_as_what_it_is(world):
    """It means nothing in such a bucket."""
    made = world["node1"].buckets.changed(BucketProperties(name="other", mode=Mode.LINEARIZABLE, sloppy=True))
    assert made.sloppy is False
