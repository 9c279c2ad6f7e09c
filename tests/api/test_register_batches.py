"""Batches that name keys of linearizable buckets: each operation is a change or a read of its own."""

from tests.api.serving import fresh
from tests.api.test_batch import b64, batch
from tests.api.test_registers import linearizable, version


async def test_each_operation_is_a_change_of_its_own(api):
    """Beside operations on other buckets; with versions, and tags that a single request shows as well."""
    bucket, plain = await linearizable(api), fresh()
    made, other, beside = await batch(
        api,
        {"op": "put", "bucket": bucket, "key": "a", "value": "one", "meta": {"who": "me"}},
        {"op": "put", "bucket": bucket, "key_b64": b64(b"\xff"), "value_b64": b64(b"\x00")},
        {"op": "put", "bucket": plain, "key": "a", "value": "plain"},
    )
    assert [made["status"], other["status"], beside["status"]] == [204] * 3
    assert (made["version"], other["version"], "version" in beside) == (1, 1, False)
    found, never, gone = await batch(
        api,
        {"op": "get", "bucket": bucket, "key": "a"},
        {"op": "get", "bucket": bucket, "key": "never"},
        {"op": "delete", "bucket": bucket, "key_b64": b64(b"\xff"), "context": other["context"]},
    )
    assert (found["status"], found["value_b64"], found["version"]) == (200, b64(b"one"), 1)
    assert found["meta"] == {"who": "me"}
    assert (never["code"], never["version"]) == ("key-not-found", 0)
    assert (gone["status"], gone["version"], gone["siblings_count"]) == (204, 2, 0)
    single = await api.call("GET", f"/v1/kv/{bucket}/a")
    assert (f'"{found["etag"]}"', found["context"], version(single)) == (single.headers["ETag"], single.context, 1)


async def test_a_context_is_a_condition(api):
    """As on a single write: who has not seen the present version is refused, by its own result."""
    bucket = await linearizable(api)
    (never,) = await batch(api, {"op": "get", "bucket": bucket, "key": "a"})
    put = {"op": "put", "bucket": bucket, "key": "a", "value": "v", "context": never["context"]}
    assert (await batch(api, put))[0]["status"] == 204
    refused, fine = await batch(api, put, {"op": "put", "bucket": bucket, "key": "b", "value": "v"})
    assert (refused["status"], refused["code"], refused["applied"]) == (412, "precondition-failed", "no")
    assert (refused["version"], fine["status"]) == (1, 204)


async def test_a_repeated_batch_takes_effect_once(api):
    """Each operation has a name of its own below that of the batch, by which it can be resolved."""
    bucket = await linearizable(api)
    operations = [{"op": "put", "bucket": bucket, "key": key, "value": "v"} for key in "ab"]
    for repeated in (False, True):
        results = await batch(api, *operations, Idempotency_Key="nightly-1")
        assert [(result["version"], result["repeated"]) for result in results] == [(1, repeated)] * 2
    said = await api.json("POST", f"/v1/resolve/{bucket}/b", {"idempotency_key": "nightly-1#1"})
    assert (said.json["applied"], said.json["version"]) == ("yes", 1)


async def test_what_the_mode_does_not_know_is_refused_by_each(api):
    """A batch's quorums and a value's life, where they would mean something else than their author believes."""
    bucket, plain = await linearizable(api), fresh()
    kept, refused = await batch(
        api,
        {"op": "put", "bucket": plain, "key": "a", "value": "v", "ttl": "1h"},
        {"op": "put", "bucket": bucket, "key": "a", "value": "v", "ttl": "1h"},
    )
    assert (kept["status"], refused["status"], refused["parameter"]) == (204, 400, "ttl")
    put, got = (
        {"op": "put", "bucket": bucket, "key": "a", "value": "v"},
        {"op": "get", "bucket": bucket, "key": "a"},
    )
    for query, parameter in (("?w=2", "w"), ("?consistency=one", "consistency")):
        assert (await batch(api, put, query=query))[0]["parameter"] == parameter
    assert (await batch(api, got, query="?consistency=one"))[0]["code"] == "key-not-found"
    assert (await batch(api, got, query="?r=1"))[0]["parameter"] == "r"


async def test_reads_are_linearizable_unless_the_batch_asks_for_less(fake):
    """A weaker one is an ordinary read."""
    bucket = await linearizable(fake)
    await batch(fake, {"op": "put", "bucket": bucket, "key": "a", "value": "v"})
    for query, asked in (("", 0), ("?consistency=linearizable", 0), ("?consistency=one", 1)):
        fake.node.commands.clear()
        (found,) = await batch(fake, {"op": "get", "bucket": bucket, "key": "a"}, query=query)
        assert (found["value_b64"], found["version"], len(fake.node.commands)) == (b64(b"v"), 1, asked)
    assert fake.node.metrics.requests["get", "linearizable"].outcomes["ok"].value == 2
    assert fake.node.metrics.requests["get", "one"].outcomes["ok"].value == 1
