import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo.errors import CorruptValue, DynamoError, QuorumUnavailable, ReadTimeout
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.node import listing
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Consistency, ListCommand, ListOutcome
from dynamo.protocol.messages import Scan
from dynamo.ring.token import partition_of, token
from dynamo.versioning.record import Record, Sibling, encode
from tests.unit.node.world import START_MS, World

PARTITIONS = 8


def asked(world: World) -> list[int]:
    """Partitions that were scanned on other nodes, each once, in order."""
    return list(dict.fromkeys(message.partition for _, _, message in world.network.sent if isinstance(message, Scan)))


def run(scenario: Callable) -> None:
    """Run an asyncio test whose world is worked off by the loop."""
    asyncio.run(scenario())


def world_on_the_loop(nodes: int = 3) -> World:
    return World(nodes, later=asyncio.get_running_loop().call_soon, partitions=PARTITIONS)


def put(world: World, node: str, key: bytes, *siblings: Sibling, bucket: str = "b") -> None:
    """A record on one node's disk."""
    shown = siblings or (Sibling("a", 1, 1, b"v"),)
    record = Record({s.actor: s.counter for s in shown}, list(shown))
    partition = partition_of(token(bucket, key), PARTITIONS)
    world.records(node)[record_key(partition, bucket, key)] = encode(record)


def in_order(keys: list[bytes] | set[bytes]) -> list[bytes]:
    """The order of a listing: by partition, then by key."""
    return sorted(keys, key=lambda key: (partition_of(token("b", key), PARTITIONS), key))


async def pages(world: World, limit: int, at: str = "node1", **more) -> list[list[bytes]]:
    """A whole listing, page by page."""
    found: list[list[bytes]] = []
    after = None
    while True:
        command = ListCommand(bucket="b", limit=limit, after=after, **more)
        outcome = await world[at].list_keys(command, world.clock.now + 2, "t")
        assert isinstance(outcome, ListOutcome)
        found.append([key for key, _ in outcome.entries])
        assert len(outcome.entries) <= limit
        after = outcome.after
        if after is None:
            return found


# Keys that share partition keys, are prefixes of one another, hold slashes and the smallest and largest bytes.
_part = st.sampled_from([b"a", b"b", b"aa", b"\x00", b"\xff", b"", b"k1", b"k2", b"k3", b"k4"])
_keys = st.builds(
    lambda head, tail: head + b"".join(b"/" + each for each in tail) or b"/", _part, st.lists(_part, max_size=2)
)
_state = st.sampled_from(["live", "live", "live", "dead", "expired"])
_holders = st.sampled_from([(0, 1), (0, 2), (1, 2), (0, 1, 2)])
_bound = st.one_of(st.just(b""), _keys)


@settings(max_examples=60)
@given(
    held=st.dictionaries(_keys, st.tuples(_state, _holders), max_size=20),
    bounds=st.tuples(_bound, _bound, _bound),
    limit=st.integers(1, 7),
    scan_max=st.integers(1, 4),
    window=st.integers(1, 9),
    nodes=st.sampled_from([3, 4]),
)
def test_pages_are_the_whole_range_in_order(held, bounds, limit, scan_max, window, nodes):
    """Whatever the replicas hold, each key on two of its three: page by page every live key of the range comes once.

    In the order of partitions and keys; full pages until the last one; with scans cut anywhere.
    """
    start, end, prefix = bounds
    live = {key for key, (state, _) in held.items() if state == "live"}
    wanted = in_order([k for k in live if k >= start and (not end or k < end) and k.startswith(prefix)])

    async def scenario() -> None:
        world = world_on_the_loop(nodes)
        for key, (state, holders) in held.items():
            value = None if state == "dead" else b"v"
            sibling = Sibling("a", 1, 1, value, expires_ms=START_MS if state == "expired" else 0)
            for index in holders:
                put(world, world.primaries(key)[index], key, sibling)
                put(world, world.primaries(key)[index], key, bucket="b0")
        found = await pages(world, limit, start=start, end=end, prefix=prefix)
        assert [key for page in found for key in page] == wanted
        assert all(len(page) == limit for page in found[:-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_SCAN_MAX", scan_max)
        patch.setattr(listing, "_WINDOW_FIRST", window)
        patch.setattr(listing, "_WINDOW_MAX", window * 2)
        run(scenario)


async def test_a_full_page_that_ends_the_range_is_the_last():
    """No cursor where nothing can follow; one where something may."""
    world = world_on_the_loop(1)
    keys = in_order([b"%d" % number for number in range(6)])
    for key in keys:
        put(world, "node1", key)
    words = {"consistency": Consistency.ONE}
    assert await pages(world, 100, **words) == [keys]
    assert (await pages(world, 4, **words))[:2] == [keys[:4], keys[4:]]
    last = partition_of(token("b", keys[-1]), PARTITIONS)
    assert await pages(world, 3, **words) == [keys[:3], keys[3:], *([[]] if last < PARTITIONS - 1 else [])]
    only = await world["node1"].list_keys(ListCommand(bucket="b", prefix=b"p/", limit=1, **words), 102.0, "t")
    assert only == ListOutcome([], None)


async def test_a_page_that_is_larger_merged_than_asked_for():
    """Each replica held no more than the limit, together they do: the rest is on the next page, not lost."""
    world = world_on_the_loop(3)
    for index, keys in enumerate([(b"p/1", b"p/4"), (b"p/2", b"p/3")]):
        for key in keys:
            put(world, world.primaries(key)[index], key)
    found = await pages(world, 2, world.primaries(b"p/1")[0], prefix=b"p/")
    assert found == [[b"p/1", b"p/2"], [b"p/3", b"p/4"]]


@pytest.mark.parametrize(
    ("bounds", "part"),
    [
        ({"prefix": b"user/"}, b"user"),
        ({"prefix": b"user/a"}, b"user"),
        ({"start": b"user/a", "end": b"user/z"}, b"user"),
        ({"start": b"/a", "end": b"/b"}, b""),
    ],
)
async def test_a_range_within_one_partition_key_asks_one_partition(bounds, part):
    """The others cannot hold a key of it."""
    world = world_on_the_loop(5)
    partition = partition_of(token("b", part), PARTITIONS)
    at = next(name for name in world.network.nodes if name not in world.primaries(part))
    await pages(world, 10, at, **bounds)
    assert asked(world) == [partition]


@pytest.mark.parametrize("bounds", [{}, {"prefix": b"user"}, {"start": b"user/a", "end": b"uses"}, {"start": b"user/"}])
async def test_other_ranges_ask_every_partition(bounds):
    """A prefix without a slash may continue into many partition keys."""
    world = world_on_the_loop(5)
    await pages(world, 10, **bounds)
    assert set(asked(world)) | _own(world, "node1") == set(range(PARTITIONS))


def _own(world: World, node: str) -> set[int]:
    lists = world[node].preference
    return {p for p in range(PARTITIONS) if node in lists.primaries(p, 3)[:2]}


async def test_a_cursor_goes_on_in_its_partition():
    """Those before it are not asked again."""
    world = world_on_the_loop(5)
    command = ListCommand(bucket="b", after=(5, b"k"))
    await world["node1"].list_keys(command, 102.0, "t")
    assert all(partition >= 5 for partition in asked(world))


async def test_values_are_shown_when_asked_for():
    """Otherwise keys and versions only."""
    world = world_on_the_loop(1)
    put(world, "node1", b"k", Sibling("a", 1, 1, b"value", "text/plain"))
    for values, shown in ((True, b"value"), (False, b"")):
        command = ListCommand(bucket="b", values=values, consistency=Consistency.ONE)
        outcome = await world["node1"].list_keys(command, 102.0, "t")
        assert outcome.entries[0][1].siblings[0].value == shown


async def test_concurrent_values_on_different_replicas_are_merged():
    """In an lww bucket to one."""
    world = world_on_the_loop(3)
    for node in world.network.nodes.values():
        node.buckets.learn([BucketProperties(name="l", mode=Mode.LWW)], lambda _: None)
    for bucket in ("b", "l"):
        first, second, _ = world.primaries(b"k", bucket)
        put(world, first, b"k", Sibling("a", 1, 1, b"x"), bucket=bucket)
        put(world, second, b"k", Sibling("b", 1, 2, b"y"), bucket=bucket)
    for bucket, actors in (("b", ["a", "b"]), ("l", ["b"])):
        command = ListCommand(bucket=bucket, values=True, consistency=Consistency.ALL)
        outcome = await world["node1"].list_keys(command, 102.0, "t")
        assert [[s.actor for s in record.siblings] for _, record in outcome.entries] == [actors]


async def test_large_values_come_in_several_scans():
    """A page of them would not fit in a frame; the listing is whole all the same."""
    world = world_on_the_loop(3)
    keys = [b"p/%02d" % number for number in range(12)]
    for key in keys:
        for node in world.primaries(key):
            put(world, node, key, Sibling("a", 1, 1, bytes(400_000)))
    found = await pages(world, 100, "node1", values=True, prefix=b"p/")
    assert found == [keys]


def test_a_page_ends_where_its_values_grow_large(monkeypatch):
    """Before the limit, and the cursor goes on behind it: nothing is left out, nothing is listed twice."""
    monkeypatch.setattr(listing, "VALUES_BYTES_MAX", 2500)

    async def scenario():
        world = world_on_the_loop()
        keys = [b"k%02d" % number for number in range(20)]
        for key in keys:
            for node in ("node1", "node2", "node3"):
                put(world, node, key, Sibling("a", 1, 1, bytes(1000)))
        found = await pages(world, 100, values=True)
        assert [key for page in found for key in page] == in_order(keys)
        assert max(len(page) for page in found) == 3
        assert await pages(world, 100) == [in_order(keys)]

    run(scenario)


@pytest.mark.parametrize(
    ("down", "silent", "error"),
    [({"node2", "node3"}, set(), QuorumUnavailable), (set(), {"node2", "node3"}, ReadTimeout)],
)
async def test_a_partition_is_never_left_out_silently(down, silent, error):
    """Where too few of its replicas answer, the page is an error."""
    world = world_on_the_loop(3)
    put(world, "node1", b"k")
    world.network.down, world.network.silent = down, silent
    with pytest.raises(error):
        await pages(world, 10)


@pytest.mark.parametrize("values", [True, False])
async def test_a_damaged_record_is_passed_over_where_another_replica_has_it(values):
    """And is an error where none has."""
    world = world_on_the_loop(3)
    for node in world.primaries(b"k"):
        put(world, node, b"k")
    first, second, third = world.primaries(b"k")
    ((stored, _),) = world.records(first).items()
    world.records(first)[stored] = b"damaged"
    assert await pages(world, 10, third, values=values) == [[b"k"]]
    for node in (second, third):
        world.records(node)[stored] = b"damaged"
    with pytest.raises((CorruptValue, ReadTimeout)):
        await pages(world, 10, third, values=values)


async def test_a_listing_that_was_given_up():
    """Its answers come to nobody, and nothing complains."""
    world = world_on_the_loop(3)
    task = asyncio.ensure_future(pages(world, 10))
    await asyncio.sleep(0)
    task.cancel()
    assert await asyncio.gather(task, return_exceptions=True)
    for _ in range(10):
        await asyncio.sleep(0)
    assert issubclass(ReadTimeout, DynamoError)
    assert world.storage["node1"].durable[Keyspace.RECORDS] == {}
