"""Where a node may not vote: kept on disk, and never forgotten by a restart."""

from __future__ import annotations

import pytest

from dynamo.errors import InvalidParameter, NotReady
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.rebuilding import MARK as REBUILDING
from dynamo.node.voting import MARK, PAGE_BYTES, PIECE, PIECES_MAX, Voting
from dynamo.protocol.codec import refused_error
from dynamo.protocol.paxos import AskBallots, Ballots
from tests.unit.node.strict_world import BUCKET, StrictWorld
from tests.unit.node.world import World


@pytest.fixture
def world() -> World:
    made = World(5, empty=True)
    made.agenda.run()
    return made


def voting(world: World) -> Voting:
    return world["node1"].voting


def again(world: World) -> Voting:
    world.agenda.run()
    world.boot("node1")
    world.agenda.run()
    return voting(world)


def everything(world: World) -> list[int]:
    lists = world["node1"].preference
    return [partition for partition in range(8) if "node1" in lists.primaries(partition, 3)]


def test_an_empty_store_votes_nowhere(world):
    """But for an only replica, which nobody could tell anything."""
    assert voting(world).left(3) == everything(world)
    for n in (2, 3, 5):
        assert not voting(world).may_vote(0, n)
        with pytest.raises(NotReady):
            voting(world).check(0, n)
    voting(world).check(0, 1)
    assert voting(world).left(1) == []


@pytest.mark.parametrize("space", list(Keyspace))
def test_a_store_of_an_earlier_version_votes(world, space):
    """It has no mark and is not empty; there were no votes to forget."""
    world.storage["node1"].durable = {each: {} for each in Keyspace}
    world.storage["node1"].durable[space][b"something"] = b"x"
    assert again(world).left(3) == []
    voting(world).check(0, 3)


def test_the_mark_is_there_before_anything_else(world):
    """A crash after the first batch leaves a store that still is empty, and still votes nowhere."""
    mark = world.storage["node1"].durable[Keyspace.META][MARK]
    world.storage["node1"].durable = {each: {} for each in Keyspace}
    world.storage["node1"].durable[Keyspace.META][MARK] = mark
    assert again(world).left(3) == everything(world)
    assert len(world["node1"].rebuilding) == 8
    assert REBUILDING in world.storage["node1"].durable[Keyspace.META]


@pytest.mark.parametrize("bit", range(0, 200, 11))
def test_a_damaged_mark_lets_vote_nowhere(world, bit):
    """At this start and at the next."""
    voting(world).rejoined(0, 3)
    voting(world).save()
    world.agenda.run()
    bad = bytearray(world.storage["node1"].durable[Keyspace.META][MARK])
    bad[bit // 8 % len(bad)] ^= 1 << bit % 8
    world.storage["node1"].durable[Keyspace.META][MARK] = bytes(bad)
    assert again(world).left(3) == everything(world)
    assert again(world).left(3) == everything(world)


def test_it_votes_once_the_disk_says_so(world):
    """Not before; and after a restart likewise. What it knows for one number of replicas says nothing of others."""
    first, *rest = everything(world)
    voting(world).rejoined(first, 3)
    voting(world).save()
    assert not voting(world).may_vote(first, 3)
    world.agenda.run()
    for which in (voting(world), again(world)):
        assert which.may_vote(first, 3)
        assert not which.may_vote(first, 5)
        assert which.left(3) == rest


def test_what_comes_while_it_is_saved_is_not_lost(world):
    """The next save takes it along."""
    first, second, *rest = everything(world)
    voting(world).rejoined(first, 3)
    voting(world).save()
    voting(world).rejoined(second, 3)
    voting(world).save()
    world.agenda.run()
    assert voting(world).left(3) == rest, "there is nothing more to learn of it"
    assert not voting(world).may_vote(second, 3)
    voting(world).save()
    assert again(world).left(3) == rest


def test_what_the_disk_did_not_take_is_saved_later(world):
    """And is not true before."""
    first, *rest = everything(world)
    world.storage["node1"].full = True
    voting(world).rejoined(first, 3)
    voting(world).save()
    world.agenda.run()
    assert not voting(world).may_vote(first, 3)
    world.storage["node1"].full = False
    voting(world).save()
    assert again(world).left(3) == rest


def test_with_all_numbers_known_the_partition_is_done(world):
    """A node that is done everywhere has an empty mark, and writes it no more."""
    for partition in range(8):
        for n in range(2, 6):
            if "node1" in world["node1"].preference.primaries(partition, n):
                voting(world).rejoined(partition, n)
    voting(world).save()
    assert len(again(world)) == 0
    synced = world.storage["node1"].synced
    voting(world).save()
    world.agenda.run()
    assert world.storage["node1"].synced == synced
    voting(world).check_all(0)


def test_a_node_alone_votes():
    """There is nobody who could have counted on it."""
    assert len(World(1, empty=True)["node1"].voting) == 0


def test_of_a_bucket_that_is_not_known_it_votes_only_where_nothing_is_left(world):
    """Its number of replicas is not known."""
    with pytest.raises(NotReady):
        voting(world).check_all(0)


# --- what others are shown


def asked(world: StrictWorld, start: bytes = b"", n: int = 3, partition: int | None = None) -> object:
    where = world["node1"].preference.partition(BUCKET, b"k0") if partition is None else partition
    return world.ask("node1", AskBallots(where, start, n, "node2", world.identity["node2"].store))


def put(world: StrictWorld, partition: int, count: int, size_bytes: int, bucket: str = BUCKET) -> list[bytes]:
    keys = [partition.to_bytes(2, "big") + bucket.encode() + b"\0" + b"%05d" % i for i in range(count)]
    world.storage["node1"].durable[Keyspace.BALLOTS] |= dict.fromkeys(keys, b"s" * size_bytes)
    return keys


@pytest.mark.parametrize(("count", "size_bytes"), [(0, 1), (5, 10), (PIECE, 10), (3 * PIECE + 1, PAGE_BYTES // 50)])
def test_pages_show_every_state_once(count, size_bytes):
    """In order, whatever their sizes; no page is much larger than it may be."""
    world = StrictWorld()
    keys, start, found = put(world, 3, count, size_bytes), b"", []
    put(world, 4, 2, 1)
    while True:
        page = asked(world, start, partition=3)
        assert isinstance(page, Ballots)
        assert sum(len(data) for _, data in page.states) <= PAGE_BYTES + 2 * size_bytes
        found += [stored for stored, _ in page.states]
        if not page.more:
            break
        start = page.beyond
    assert found == keys


def test_a_page_looks_at_so_many_keys_and_no_more():
    """Those of buckets with another number of replicas are passed over, and an answer may show nothing but where to
    go on.
    """
    world = StrictWorld()
    keys = put(world, 3, PIECE * PIECES_MAX + 1, 1)
    page = asked(world, n=2, partition=3)
    assert page == Ballots([], True, b"", keys[-2] + b"\0")
    assert asked(world, page.beyond, n=2, partition=3) == Ballots([], False)


def test_who_does_not_vote_there_shows_nothing():
    """Nor who does not know how many replicas a key has."""
    world = StrictWorld()
    put(world, 3, 1, 1, bucket="unheard")
    assert isinstance(refused_error(asked(world, partition=3)), NotReady)
    assert isinstance(refused_error(asked(world, partition=99)), InvalidParameter)
    world.wipe("node1")
    world.agenda.run()
    assert isinstance(refused_error(asked(world)), NotReady)
