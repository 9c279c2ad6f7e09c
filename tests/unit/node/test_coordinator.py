import gc

import pytest

from dynamo.config import BucketsSection, RequestsSection
from dynamo.errors import (
    Applied,
    BucketNotFound,
    InvalidParameter,
    ModeConflict,
    QuorumUnavailable,
    ReadTimeout,
    StorageFull,
    WriteTimeout,
    WrongEpoch,
)
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Consistency, ReadCommand, ReadOutcome, WriteOutcome
from dynamo.protocol.messages import Fetch, Forward, Refused, ShareBuckets, Store
from dynamo.versioning.record import decode
from tests.unit.node.world import World

KEY = b"k"


@pytest.fixture
def world() -> World:
    """Three nodes, each a replica of everything."""
    return World(3)


@pytest.fixture
def wide() -> World:
    """Five nodes, three replicas a key."""
    return World(5)


def requests(world: World, *kinds: type) -> list[tuple[str, str]]:
    """Who sent whom a message of these kinds, in order."""
    return [(sender, peer) for sender, peer, message in world.network.sent if isinstance(message, kinds)]


def settle(world: World, key: bytes = KEY, value: bytes = b"old") -> tuple[str, ...]:
    """A value on all replicas, and who they are."""
    assert isinstance(world.write(world.primaries(key)[0], key, value, consistency=Consistency.ALL), WriteOutcome)
    world.network.sent.clear()
    return world.primaries(key)


# --- reads


def test_a_read_asks_itself_first_and_only_as_many_as_it_needs(world):
    """R=1 at a replica sends nothing; a quorum one message."""
    first, second, _ = settle(world)
    assert world.values(first, KEY, consistency=Consistency.ONE) == [b"old"]
    assert requests(world, Fetch) == []
    assert world.values(first, KEY) == [b"old"]
    assert requests(world, Fetch) == [(first, second)]


def test_an_r1_read_at_a_replica_is_answered_at_once(world):
    """Before the call returns."""
    first, *_ = settle(world)
    outcomes: list = []
    world[first].read(ReadCommand(bucket="b", key=KEY, r=1), 102.0, "t", outcomes.append)
    assert isinstance(outcomes[0], ReadOutcome)


def test_an_r1_read_passes_over_a_damaged_copy(world):
    """This node's own copy fails its checksum: another replica is asked, as any read would."""
    first, second, _ = settle(world)
    ((stored, data),) = world.records(first).items()
    world.records(first)[stored] = data[:-1] + bytes([data[-1] ^ 1])
    assert world.values(first, KEY, r=1) == [b"old"]
    assert requests(world, Fetch) == [(first, second)]


def test_an_r1_read_of_an_lww_bucket_shows_one_value(world):
    """A replica that had not heard of the bucket has kept both of two; the newer one is shown."""
    first, *_ = settle(world)
    world.write(first, KEY, b"new")
    assert world.values(first, KEY, r=1) == [b"old", b"new"]
    lww = BucketProperties(name="b", mode=Mode.LWW, generation=2, created=(1, "a"), changed=(1, "a"))
    world[first].buckets.learn([lww], lambda _: None)
    assert world.values(first, KEY, r=1) == [b"new"]


def test_any_node_coordinates_a_read(wide):
    """Who is no replica asks the first ones of the preference list."""
    first, second, _ = settle(wide)
    stranger = next(name for name in wide.network.nodes if name not in wide.primaries(KEY))
    assert wide.values(stranger, KEY) == [b"old"]
    assert requests(wide, Fetch) == [(stranger, first), (stranger, second)]


def test_a_read_passes_over_whoever_is_down(world):
    """A replica that is known to be down is not asked, one that fails is replaced."""
    first, second, third = settle(world)
    world.network.down = {second}
    assert world.values(first, KEY) == [b"old"]
    assert requests(world, Fetch) == [(first, third)]
    world.network.down, world.network.silent = set(), {second}
    assert world.values(first, KEY) == [b"old"]


def test_too_few_replicas_alive(world):
    """Known before anything is sent: then nothing is sent, and the error says how many there are."""
    first, second, third = settle(world)
    world.network.down = {second, third}
    for outcome in (world.read(first, KEY), world.write(first, KEY, b"new")):
        assert isinstance(outcome, QuorumUnavailable)
        assert outcome.members == {"required": 2, "alive": 1}
    assert world.network.sent == []
    assert world.values(first, KEY, r=1) == [b"old"]


def test_too_few_replicas_answer(world):
    """They are up, and silent: an error at once if none is left to ask."""
    first, second, third = settle(world)
    world.network.silent = {second, third}
    assert isinstance(world.read(first, KEY), ReadTimeout)


def test_a_stale_replica_is_repaired_before_a_majority_answers(world):
    """And counted."""
    first, second, third = settle(world)
    world.network.down = {third}
    world.write(first, KEY, b"new", context=_seen(world, first))
    world.network.down = set()
    assert world.values(third, KEY, r=2) == [b"new"]
    assert world.records(third) == world.records(second)
    metrics = world[third].metrics
    assert (metrics.replica_mismatches.value, metrics.repairs_before_answer.value) == (1, 1)


def test_a_sampled_read_repairs_behind_the_answer():
    """With the whole share sampled, R=1 asks all, answers at once, and brings the others up to date."""
    world = World(3, requests=RequestsSection(read_all_share=1.0))
    first, _, third = settle(world)
    world.network.down = {third}
    world.write(first, KEY, b"new", context=_seen(world, first))
    world.network.down = set()
    assert world.values(first, KEY, r=1) == [b"new"]
    assert world.records(third) == world.records(first)
    assert world[first].metrics.repairs_after_answer.value == 1


@pytest.mark.parametrize(("thrown", "asked"), [(0.0, 2), (0.24, 2), (0.25, 0), (0.99, 0)])
def test_the_share_of_sampled_reads(thrown, asked):
    """A quarter of the throws."""
    world = World(3, requests=RequestsSection(read_all_share=0.25))
    first, *_ = settle(world)
    world.dice.thrown = thrown
    world.read(first, KEY, r=1)
    assert len(requests(world, Fetch)) == asked


def test_an_unwritten_key(world):
    """Of a bucket that nobody has written to: an answer, and no bucket is made by it."""
    outcome = world.read("node1", KEY)
    assert isinstance(outcome, ReadOutcome)
    assert outcome.record is None
    assert world["node1"].buckets.all() == []


def test_a_context_is_waited_for(world):
    """A read at a stale replica is held until what the client has seen is found."""
    first, _, third = settle(world)
    world.network.down = {third}
    written = world.write(first, KEY, b"new", context=_seen(world, first))
    world.network.down = set()
    assert world.values(third, KEY, r=1, context=decode(written.record).clock) == [b"new"]


def _seen(world: World, at: str, key: bytes = KEY) -> dict:
    outcome = world.read(at, key)
    assert isinstance(outcome, ReadOutcome)
    assert outcome.record is not None
    return outcome.record.clock


# --- writes


def test_a_write_goes_to_all_replicas_at_once(world):
    """Its answer names the coordinator and who acknowledged by then."""
    first, second, third = world.primaries(KEY)
    outcome = world.write(first, KEY, b"x")
    assert isinstance(outcome, WriteOutcome)
    assert (outcome.coordinator, outcome.repeated, outcome.fallbacks) == (first, False, 0)
    assert outcome.primaries >= 2
    assert requests(world, Store) == [(first, second), (first, third)]
    assert world.records(first) == world.records(second) == world.records(third) != {}


@pytest.mark.parametrize(
    ("words", "acks"), [({"w": 1}, 1), ({"w": 2}, 2), ({"w": 3}, 3), ({"dw": 3}, 3), ({"pw": 2}, 2)]
)
def test_a_write_waits_for_its_acknowledgements(world, words, acks):
    """While fewer disks have it, it is not answered."""
    first, *others = world.primaries(KEY)
    for storage in world.storage.values():
        storage.held = True
    outcomes: list = []
    world[first].write(world.command(KEY, b"x", **words), 102.0, "t", outcomes.append)
    world.agenda.run()
    for name in [*others, first][: acks - 1]:
        world.storage[name].release()
        world.agenda.run()
    assert outcomes == []
    world.storage[[*others, first][acks - 1]].release()
    world.agenda.run()
    assert outcomes[0].primaries == acks


def test_a_disk_that_is_full_is_one_failure(world):
    """The coordinator's own as well: two of three suffice. All of them: a definite error, nothing was written."""
    first, second, third = settle(world)
    world.storage[first].full = True
    outcome = world.write(first, KEY, b"new")
    assert isinstance(outcome, WriteOutcome)
    assert outcome.primaries == 2
    for storage in world.storage.values():
        storage.full = True
    outcome = world.write(second, b"other", b"x")
    assert isinstance(outcome, StorageFull)
    assert outcome.applied is Applied.NO
    for storage in world.storage.values():
        storage.full = False
    for name in (first, second, third):
        assert world.values(name, b"other") == []


def test_an_acknowledgement_that_was_lost(world):
    """The write is there, its coordinator does not know: unknown, and a repeat finds it."""
    first, second, third = world.primaries(KEY)
    world.network.mute = {second, third}
    command = world.command(KEY, b"x")
    outcome = world.write(first, KEY, b"x", request=command.request)
    assert isinstance(outcome, WriteTimeout)
    assert outcome.applied is Applied.UNKNOWN
    world.network.mute = set()
    again = world.write(second, KEY, b"x", request=command.request)
    assert isinstance(again, WriteOutcome)
    assert again.repeated
    assert world.values(third, KEY, r=3) == [b"x"]


def test_a_slow_disk_ends_in_unknown(world):
    """At the deadline, though nobody ever failed."""
    first, *_ = world.primaries(KEY)
    for storage in world.storage.values():
        storage.held = True
    outcome = world.write(first, KEY, b"x")
    assert isinstance(outcome, WriteTimeout)
    assert world.clock.now == 102.0


@pytest.mark.parametrize("words", [{"w": 4}, {"w": 0}, {"consistency": Consistency.ONE, "w": 2}, {"dw": 9}])
def test_a_write_that_is_refused_makes_no_bucket(world, words):
    """Neither by its words nor for want of replicas."""
    assert isinstance(world.write("node1", KEY, b"x", **words), InvalidParameter)
    world.network.down = {"node2", "node3"}
    assert isinstance(world.write("node1", KEY, b"x"), QuorumUnavailable)
    assert world["node1"].buckets.all() == []
    assert world.network.sent == []


def test_a_first_write_makes_the_bucket(world):
    """On the coordinator; the others hear of it by the daemon that listens for it."""
    announced: list[BucketProperties] = []
    world["node1"].buckets.on_created = announced.append
    world.write("node1", KEY, b"x")
    assert [bucket.name for bucket in announced] == ["b"]


def test_where_buckets_are_made_by_hand():
    """An unknown one is not found, by reads and writes alike."""
    world = World(3, buckets=BucketsSection(create_on_write=False))
    assert isinstance(world.write("node1", KEY, b"x"), BucketNotFound)
    assert isinstance(world.read("node1", KEY), BucketNotFound)


def test_a_quorum_is_not_called_linearizable(world):
    """Asked for by that name, it is refused, not weakened; a linearizable bucket takes no plain write."""
    world["node1"].buckets.learn([BucketProperties(name="lin", mode=Mode.LINEARIZABLE)], lambda _: None)
    for bucket in ("b", "lin"):
        asked = world.read("node1", KEY, bucket=bucket, consistency=Consistency.LINEARIZABLE)
        assert isinstance(asked, InvalidParameter)
    assert isinstance(world.write("node1", KEY, b"x", consistency=Consistency.LINEARIZABLE), InvalidParameter)
    assert isinstance(world.write("node1", KEY, b"x", bucket="lin"), ModeConflict)


def test_the_buckets_own_quorums():
    """Hold where the request says nothing."""
    world = World(3)
    strict = BucketProperties(name="b", r="all", w="all", generation=1, created=(1, "a"), changed=(1, "a"))
    for node in world.network.nodes.values():
        node.buckets.learn([strict], lambda _: None)
    world.agenda.run()
    first, _, third = settle(world)
    world.network.down = {third}
    assert isinstance(world.read(first, KEY), QuorumUnavailable)
    assert isinstance(world.write(first, KEY, b"x"), QuorumUnavailable)
    assert world.values(first, KEY, r=2) == [b"old"]


# --- forwarding


def stranger(world: World) -> str:
    return next(name for name in sorted(world.network.nodes) if name not in world.primaries(KEY))


def test_a_write_is_forwarded_to_a_replica(wide):
    """Who is none mints nothing; the answer names who coordinated, and the forwarder counts it."""
    at = stranger(wide)
    first, *_ = wide.primaries(KEY)
    outcome = wide.write(at, KEY, b"x", content_type="text/plain", meta={"a": "b"}, ttl_ms=5000, context={})
    assert isinstance(outcome, WriteOutcome)
    assert outcome.coordinator == first
    assert requests(wide, Forward) == [(at, first)]
    assert wide[at].metrics.forwarded_requests.value == 1
    (sibling,) = wide.read(first, KEY).record.siblings
    assert (sibling.value, sibling.content_type, sibling.meta) == (b"x", "text/plain", {"a": "b"})
    assert sibling.expires_ms == wide.clock.wall + 5000
    assert wide.storage[at].sizes().keys == 0


def test_forwarding_passes_over_whoever_cannot(wide):
    """Down before: the next replica coordinates."""
    at = stranger(wide)
    first, second, _ = wide.primaries(KEY)
    wide.network.down = {first}
    assert wide.write(at, KEY, b"x").coordinator == second


def test_a_coordinator_that_is_silent_or_breaks_off_leaves_it_open(wide):
    """The forwarder cannot know, and asks nobody else: the write could be made twice, long after each other."""
    wide.network.silent = {wide.primaries(KEY)[0]}
    assert isinstance(wide.write(stranger(wide), KEY, b"x"), WriteTimeout)
    wide.network.silent, wide.network.mute = set(), {wide.primaries(KEY)[0]}
    assert isinstance(wide.write(stranger(wide), b"%s/2" % KEY, b"y"), WriteTimeout)
    wide.network.mute = set()
    assert wide.values(wide.primaries(KEY)[2], b"%s/2" % KEY, r=3) == [b"y"]


def test_an_error_comes_back_through_the_forwarder(wide):
    """As the coordinator gave it, its extra fields included."""
    _, second, third = wide.primaries(KEY)
    at = stranger(wide)
    wide.network.down = {second, third}
    outcome = wide.write(at, KEY, b"x", w=1, sloppy=False)
    assert isinstance(outcome, WriteOutcome)
    outcome = wide.write(at, KEY, b"x", sloppy=False)
    assert isinstance(outcome, QuorumUnavailable)
    assert outcome.members == {"required": 2, "alive": 1}


def test_a_write_is_forwarded_once(wide):
    """A second node that is no replica refuses: the two disagree about the ring."""
    answers: list = []
    forward = Forward(wide.command(KEY, b"x"))
    wide[stranger(wide)].handle(wide.primaries(KEY)[0], 1, forward, 102.0, "t", answers.append)
    wide.agenda.run()
    assert len(answers) == 1
    assert isinstance(answers[0], Refused)
    assert answers[0].code == WrongEpoch.code
    assert requests(wide, Forward, Store, ShareBuckets) == []


# --- afterwards


@pytest.mark.parametrize("words", [{"w": 1}, {"w": 3}])
def test_a_request_leaves_nothing_to_the_collector(world, words):
    """What a write and a read were made of goes when they are done: no cycle holds it."""
    first, *_ = settle(world)
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            world.write(first, b"%d" % number, b"x", **words)
            world.read(first, KEY, r=2)
        assert gc.collect() < 20
    finally:
        gc.enable()
