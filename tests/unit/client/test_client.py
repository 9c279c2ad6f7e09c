"""The calls against nodes that keep the contract; faults are the business of test_caller."""

import pytest

from dynamo.client.client import AsyncClient
from dynamo.client.resolve import last_write_wins, union
from dynamo.client.results import Missing, Operation, Siblings, Value, Written
from dynamo.errors import BucketExists, BucketNotFound, InvalidParameter, SiblingsPresent
from tests.unit.client.patience import WIDE_S

ODD_KEYS = [
    b"plain",
    b"with/slash",
    b"..",
    b"a/../b",
    b"/leading//double/",
    b"%2F",
    b"%00",
    b"\x00\xff\xfe",
    "käse ?#&=+".encode(),
    bytes(range(256)),
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
async def test_any_key_reaches_the_node_as_it_is(client, cluster, key: bytes):
    """No byte of a key is lost, decoded twice or tidied away by the HTTP library."""
    await client.put("things", key, b"x")
    assert list(cluster.records) == [("things", key)]
    found = await client.get("things", key)
    assert isinstance(found, Value)
    assert (found.key, found.value) == (key, b"x")


async def test_a_value_comes_back_with_all_that_was_stored(client):
    """Bytes, type, metadata, context and times."""
    written = await client.put("b", "k", b"\x00raw", content_type="image/png", meta={"Owner": "me"})
    assert isinstance(written, Written)
    assert (written.primaries, written.fallbacks, written.siblings) == (2, 1, 1)
    found = await client.get("b", "k")
    assert isinstance(found, Value)
    assert found.value == b"\x00raw"
    assert found.content_type == "image/png"
    assert found.meta == {"owner": "me"}
    assert found.context == written.context
    assert found.etag == written.etag
    assert found.last_modified is not None
    assert found.last_modified.year == 2023


async def test_the_context_travels_with_what_was_read(client):
    """A write with `seen` replaces exactly what was read; one without stands beside it."""
    await client.put("b", "k", b"1")
    await client.put("b", "k", b"2")
    both = await client.get("b", "k")
    assert isinstance(both, Siblings)
    assert sorted(v.value for v in both.values) == [b"1", b"2"]
    await client.put("b", "k", b"3", seen=both)
    assert (await client.get("b", "k")).value == b"3"


async def test_a_delete_leaves_a_context_behind(client):
    """The next write can come after the delete."""
    await client.put("b", "k", b"1")
    await client.delete("b", "k", seen=await client.get("b", "k"))
    gone = await client.get("b", "k")
    assert isinstance(gone, Missing)
    assert gone.context is not None
    assert (await client.put("b", "k", b"2", seen=gone)).siblings == 1


async def test_never_written_is_missing_without_context(client):
    """Missing is an answer, not an error."""
    assert await client.get("b", "k") == Missing(bucket="b", key=b"k")


async def test_the_server_makes_a_key(client):
    """The key comes from Location."""
    written = await client.create("b", b"x")
    assert written.key == b"made-0"
    assert (await client.get("b", written.key)).value == b"x"


async def test_update_is_safe_by_default(client, cluster):
    """What was read is what is replaced; the content type stays."""
    await client.put("b", "n", b"1", content_type="text/plain")
    await client.update("b", "n", lambda old: str(int(old or 0) + 1).encode())
    found = await client.get("b", "n")
    assert (found.value, found.content_type) == (b"2", "text/plain")


async def test_update_of_a_missing_key_starts_from_none(client):
    """And one that answers None deletes."""
    await client.update("b", "k", lambda old: b"new" if old is None else b"bad")
    assert (await client.get("b", "k")).value == b"new"
    await client.update("b", "k", lambda _: None)
    assert isinstance(await client.get("b", "k"), Missing)


async def test_update_resolves_siblings_with_the_given_hook(client):
    """Without a hook they are the caller's to see."""
    await client.put("b", "set", b'["a"]')
    await client.put("b", "set", b'["b"]')
    with pytest.raises(SiblingsPresent):
        await client.update("b", "set", lambda old: old)
    await client.update("b", "set", lambda old: old, resolve=union)
    assert (await client.get("b", "set")).value == b'["a","b"]'
    await client.put("b", "set", b'["late"]')
    await client.update("b", "set", lambda old: old, resolve=last_write_wins)
    assert (await client.get("b", "set")).value == b'["late"]'


async def test_a_clients_own_resolver_is_used_by_every_read(cluster):
    """And by `update`; a read that asks for siblings itself still sees them."""
    async with AsyncClient(cluster.endpoints, timeout_s=WIDE_S, resolve={"b": union}) as client:
        for value in (b'["a"]', b'["b"]'):
            await client.put("b", "set", value)
            await client.put("c", "set", value)
        found = await client.get("b", "set")
        assert (found.value, found.resolved_from) == (b'["a","b"]', 2)
        assert isinstance(await client.get("b", "set", siblings="all"), Siblings)
        assert isinstance(await client.get("c", "set"), Siblings)
        assert (await client.get("c", "set", resolve=last_write_wins)).resolved_from == 2
        assert (await client.put("b", "set", b'["c"]', seen=found)).siblings == 1
        await client.put("b", "set", b'["d"]')
        assert (await client.update("b", "set", lambda old: old)).siblings == 1
        assert (await client.get("b", "set", siblings="all")).value == b'["c","d"]'


async def test_a_concurrent_writer_loses_nothing(client):
    """A write between the read and the write of an update becomes a sibling of it."""

    async def interfere() -> None:
        await client.put("b", "k", b"theirs")

    await client.put("b", "k", b"old")
    found = await client.get("b", "k")
    await interfere()
    written = await client.put("b", "k", b"ours", seen=found)
    # The blind write of the other one and the one that was read: the latter is gone, the former stays.
    assert written.siblings == 2


async def test_listing_goes_page_by_page(client, cluster):
    """All keys, in order, none twice, over as many pages as it takes; also keys that are not text."""
    keys = [f"user/{n:03}".encode() for n in range(25)] + [b"\xff\x00"]
    for key in keys:
        await client.put("b", key, key)
    assert [e.key async for e in client.list("b", page_size=10)] == sorted(keys)
    assert [e.key async for e in client.list("b", prefix="user/02", page_size=2)] == keys[20:25]
    assert [e.key async for e in client.list("b", start=b"user/023", end=b"user/025")] == keys[23:25]
    pages = [call for call in cluster.calls("GET") if "limit=10&" in call.raw_path]
    assert len(pages) == 3


async def test_listing_with_values_shows_what_a_read_shows(client):
    """Values, siblings and the context to write with."""
    await client.put("b", "k", b"1", meta={"a": "b"})
    (entry,) = [e async for e in client.list("b", values=True)]
    assert [v.value for v in entry.values] == [b"1"]
    assert entry.values[0].meta == {"a": "b"}
    await client.put("b", "k", b"2", seen=entry)
    assert (await client.get("b", "k")).value == b"2"


async def test_a_batch_answers_each_operation(client):
    """Values, absences, siblings and errors, in the order of the operations."""
    await client.put("b", "two", b"1")
    await client.put("b", "two", b"2")
    results = await client.batch(
        [
            Operation("put", "b", b"\xff", b"bytes", "text/plain"),
            Operation("get", "b", b"\xff"),
            Operation("get", "b", "none"),
            Operation("get", "b", "two"),
            Operation("delete", "b", b"\xff"),
            Operation("dance", "b", "k"),
        ]
    )
    assert isinstance(results[0], Written)
    assert (results[0].siblings, results[0].primaries, results[0].coordinator) == (1, 2, "node1")
    assert isinstance(results[1], Value)
    assert results[1].value == b"bytes"
    assert isinstance(results[2], Missing)
    assert isinstance(results[3], Siblings)
    assert len(results[3].values) == 2
    assert isinstance(results[4], Written)
    assert isinstance(results[5], InvalidParameter)


async def test_a_batch_is_bounded(client):
    """One too many is refused before it is sent."""
    with pytest.raises(InvalidParameter):
        await client.batch([Operation("get", "b", "k")] * 101)


async def test_buckets_are_made_shown_changed_and_dropped(client):
    """Properties come back typed; errors by their own class."""
    made = await client.put_bucket("carts", n=3, ttl_s=60)
    assert (made.name, made.ttl_s) == ("carts", 60)
    assert (await client.put_bucket("carts", ttl_s=0)).ttl_s == 0
    assert (await client.bucket("carts")).n == 3
    assert [b.name for b in await client.buckets()] == ["carts"]
    with pytest.raises(BucketExists):
        await client.put_bucket("carts", mode="lww")
    await client.delete_bucket("carts")
    with pytest.raises(BucketNotFound):
        await client.bucket("carts")


async def test_locate_names_the_replicas(client, cluster):
    """The answer agrees with the ring that the client computes by."""
    location = await client.locate("b", "k")
    assert [r.node for r in location.replicas] == [n.id for n in cluster.replicas("b", b"k")]
    assert location.replicas[0].client_port == cluster.first("b", b"k").port


async def test_a_bad_bucket_name_is_refused_before_it_is_sent(client, cluster):
    """It could otherwise change the path."""
    with pytest.raises(InvalidParameter):
        await client.get("../admin", "k")
    assert cluster.calls() == []


async def test_options_become_query_parameters(client, cluster):
    """Spelt as the API spells them."""
    await client.put("b", "k", b"x", consistency="all", w=3, dw="quorum", pw=1, sloppy=False, ttl_s=1.5)
    await client.get("b", "k", consistency="one", r=2, pr=1, sloppy=True, siblings="lww")
    put, get = cluster.calls()
    assert put.raw_path.partition("?")[2].startswith(
        "consistency=all&w=3&dw=quorum&pw=1&sloppy=false&ttl=1500ms&timeout="
    )
    assert get.raw_path.partition("?")[2].startswith("consistency=one&r=2&pr=1&sloppy=true&siblings=lww&timeout=")


async def test_a_closed_client_says_so(cluster):
    """Calls after close are a mistake of the caller."""
    client = AsyncClient(cluster.endpoints)
    await client.get("b", "k")
    await client.close()
    with pytest.raises(InvalidParameter, match="closed"):
        await client.get("b", "k")


@pytest.mark.parametrize("timeout_s", [0, -1])
async def test_a_timeout_is_above_zero(client, timeout_s: float):
    """A call without time cannot mean anything."""
    with pytest.raises(InvalidParameter, match="timeout_s"):
        await client.get("b", "k", timeout_s=timeout_s)
