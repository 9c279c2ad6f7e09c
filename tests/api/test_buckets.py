import pytest

from tests.api.serving import assert_problem, fresh

DEFAULTS = {
    "mode": "siblings",
    "n": 3,
    "r": "quorum",
    "w": "quorum",
    "dw": 0,
    "pr": 0,
    "pw": 0,
    "sloppy": True,
    "ttl_s": 0,
    "value_bytes_max": 0,
    "require_context": False,
    "staleness_sample": None,
}


async def test_a_bucket_is_made_shown_changed_and_dropped(api):
    """201 for a new one, 200 for a change, which leaves the rest alone; what GET shows may be sent back."""
    name = fresh()
    at = f"/v1/buckets/{name}"
    assert_problem(await api.call("GET", at), 404, "bucket-not-found")
    made = await api.json("PUT", at, {"mode": "lww", "r": "one", "ttl_s": 60})
    assert made.status == 201
    assert made.json == {"name": name, **DEFAULTS, "mode": "lww", "r": "one", "ttl_s": 60}
    changed = await api.json("PUT", at, {"w": 3})
    assert changed.status == 200
    assert changed.json == {**made.json, "w": 3}
    shown = await api.call("GET", at)
    assert (shown.json, shown.headers["ETag"]) == (changed.json, changed.headers["ETag"])
    assert (await api.json("PUT", at, shown.json)).json == shown.json
    assert name in [bucket["name"] for bucket in (await api.call("GET", "/v1/buckets")).json["buckets"]]
    assert (await api.call("DELETE", at)).status == 204
    assert_problem(await api.call("GET", at), 404, "bucket-not-found")
    assert_problem(await api.call("DELETE", at), 404, "bucket-not-found")


async def test_an_empty_body_asks_for_the_defaults(api):
    """PUT without a body makes a plain bucket."""
    name = fresh()
    assert (await api.call("PUT", f"/v1/buckets/{name}")).json == {"name": name, **DEFAULTS}


async def test_a_first_write_makes_the_bucket(api):
    """With the defaults; then it is listed."""
    name = fresh()
    await api.call("PUT", f"/v1/kv/{name}/k", b"v")
    assert (await api.call("GET", f"/v1/buckets/{name}")).json == {"name": name, **DEFAULTS}


async def test_a_bucket_with_keys_is_not_dropped(api):
    """409, and the keys stay."""
    name = fresh()
    await api.call("PUT", f"/v1/kv/{name}/k", b"v")
    assert_problem(await api.call("DELETE", f"/v1/buckets/{name}"), 409, "bucket-not-empty")
    assert (await api.call("GET", f"/v1/kv/{name}/k")).body == b"v"


@pytest.mark.parametrize("change", [{"n": 1}, {"mode": "lww"}])
async def test_what_is_fixed_stays(api, change: dict):
    """The mode and n cannot change: 409, and nothing else of the request is done."""
    at = f"/v1/buckets/{fresh()}"
    await api.json("PUT", at, {"n": 3})
    assert_problem(await api.json("PUT", at, {**change, "r": 1}), 409, "bucket-exists")
    assert (await api.call("GET", at)).json["r"] == "quorum"


@pytest.mark.parametrize("content", [{"ttl_s": 60}, {"require_context": True}])
async def test_a_linearizable_bucket_has_no_lives_and_no_contexts(api, content: dict):
    """What its mode has no use for is refused: 400, and no bucket."""
    at = f"/v1/buckets/{fresh()}"
    refused = await api.json("PUT", at, {"mode": "linearizable", **content})
    assert assert_problem(refused, 400, "invalid-parameter")["parameter"] in content
    assert (await api.call("GET", at)).status == 404
    assert (await api.json("PUT", at, {"mode": "linearizable"})).status == 201
    assert (await api.json("PUT", at, (await api.call("GET", at)).json)).status == 200


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"n": 0}, "invalid-parameter"),
        ({"n": 17}, "invalid-parameter"),
        ({"n": True}, "bad-request"),
        ({"n": "three"}, "bad-request"),
        ({"r": 0}, "invalid-parameter"),
        ({"r": 4}, "invalid-parameter"),
        ({"r": "most"}, "invalid-parameter"),
        ({"w": "0"}, "invalid-parameter"),
        ({"dw": 4}, "invalid-parameter"),
        ({"pw": -1}, "invalid-parameter"),
        ({"ttl_s": -1}, "invalid-parameter"),
        ({"ttl_s": 1.5}, "bad-request"),
        ({"value_bytes_max": -1}, "invalid-parameter"),
        ({"value_bytes_max": 10**9}, "invalid-parameter"),
        ({"ttl_s": 10**30}, "invalid-parameter"),
        ({"ttl_s": 100 * 365 * 86400 + 1}, "invalid-parameter"),
        ({"n": 10**30}, "invalid-parameter"),
        ({"mode": "strong"}, "bad-request"),
        ({"sloppy": 1}, "bad-request"),
        ({"name": "other"}, "invalid-parameter"),
        ({"quorum": 2}, "bad-request"),
        ({"deleted": True}, "bad-request"),
        ([], "bad-request"),
        (None, "bad-request"),
    ],
)
async def test_bad_properties_are_refused(api, content: object, code: str):
    """400 with the reason, and no bucket."""
    at = f"/v1/buckets/{fresh()}"
    assert_problem(await api.json("PUT", at, content), 400, code)
    assert (await api.call("GET", at)).status == 404


async def test_properties_are_json(api):
    """Broken JSON is 400, another type 415, too long 413, a query 400."""
    at = f"/v1/buckets/{fresh()}"
    assert_problem(await api.call("PUT", at, b"{", Content_Type="application/json"), 400, "bad-request")
    assert_problem(await api.call("PUT", at, b"{}", Content_Type="text/plain"), 415, "unsupported-media-type")
    large = b" " * 65536 + b"{}"
    assert_problem(await api.call("PUT", at, large, Content_Type="application/json"), 413, "value-too-large")
    assert_problem(await api.call("GET", f"{at}?r=1"), 400, "invalid-parameter")
    assert (await api.call("PUT", at, b"{}", Content_Type="application/json; charset=utf-8")).status == 201


async def test_conditions_on_properties(api):
    """If-None-Match: * makes only what is not there; If-Match changes only what was seen."""
    at = f"/v1/buckets/{fresh()}"
    assert_problem(await api.call("PUT", at, If_Match="*"), 412, "precondition-failed")
    made = await api.call("PUT", at, If_None_Match="*")
    assert made.status == 201
    assert_problem(await api.call("PUT", at, If_None_Match="*"), 412, "precondition-failed")
    tag = made.headers["ETag"]
    assert (await api.call("GET", at, If_None_Match=tag)).status == 304
    body = {"body": b'{"r": 1}', "Content_Type": "application/json"}
    changed = await api.call("PUT", at, If_Match=tag, **body)
    assert (changed.status, changed.headers["ETag"] == tag) == (200, False)
    assert_problem(await api.call("PUT", at, If_Match=tag, **body), 412, "precondition-failed")
    assert_problem(await api.call("DELETE", at, If_Match=tag), 412, "precondition-failed")
    assert (await api.call("DELETE", at, If_Match=changed.headers["ETag"])).status == 204


async def test_a_buckets_defaults_hold_for_its_keys(api):
    """Its w decides where the request says nothing."""
    name = fresh()
    await api.json("PUT", f"/v1/buckets/{name}", {"w": 3})
    put = await api.call("PUT", f"/v1/kv/{name}/k", b"v")
    assert put.headers["Dynamo-Acks"] == "primaries=3 fallbacks=0"
    put = await api.call("PUT", f"/v1/kv/{name}/k?w=1&dw=1", b"v")
    assert put.status == 204
