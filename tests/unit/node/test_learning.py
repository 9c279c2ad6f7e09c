"""What was chosen enters the records: only that, once, and what cannot be shown does not hold up the rest."""

import pytest

from dynamo.errors import StorageFull
from dynamo.layout import register
from dynamo.layout.digests import contribution, decode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key_of, place_of
from dynamo.layout.register import Done, Register
from dynamo.protocol.codec import refused_error
from dynamo.protocol.messages import Message, Refused
from dynamo.protocol.paxos import Accept, ForgetKey, Learn, Learned, LearnMany
from dynamo.versioning.ballot import Ballot
from dynamo.versioning.record import decode, digest
from tests.unit.node.strict_world import BUCKET, StrictWorld

KEYS = [b"k%d" % number for number in range(40)]
KEY, OTHER_KEY = KEYS[:2]
LOW: Ballot = (10, "node2~1", 1)
MIDDLE: Ballot = (11, "node2~1", 1)


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld()


def encoded(value: bytes | None, version: int = 1) -> bytes:
    """A register that some request made, with the entry of that request."""
    done = register.packed(Done(b"r" * 16, 1, version, 10))
    return register.encode(Register(version=version, value=value, counter=10, request=b"r" * 16, done=done))


def accept(world: StrictWorld, key: bytes, ballot: Ballot = LOW, data: bytes | None = None) -> None:
    world.ask("node1", Accept(BUCKET, key, ballot, encoded(key) if data is None else data))


def learn(world: StrictWorld, *keys: bytes, ballot: Ballot = LOW) -> Message:
    """Learn of one key, LearnMany of several."""
    if len(keys) == 1:
        return world.ask("node1", Learn(BUCKET, keys[0], ballot))
    return world.ask("node1", LearnMany([(world.stored_key(key), ballot) for key in keys]))


def shown(world: StrictWorld, key: bytes) -> bytes | None:
    return decode(world["node1"].replica.fetch(BUCKET, key)).siblings[0].value


def leaves_fit(world: StrictWorld) -> bool:
    """Whether every Merkle leaf is that of the records under it."""
    due: dict[bytes, int] = {}
    for stored, data in world.records("node1").items():
        place = place_of(stored)
        leaf = digest_key_of(stored, leaf_of(place))
        due[leaf] = due.get(leaf, 0) ^ contribution(place, digest(decode(data)))
    kept = world.storage["node1"].durable[Keyspace.DIGESTS]
    return due == {leaf: decode_leaf(data) for leaf, data in kept.items()}


def neighbours(world: StrictWorld) -> tuple[bytes, bytes]:
    """Two keys of one leaf."""
    seen: dict[bytes, bytes] = {}
    for key in map(b"n%d".__mod__, range(10_000)):
        stored = world.stored_key(key)
        other = seen.setdefault(digest_key_of(stored, leaf_of(place_of(stored))), key)
        if other != key:
            return other, key
    raise AssertionError("no two keys share a leaf")


def test_what_is_chosen_enters_the_record(world):
    """Only in the ballot that was accepted, once, with its leaf, and never backwards."""
    accept(world, KEY)
    assert isinstance(learn(world, KEY, ballot=MIDDLE), Learned)
    assert world.records("node1") == {}
    learn(world, KEY)
    assert (shown(world, KEY), leaves_fit(world)) == (KEY, True)
    before = dict(world.storage["node1"].durable[Keyspace.DIGESTS])
    learn(world, KEY)
    assert world.storage["node1"].durable[Keyspace.DIGESTS] == before
    accept(world, KEY, MIDDLE, encoded(b"older", version=0))
    learn(world, KEY, ballot=MIDDLE)
    assert shown(world, KEY) == KEY


def test_many_are_shown_together(world):
    """In one batch; of each key what was accepted in the ballot that is named, and of a key that comes twice one."""
    for key in KEYS:
        accept(world, key)
    accept(world, KEYS[2], MIDDLE)
    assert isinstance(learn(world, *KEYS[:3], KEY), Learned)
    assert [shown(world, key) for key in KEYS[:2]] == list(KEYS[:2])
    assert sorted(world.records("node1")) == sorted(map(world.stored_key, KEYS[:2]))
    learn(world, *KEYS)
    assert len(world.records("node1")) == len(KEYS) - 1
    assert leaves_fit(world)


def test_keys_of_one_leaf_are_all_counted_in_it(world):
    """Though the second is computed before the first is in the store."""
    one, other = neighbours(world)
    for ballot, version in ((LOW, 1), (MIDDLE, 2)):
        accept(world, one, ballot, encoded(b"v", version))
        accept(world, other, ballot, encoded(b"v", version))
        learn(world, one, other, ballot=ballot)
        assert (len(world.records("node1")), leaves_fit(world)) == (2, True)


def test_a_newer_acceptance_is_not_shown_for_an_older_one(world):
    """What this node holds by now may not be chosen; its own coordinator will say."""
    accept(world, KEY)
    accept(world, KEY, MIDDLE, encoded(b"later", version=2))
    learn(world, KEY, OTHER_KEY)
    assert world.records("node1") == {}
    assert world.stored_key(KEY) in world["node1"].unlearned
    learn(world, KEY, ballot=MIDDLE)
    assert shown(world, KEY) == b"later"
    assert len(world["node1"].unlearned) == 0


@pytest.mark.parametrize("many", [False, True])
def test_it_can_be_learnt_after_a_restart_too(world, many):
    """What was accepted is on disk, if it is not at hand any more."""
    accept(world, KEY)
    world.reboot("node1", crash=True)
    learn(world, KEY, *([OTHER_KEY] if many else []))
    assert shown(world, KEY) == KEY


def test_what_cannot_be_read_does_not_hold_up_the_rest(world):
    """Of one key the vote is damaged, and this node has it no more in memory."""
    accept(world, KEY)
    accept(world, OTHER_KEY)
    world.reboot("node1")
    world.storage["node1"].durable[Keyspace.BALLOTS][world.stored_key(KEY)] = b"damaged"
    assert isinstance(learn(world, KEY, OTHER_KEY), Learned)
    assert list(world.records("node1")) == [world.stored_key(OTHER_KEY)]


def test_what_the_disk_refuses_is_to_be_learnt_still(world):
    """It waits for the settler."""
    accept(world, KEY)
    accept(world, OTHER_KEY)
    world.storage["node1"].full = True
    answer = learn(world, KEY, OTHER_KEY)
    assert isinstance(answer, Refused)
    assert isinstance(refused_error(answer), StorageFull)
    world.clock.turn(1)
    assert world["node1"].unlearned.since(world.clock.now) == [world.stored_key(KEY), world.stored_key(OTHER_KEY)]


def test_an_identity_of_nothing_leaves_no_record(world):
    """A read that had to settle a key which was never written accepts version 0: there is nothing to show."""
    accept(world, KEY, data=register.encode(Register()))
    assert isinstance(learn(world, KEY), Learned)
    assert world.records("node1") == {}


def test_nothing_is_learnt_of_a_key_that_was_forgotten(world):
    """Not even from memory: its tombstone is what there is to show."""
    world.ask("node1", Accept(BUCKET, KEY, LOW, encoded(None)))
    world.ask("node1", ForgetKey(BUCKET, KEY, LOW))
    learn(world, KEY, OTHER_KEY)
    assert world.records("node1") == {}
