import base64

import pytest

from dynamo.errors import QuorumUnavailable, WriteTimeout
from tests.api.serving import assert_problem, fresh


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def batch(api, *operations: dict, query: str = "", **headers: str) -> list[dict]:
    """The results of a batch."""
    import msgspec

    body = msgspec.json.encode({"operations": operations})
    reply = await api.call("POST", f"/v1/batch{query}", body, Content_Type="application/json", **headers)
    assert reply.status == 200, reply.body
    assert reply.json["atomic"] is False
    return reply.json["results"]


async def test_each_operation_has_its_result(api):
    """Puts, gets and deletes in one request, results in its order, each with what a single request would say."""
    bucket = fresh()
    puts = await batch(
        api,
        {"op": "put", "bucket": bucket, "key": "text", "value": "h\u00e9", "meta": {"Who": "me"}},
        {
            "op": "put",
            "bucket": bucket,
            "key_b64": b64(b"\xff/k"),
            "value_b64": b64(b"\x00"),
            "content_type": "image/png",
        },
        {"op": "put", "bucket": bucket, "key": "gone", "value": ""},
    )
    assert [result["status"] for result in puts] == [204] * 3
    assert puts[0]["acks"] == {"primaries": 2, "fallbacks": 0}
    assert puts[0]["siblings_count"] == 1
    (deleted,) = await batch(api, {"op": "delete", "bucket": bucket, "key": "gone", "context": puts[2]["context"]})
    assert (deleted["status"], deleted["siblings_count"]) == (204, 0)
    text, odd, gone, never = await batch(
        api,
        {"op": "get", "bucket": bucket, "key": "text"},
        {"op": "get", "bucket": bucket, "key_b64": b64(b"\xff/k")},
        {"op": "get", "bucket": bucket, "key": "gone"},
        {"op": "get", "bucket": bucket, "key": "never"},
    )
    assert (text["status"], base64.b64decode(text["value_b64"])) == (200, "h\u00e9".encode())
    assert (text["content_type"], text["meta"]) == ("text/plain; charset=utf-8", {"who": "me"})
    single = await api.call("GET", f"/v1/kv/{bucket}/text")
    assert (f'"{text["etag"]}"', text["context"]) == (single.headers["ETag"], single.context)
    assert (odd["status"], odd["content_type"], odd["value_b64"]) == (200, "image/png", "AA==")
    assert (gone["status"], gone["code"], gone["deleted"]) == (404, "key-not-found", True)
    assert (never["status"], never["deleted"]) == (404, False)
    assert gone["context"]


async def test_null_is_as_if_it_was_not_there(fake):
    """Of every member that may be left out: generated clients write them all."""
    names = ("key_b64", "value_b64", "content_type", "meta", "context", "ttl")
    await batch(fake, {"op": "put", "bucket": "b", "key": "k", "value": "v", **dict.fromkeys(names)})
    await batch(fake, {"op": "put", "bucket": "b", "key": "k", "value": "v"})
    with_nulls, without = fake.node.commands
    assert (with_nulls.value, with_nulls.content_type, with_nulls.meta) == (b"v", without.content_type, without.meta)
    assert (with_nulls.context, with_nulls.ttl_ms) == (without.context, without.ttl_ms)


async def test_concurrent_values_in_a_batch(api):
    """A get of a key with siblings shows all, with status 300."""
    bucket = fresh()
    for value in ("one", "two"):
        await batch(api, {"op": "put", "bucket": bucket, "key": "k", "value": value})
    (result,) = await batch(api, {"op": "get", "bucket": bucket, "key": "k"})
    assert result["status"] == 300
    assert {base64.b64decode(s["value_b64"]) for s in result["siblings"]} == {b"one", b"two"}


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ({"op": "get", "bucket": "BAD", "key": "k"}, 400, "invalid-parameter"),
        ({"op": "get", "bucket": "b"}, 400, "bad-request"),
        ({"op": "get", "bucket": "b", "key": "k", "key_b64": "aw=="}, 400, "bad-request"),
        ({"op": "get", "bucket": "b", "key": ""}, 400, "bad-request"),
        ({"op": "get", "bucket": "b", "key": "k" * 401}, 414, "key-too-long"),
        ({"op": "get", "bucket": "b", "key_b64": "not base64"}, 400, "bad-request"),
        ({"op": "get", "bucket": "b", "key": "k", "value": "v"}, 400, "bad-request"),
        ({"op": "delete", "bucket": "b", "key": "k", "ttl": "1s"}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k"}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "value_b64": "dg=="}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value_b64": "\u00e9"}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "context": "damaged"}, 400, "bad-context"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "ttl": "5"}, 400, "invalid-parameter"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "content_type": "a\nb"}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "content_type": "x" * 257}, 431, "headers-too-large"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "meta": {"a": "x\r\ny"}}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "meta": {"a b": "x"}}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "meta": {":x": "x"}}, 400, "bad-request"),
        ({"op": "put", "bucket": "b", "key": "k", "value": "v", "meta": {"a": "x" * 4096}}, 431, "headers-too-large"),
    ],
)
async def test_what_is_wrong_with_one_is_its_own(fake, operation: dict, status: int, code: str):
    """The operation gets the error; its neighbours are carried out."""
    good = {"op": "put", "bucket": "b", "key": "good", "value": "v"}
    wrong, right = await batch(fake, operation, good)
    assert (wrong["status"], wrong["code"], wrong["applied"]) == (status, code, "no")
    assert right["status"] == 204
    assert len(fake.node.commands) == 1
    assert fake.node.admission.inflight == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"operations": {}}',
        b'{"operations": [{"op": "fly", "bucket": "b", "key": "k"}]}',
        b'{"operations": [{"op": "get", "bucket": "b", "key": "k", "colour": "red"}]}',
        b'{"operations": [{"op": "get", "bucket": 1, "key": "k"}]}',
        b'{"operations": [], "more": 1}',
        b'{"operations": ' + b"[" * 50_000,
        b'{"operations": [{"op": "get", "bucket": "b", "key": "\xff"}]}',
        b'{"operations": [{"op": "get", "bucket": "b", "meta": {"x": ' + b'{"x":' * 20_000 + b"1}",
    ],
)
async def test_what_is_no_batch_is_refused_whole(api, body: bytes):
    """400 for broken JSON and for another shape, however deep."""
    reply = await api.call("POST", "/v1/batch", body, Content_Type="application/json")
    assert_problem(reply, 400, "bad-request")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_batch_is_json(api, kind: str):
    """Anything else is 415."""
    assert_problem(await api.call("POST", "/v1/batch", b"{}", Content_Type=kind), 415, "unsupported-media-type")


async def test_parameters_hold_for_all(fake):
    """Consistency and its kin apply to every operation that they fit."""
    get, put = {"op": "get", "bucket": "b", "key": "k"}, {"op": "put", "bucket": "b", "key": "k", "value": "v"}
    await batch(fake, get, put, query="?r=1&w=3&timeout=5s")
    assert fake.node.commands[0].r == 1
    assert fake.node.commands[1].w == 3
    (bad,) = await batch(fake, get, query="?r=9")
    assert (bad["status"], bad["code"]) == (400, "invalid-parameter")
    assert_problem(await fake.json("POST", "/v1/batch?siblings=lww", {"operations": [get]}), 400, "invalid-parameter")


async def test_a_repeated_batch_is_the_same_writes(api):
    """One Idempotency-Key names all of them, each by its place."""
    bucket = fresh()
    puts = [{"op": "put", "bucket": bucket, "key": key, "value": "v"} for key in ("a", "b")]
    first = await batch(api, *puts, Idempotency_Key="job-1")
    again = await batch(api, *puts, Idempotency_Key="job-1")
    assert [r["etag"] for r in first] == [r["etag"] for r in again]


async def test_failures_of_the_node_are_per_operation(fake):
    """A read that failed has changed nothing; a write in doubt says so."""
    fake.node.fail_with = WriteTimeout("too few", received=1, required=2)
    get, put = await batch(
        fake, {"op": "get", "bucket": "b", "key": "k"}, {"op": "put", "bucket": "b", "key": "k", "value": "v"}
    )
    assert (get["applied"], put["applied"]) == ("no", "unknown")
    assert (put["status"], put["received"], put["required"]) == (504, 1, 2)
    fake.node.fail_with = QuorumUnavailable("none alive")
    (put,) = await batch(fake, {"op": "put", "bucket": "b", "key": "k", "value": "v"})
    assert (put["status"], put["applied"]) == (503, "no")
    counted = fake.node.metrics.requests["put", "quorum"].outcomes
    assert (counted["timeout"].value, counted["unavailable"].value) == (1, 1)


async def test_a_batch_goes_by_the_buckets_rules(api):
    """require_context holds in a batch as well."""
    bucket = fresh("strict")
    await api.json("PUT", f"/v1/buckets/{bucket}", {"require_context": True})
    (refused,) = await batch(api, {"op": "put", "bucket": bucket, "key": "k", "value": "v"})
    assert (refused["status"], refused["code"]) == (428, "precondition-required")


async def test_a_batch_carries_so_many_bytes_of_values(fake, monkeypatch):
    """Reads beyond the limit get an error of their own, the rest its results; nothing else of the batch suffers."""
    monkeypatch.setattr("dynamo.api.batch.ANSWER_BYTES_MAX", 16_000)
    bucket = fresh()
    for key, size in (("big", 1000), ("small", 1)):
        await batch(fake, {"op": "put", "bucket": bucket, "key": key, "value": "x" * size})
    reads = [{"op": "get", "bucket": bucket, "key": "big"}] * 40
    write = {"op": "put", "bucket": bucket, "key": "after", "value": "v"}
    *results, written = await batch(fake, {"op": "get", "bucket": bucket, "key": "small"}, *reads, write)
    assert [r["status"] for r in results] == [200] * 16 + [413] * 25
    assert {(r["code"], r["applied"]) for r in results[16:]} == {("value-too-large", "no")}
    assert written["status"] == 204
