"""A node's votes on forgetting a key, and what it removes."""

from __future__ import annotations

import pytest

from dynamo.config import RequestsSection, TombstonesSection
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.reaping import settle_s
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.messages import DeadKey, MayReap, Reap, ReapVotes, Store, StoreAge
from dynamo.versioning.record import Record, Sibling, decode, digest, encode
from tests.unit.node.world import World, config_of

KEY = b"k"
AGE_MIN_S = 10.0
SETTINGS = TombstonesSection(age_min_s=AGE_MIN_S, settle_s=60.0)


class Graveyard(World):
    """Nodes with one deleted key, dead for long enough on all of them."""

    def __init__(self, nodes: int = 3, **settings) -> None:
        super().__init__(
            nodes, tombstones=SETTINGS, requests=RequestsSection(timeout_max_s=0.5, read_all_share=0.0), **settings
        )
        self.first, self.second, self.third = self.primaries(KEY)
        for node in self.network.nodes.values():
            node.buckets.learn([BucketProperties(name="b", created=(1, "x"), changed=(1, "x"))], lambda _: None)
        self.write(self.first, KEY, b"v")
        self.write(self.first, KEY, None)
        self.grow_old()
        self.dead = self.key()

    def grow_old(self, seconds: float = AGE_MIN_S + 1) -> None:
        for _ in range(int(seconds * 2)):
            self.clock.wall += 500
            self.clock.turn(0.5)
            self.agenda.run()

    def key(self, at: str | None = None) -> DeadKey:
        data = self[at or self.first].replica.fetch("b", KEY)
        return DeadKey("b", KEY, digest(decode(data)))

    def vote(self, node: str, *keys: DeadKey) -> list[bool]:
        answers: list[ReapVotes] = []
        self[node].reaping.vote(MayReap(list(keys or (self.dead,))), answers.append)
        self.agenda.run()
        return answers[0].votes

    def reap(self, node: str, *keys: DeadKey) -> list[bool]:
        answers: list[ReapVotes] = []
        self[node].reaping.remove(Reap(list(keys or (self.dead,))), answers.append)
        self.agenda.run()
        return answers[0].votes

    def refuses_at_once(self, node: str) -> bool:
        """Whether it says no without waiting for anything."""
        answers: list[ReapVotes] = []
        self[node].reaping.vote(MayReap([self.dead]), answers.append)
        return bool(answers) and answers[0].votes == [False]

    def newer(self) -> bytes:
        """A record that supersedes the dead one."""
        base = decode(self[self.first].replica.fetch("b", KEY))
        return encode(Record({**base.clock, "other.1": 1}, [Sibling("other.1", 1, 1, b"newer")]))

    def against(self, node: str) -> list[str]:
        return [reason for reason, cell in self[node].metrics.reap_votes_against.items() if cell.value]


@pytest.fixture
def yard() -> Graveyard:
    return Graveyard()


def test_a_replica_agrees_to_exactly_its_version(yard: Graveyard):
    """Dead for long enough, on disk, nothing else known of it."""
    for node in (yard.first, yard.second, yard.third):
        assert yard.vote(node) == [True]
        assert yard.vote(node, DeadKey("b", KEY, yard.dead.digest ^ 1)) == [False]
        assert yard.against(node) == ["version"]


def test_a_replica_without_the_key_objects(yard: Graveyard):
    """It may have been wiped, and be filled with something older yet."""
    other = DeadKey("b", b"never written", 1)
    for node in yard.primaries(other.key):
        assert yard.vote(node, other) == [False]


def test_a_young_tombstone_stays():
    """Its age is that of its stamp, by the voter's own clock."""
    yard = Graveyard()
    yard.write(yard.first, KEY, b"again")
    yard.write(yard.first, KEY, None)
    assert yard.vote(yard.first, yard.key()) == [False]
    assert yard.against(yard.first) == ["young"]


def test_a_live_value_stays(yard: Graveyard):
    """Whatever the digest says."""
    yard.write(yard.first, KEY, b"again")
    yard.grow_old()
    assert yard.vote(yard.first, yard.key()) == [False]


def test_an_expired_value_is_dead_too(yard: Graveyard):
    """From its expiry on."""
    yard.write(yard.first, KEY, b"for a while", ttl_ms=30_000)
    yard.grow_old(32)
    assert yard.vote(yard.second, yard.key()) == [False]
    yard.grow_old()
    assert yard.vote(yard.second, yard.key()) == [True]


def test_a_newer_write_that_waits_for_the_disk_is_an_objection(yard: Graveyard):
    """What is on disk is dead, what comes next need not be."""
    yard.storage[yard.second].held = True
    yard[yard.second].replica.store(Store("b", KEY, yard.newer()), lambda _: None)
    assert yard.refuses_at_once(yard.second)
    assert yard.against(yard.second) == ["version"]


def test_a_hint_for_anybody_is_an_objection():
    """On whatever node, replica or not."""
    yard = Graveyard(4)
    bystander = next(node for node in yard.network.nodes if node not in yard.primaries(KEY))
    assert yard.vote(bystander) == [True]
    data = yard[yard.first].replica.fetch("b", KEY)
    yard[bystander].hints.store(yard.second, "b", KEY, data, lambda _: None)
    assert yard.refuses_at_once(bystander)
    yard.agenda.run()
    assert yard.vote(bystander) == [False]
    assert yard.against(bystander) == ["hint"]


def test_a_node_that_was_paused_objects(yard: Graveyard):
    """Its old requests may still be under way."""
    yard.clock.now += 30.0
    yard.clock.wall += 30_000
    assert yard.vote(yard.first) == [False]
    assert yard.against(yard.first) == ["unsteady"]
    yard.grow_old(65)
    assert yard.vote(yard.first) == [True]


def test_a_yes_is_on_disk_before_it_is_said(yard: Graveyard):
    """All that was written before is synced, and the consent is counted in the age of the store."""
    store, node = yard.storage[yard.second], yard[yard.second]
    store.held = True
    answers: list[ReapVotes] = []
    node.reaping.vote(MayReap([yard.dead]), answers.append)
    yard.agenda.run()
    assert answers == []
    store.release()
    yard.agenda.run()
    assert answers[0].votes == [True]
    assert answers[0].age == node.store_ages.mine
    assert node.store_ages.mine.reaps == 1


def test_a_consent_that_cannot_be_kept_is_a_no(yard: Graveyard):
    """A full disk keeps its tombstones."""
    yard.storage[yard.second].full = True
    assert yard.vote(yard.second) == [False]


def test_what_is_told_of_other_stores_is_noted(yard: Graveyard):
    """So that a copy from before a removal is known by all."""
    told = StoreAge("node9", "s", 3, "r", 5)
    yard[yard.second].reaping.vote(MayReap([], [told]), lambda _: None)
    assert told in yard[yard.second].store_ages.all()


def test_a_record_is_removed_with_its_leaf(yard: Graveyard):
    """Once; a second message finds nothing left and says so."""
    assert yard.reap(yard.second) == [True]
    assert yard.records(yard.second) == {}
    assert yard.storage[yard.second].durable[Keyspace.DIGESTS] == {}
    assert yard.reap(yard.second) == [True]
    assert yard[yard.second].metrics.reaped_records.value == 1


def test_another_version_is_not_removed(yard: Graveyard):
    """Not even by a message that comes late, with a version that was agreed upon."""
    yard.write(yard.first, KEY, b"newer")
    assert yard.reap(yard.second) == [False]
    assert yard.values(yard.second, KEY) == [b"newer"]


def test_what_is_removed_is_gone_before_it_is_said(yard: Graveyard):
    """Durably."""
    store = yard.storage[yard.second]
    store.held = True
    answers: list[ReapVotes] = []
    yard[yard.second].reaping.remove(Reap([yard.dead]), answers.append)
    yard.agenda.run()
    assert answers == []
    assert yard.records(yard.second) != {}
    store.release()
    yard.agenda.run()
    assert answers[0].votes == [True]


def test_a_write_over_a_removal_that_waits_for_the_disk(yard: Graveyard):
    """It starts from nothing, and comes after it."""
    store = yard.storage[yard.first]
    store.held = True
    yard[yard.first].reaping.remove(Reap([yard.dead]), lambda _: None)
    yard[yard.first].write(yard.command(KEY, b"new"), yard.clock.now + 2, "t", lambda _: None)
    store.release()
    yard.agenda.run()
    record = decode(yard[yard.first].replica.fetch("b", KEY))
    assert [sibling.value for sibling in record.siblings] == [b"new"]


def test_a_key_that_was_reaped_gets_a_greater_counter(yard: Graveyard):
    """Counters are the node's, not the key's: the new clock covers whatever the same actor wrote before."""
    before = decode(yard[yard.first].replica.fetch("b", KEY)).clock
    for node in yard.primaries(KEY):
        yard.reap(node)
    yard.write(yard.first, KEY, b"new")
    after = decode(yard[yard.first].replica.fetch("b", KEY)).clock
    assert after.keys() == before.keys()
    assert all(after[actor] > before[actor] for actor in before)


def test_a_repeat_of_a_write_that_was_deleted_and_reaped_writes_nothing(yard: Graveyard):
    """As long as the coordinator remembers the request."""
    request = bytes(15) + b"!"
    yard.write(yard.first, KEY, b"once", request=request)
    yard.write(yard.first, KEY, None)
    yard.grow_old()
    for node in yard.primaries(KEY):
        yard.reap(node, yard.key(node))
    outcome = yard.write(yard.first, KEY, b"once", request=request)
    assert outcome.repeated
    assert decode(outcome.record).siblings == []
    assert all(yard.records(node) == {} for node in yard.primaries(KEY))


def test_a_bucket_that_is_not_known_is_left_alone(yard: Graveyard):
    """How many replicas it has is not known either."""
    assert yard.vote(yard.first, DeadKey("unknown", KEY, 1)) == [False]


def test_the_looks_are_as_far_apart_as_requests_live():
    """The setting can only make it longer."""
    short = config_of("node1", tombstones=TombstonesSection(settle_s=1.0), requests=RequestsSection(timeout_max_s=2.0))
    assert settle_s(short) == 2.0 + 0.5 + 5.0 * 3 + 5.0
    assert settle_s(config_of("node1", tombstones=TombstonesSection(settle_s=200.0))) == 200.0
