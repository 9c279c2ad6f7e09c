"""The client's promises over real nodes: any key, sessions, batches, expiry, siblings, routing, one dead node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dynamo.client import (
    AsyncClient,
    Client,
    Missing,
    NodeUnreachable,
    Operation,
    Siblings,
    Value,
    Written,
    last_write_wins,
    union,
)
from dynamo.errors import BadContext, BucketNotFound, QuorumUnavailable, SiblingsPresent, ValueTooLarge
from tests.cluster.rig import ClusterRig, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
async def client(cluster: ClusterRig) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(cluster.endpoints) as client:
        yield client


@pytest.mark.parametrize(
    "key", [b"..", b"a/../b", b"/x//y/", b"%2F", b"\x00\xff", b"line\nbreak", b"+ &?#", bytes(range(256)), b"k" * 400]
)
async def test_any_key_is_itself_on_every_node(client, cluster, key: bytes):
    """Written through one node, read through each, and listed."""
    await client.put("keys", key, key, consistency="all")
    for endpoint in cluster.endpoints:
        async with AsyncClient([endpoint], token_aware=False) as other:
            found = await other.get("keys", key)
            assert isinstance(found, Value)
            assert found.value == key
    assert key in [entry.key async for entry in client.list("keys")]


async def test_values_come_back_with_their_fields(client):
    """Metadata, type, times; gone after their time."""
    await client.put("fields", "k", b"v", content_type="a/b; c=d", meta={"Owner": "me"}, ttl_s=60)
    found = await client.get("fields", "k", consistency="all")
    assert isinstance(found, Value)
    assert (found.content_type, found.meta) == ("a/b; c=d", {"owner": "me"})
    assert found.last_modified is not None
    assert found.expires_at is not None
    assert 59 < (found.expires_at - found.last_modified).total_seconds() <= 61
    await client.put("fields", "short", b"v", ttl_s=0.05)
    async with asyncio.timeout(30):
        while not isinstance(await client.get("fields", "short"), Missing):
            await asyncio.sleep(0.01)


async def test_siblings_stand_until_somebody_resolves_them(client):
    """Two blind writes, both shown; update with a resolver leaves one; a set loses nothing."""
    for element in (b'["a"]', b'["b"]'):
        await client.put("sets", "s", element)
    both = await client.get("sets", "s")
    assert isinstance(both, Siblings)
    assert len(both.values) == 2
    assert last_write_wins(both) == b'["b"]'
    with pytest.raises(SiblingsPresent):
        await client.update("sets", "s", lambda old: old)
    written = await client.update("sets", "s", lambda old: old, resolve=union)
    assert written.siblings == 1
    found = await client.get("sets", "s", consistency="all")
    assert isinstance(found, Value)
    assert found.value == b'["a","b"]'


async def test_concurrent_updates_of_a_set_lose_nothing(client):
    """Twenty writers at once: every element is in the union."""

    async def add(number: int) -> None:
        element = b"[%d]" % number

        def change(old: bytes | None) -> bytes:
            if old is None or old == b"[]":
                return element
            return old[:-1] + b"," + element[1:]

        await client.update("sets", "busy", change, resolve=union)

    await asyncio.gather(*(add(n) for n in range(20)))
    await client.update("sets", "busy", lambda old: old, resolve=union)
    found = await client.get("sets", "busy")
    assert isinstance(found, Value)
    assert sorted(eval(found.value)) == list(range(20))


async def test_a_session_reads_its_writes_at_the_weakest_level(client, cluster):
    """W=1, R=1 through all nodes in turn: without the session's context such a read may be old."""
    async with AsyncClient(cluster.endpoints, token_aware=False) as anywhere:
        session = anywhere.session()
        for number in range(100):
            await session.put("sessions", "k", b"%d" % number, consistency="one")
            found = await session.get("sessions", "k", consistency="one")
            assert isinstance(found, Value)
            assert found.value == b"%d" % number


async def test_a_context_belongs_to_its_key(client):
    """One of another key is refused, not misused."""
    written = await client.put("contexts", "a", b"1")
    with pytest.raises(BadContext):
        await client.put("contexts", "b", b"1", seen=written)


async def test_the_same_idempotency_key_is_the_same_write(client):
    """Also through another node, also for keys made by the server, also in a batch."""
    for _ in range(3):
        await client.put("repeats", "k", b"v", idempotency_key="once")
    found = await client.get("repeats", "k")
    assert isinstance(found, Value)
    made = {(await client.create("repeats", b"v", idempotency_key="made")).key for _ in range(3)}
    assert len(made) == 1
    for _ in range(2):
        await client.batch([Operation("put", "repeats", "batched", b"v")], idempotency_key="batch")
    assert isinstance(await client.get("repeats", "batched"), Value)


async def test_a_batch_answers_each_operation(client):
    """As the calls would have."""
    await client.put("batches", "two", b"1")
    await client.put("batches", "two", b"2")
    gone = await client.put("batches", "gone", b"1")
    await client.delete("batches", "gone", seen=gone)
    results = await client.batch(
        [
            Operation("put", "batches", b"\xff", b"v", "a/b", None, {"m": "n"}, 60.0),
            Operation("get", "batches", "two"),
            Operation("get", "batches", "gone"),
            Operation("get", "batches", "never"),
            Operation("delete", "batches", "other"),
            Operation("put", "batches", "large", bytes(2**20 + 1)),
        ]
    )
    assert isinstance(results[0], Written)
    assert (results[0].siblings, results[0].primaries >= 2, results[0].coordinator[:4]) == (1, True, "node")
    assert isinstance(results[1], Siblings)
    assert {v.value for v in results[1].values} == {b"1", b"2"}
    assert isinstance(results[2], Missing)
    assert results[2].context is not None
    assert isinstance(results[3], Missing)
    assert isinstance(results[4], Written)
    assert isinstance(results[5], ValueTooLarge)
    (found,) = await client.batch([Operation("get", "batches", b"\xff")])
    assert isinstance(found, Value)
    assert (found.value, found.content_type, found.meta) == (b"v", "a/b", {"m": "n"})
    assert found.expires_at is not None


async def test_listings_come_in_pages(client):
    """In order inside a partition key, with bounds, with values."""
    for number in range(130):
        await client.put("lists", f"user/{number:03}", b"%d" % number)
    keys = [f"user/{number:03}".encode() for number in range(130)]
    assert [e.key async for e in client.list("lists", page_size=7)] == keys
    assert [e.key async for e in client.list("lists", start="user/010", end="user/013", consistency="all")] == keys[
        10:13
    ]
    entries = [e async for e in client.list("lists", values=True)]
    assert [e.values[0].value for e in entries] == [b"%d" % n for n in range(130)]
    page = await client.page("lists", limit=100, r=1)
    assert len(page.entries) == 100
    assert page.cursor is not None


async def test_buckets_and_places(client):
    """Properties as they were set; a dropped bucket is gone; places agree with the ring."""
    made = await client.put_bucket("props", n=2, w="all", ttl_s=5, require_context=False)
    assert (made.n, made.w, made.ttl_s) == (2, "all", 5)
    assert "props" in [b.name for b in await client.buckets()]
    location = await client.locate("props", "k")
    ring = await client.ring()
    assert {r.node for r in location.replicas} == {m.id for m in ring.members}
    assert [r.role for r in location.replicas] == ["primary", "primary", "fallback"]
    await client.delete_bucket("props")
    with pytest.raises(BucketNotFound):
        await client.bucket("props")


async def test_the_client_finds_the_first_replica_itself(client):
    """What it computes is what the nodes compute: no write is forwarded."""
    await client.ring()
    for number in range(50):
        key = f"key-{number}"
        location = await client.locate("routes", key)
        assert (await client.put("routes", key, b"v")).coordinator == location.replicas[0].node


def test_the_blocking_twin_does_the_same(cluster):
    """Against the same nodes."""
    with Client(cluster.endpoints) as client:
        client.put("sync", "k", b"1")
        client.update("sync", "k", lambda old: (old or b"") + b"2")
        assert client.get("sync", "k").value == b"12"
        assert [e.key for e in client.list("sync")] == [b"k"]
        session = client.session()
        session.delete("sync", "k")
        assert isinstance(session.get("sync", "k"), Missing)


def test_a_dead_node_costs_nothing_but_time(tmp_path: Path):
    """Killed under load: every call is answered; two dead: the reason is the answer; all dead: that they are."""
    with running_cluster(tmp_path) as cluster:
        asyncio.run(_lose_one_after_the_other(cluster))


async def _lose_one_after_the_other(cluster: ClusterRig) -> None:
    async with AsyncClient(cluster.endpoints) as client:
        await client.ring()

        async def write(worker: int) -> None:
            for number in range(60):
                await client.put("load", f"{worker}-{number}", b"v")

        load = asyncio.gather(*(write(worker) for worker in range(8)))
        await client.put("load", "first", b"v")
        await asyncio.to_thread(cluster.nodes[1].kill)
        await load
        keys = [entry.key async for entry in client.list("load")]
        assert len(keys) == 8 * 60 + 1
        values = [entry async for entry in client.list("load", values=True)]
        assert all(len(entry.values) == 1 for entry in values), "a repeated write became two"
        await asyncio.to_thread(cluster.nodes[2].kill)
        with pytest.raises(QuorumUnavailable):
            await client.put("load", "k", b"v", timeout_s=3)
        assert isinstance(await client.get("load", "first", consistency="one"), Value)
        await asyncio.to_thread(cluster.nodes[0].kill)
    async with AsyncClient(cluster.endpoints) as client:
        with pytest.raises(NodeUnreachable):
            await client.put("load", "k", b"v", timeout_s=1)
