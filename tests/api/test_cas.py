"""POST of compare-and-set, and of the question what became of one."""

import base64
import json

import msgspec
import pytest

from dynamo.errors import WriteTimeout
from tests.api.serving import Api, Reply, assert_problem, fresh
from tests.api.test_registers import linearizable, version


@pytest.fixture
async def key(api) -> str:
    """bucket/key of a key that was never written."""
    return f"{await linearizable(api)}/k"


async def cas(api: Api, key: str, body: object, name: str = "") -> Reply:
    headers = {"Content_Type": "application/json"} | ({"Idempotency_Key": name} if name else {})
    return await api.call("POST", f"/v1/cas/{key}", msgspec.json.encode(body), **headers)


async def test_one_of_two_makers_wins(api, key):
    """Absent: the first makes the key; the second is told what stands there."""
    first = await cas(api, key, {"if": {"absent": True}, "then": {"set": "mine", "meta": {"Owner": "me"}}})
    assert (first.status, first.json["applied"], first.json["version"]) == (200, "yes", 1)
    second = await cas(api, key, {"if": {"absent": True}, "then": {"set": "yours"}})
    problem = assert_problem(second, 412, "precondition-failed")
    assert (problem["version"], problem["exists"], problem["value"]) == (1, True, "mine")
    assert (problem["content_type"], problem["meta"]) == ("text/plain; charset=utf-8", {"owner": "me"})
    got = await api.call("GET", f"/v1/kv/{key}")
    assert (got.body, version(got)) == (b"mine", 1)
    tags = {first.headers["ETag"], f'"{first.json["etag"]}"', f'"{problem["current_etag"]}"', second.headers["ETag"]}
    assert tags == {got.headers["ETag"]}
    assert version(first) == version(second) == 1


async def test_every_condition_holds_and_fails(api, key):
    """Absent (both ways), version, etag, value; each where it holds, and where it does not."""
    put = await api.call("PUT", f"/v1/kv/{key}", b"a")
    assert (await cas(api, key, {"if": {"etag": put.headers["ETag"]}, "then": {"set": "a"}})).status == 200
    holds = ({"absent": False}, {"version": 3}, {"value": "a"}, {"value_b64": base64.b64encode(b"a").decode()})
    for number, condition in enumerate(holds, 3):
        made = await cas(api, key, {"if": condition, "then": {"set": "a"}})
        assert (made.status, made.json["version"]) == (200, number)
    for condition in ({"absent": True}, {"version": 1}, {"etag": "0123456789abcdef"}, {"value": "b"}, {"value": ""}):
        assert (await cas(api, key, {"if": condition, "then": {"delete": True}})).status == 412
    gone = await cas(api, key, {"then": {"delete": True}})
    assert (gone.status, gone.json["exists"], gone.json["version"]) == (200, False, 7)
    refused = await cas(api, key, {"if": {"value": "a"}, "then": {"set": "c"}})
    problem = assert_problem(refused, 412, "precondition-failed")
    assert (problem["exists"], problem["version"], "value" in problem) == (False, 7, False)
    assert (await cas(api, key, {"if": {"absent": True}, "then": {"set": "c"}})).json["version"] == 8


async def test_version_0_is_a_key_that_was_never_written(api, key):
    """Also by its number."""
    assert (await cas(api, key, {"if": {"version": 0}, "then": {"set": "a"}})).status == 200
    assert (await cas(api, key, {"if": {"version": 0}, "then": {"set": "a"}})).status == 412


async def test_bytes_of_any_kind_go_both_ways(api, key):
    """What is no text comes and goes in base64."""
    raw = b"\xff\x00"
    body = {"then": {"set_b64": base64.b64encode(raw).decode(), "content_type": "image/png"}}
    assert (await cas(api, key, body)).status == 200
    got = await api.call("GET", f"/v1/kv/{key}")
    assert (got.body, got.headers["Content-Type"]) == (raw, "image/png")
    problem = (await cas(api, key, {"if": {"version": 9}, "then": {"set": "x"}})).json
    assert base64.b64decode(problem["value_b64"]) == raw


async def test_add_counts_and_shows_the_sum(api, key):
    """From nothing it counts from 0; below 0, too."""
    sums = [(await cas(api, key, {"then": {"add": amount}})).json for amount in (5, -7, 0)]
    assert [(made["value"], made["version"]) for made in sums] == [("5", 1), ("-2", 2), ("-2", 3)]
    assert (await api.call("GET", f"/v1/kv/{key}")).body == b"-2"
    assert (await cas(api, key, {"if": {"version": 3}, "then": {"add": 1}})).json["value"] == "-1"
    assert (await cas(api, key, {"if": {"version": 3}, "then": {"add": 1}})).status == 412


async def test_add_to_what_is_no_integer_is_refused(api, key):
    """409, and the value stays."""
    await api.call("PUT", f"/v1/kv/{key}", b"three")
    assert_problem(await cas(api, key, {"then": {"add": 1}}), 409, "not-an-integer")
    got = await api.call("GET", f"/v1/kv/{key}")
    assert (got.body, version(got)) == (b"three", 1)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({}, "then"),
        ({"then": {}}, "exactly one"),
        ({"then": {"set": "a", "delete": True}}, "set and delete"),
        ({"then": {"set": "a", "set_b64": "AA=="}}, "exactly one"),
        ({"then": {"delete": False}}, "then"),
        ({"then": {"delete": True, "content_type": "a/b"}}, "content_type"),
        ({"then": {"add": 1, "meta": {}}}, "meta"),
        ({"then": {"add": "1"}}, "int"),
        ({"then": {"add": 1.5}}, "int"),
        ({"then": {"add": 2**63}}, "add"),
        ({"then": {"set_b64": "?"}}, "base64"),
        ({"then": {"set": "\ud800"}}, ""),
        ({"then": {"set": "a", "ttl": "1h"}}, "ttl"),
        ({"if": {}, "then": {"set": "a"}}, "exactly one"),
        ({"if": {"version": 1, "absent": False}, "then": {"set": "a"}}, "absent and version"),
        ({"if": {"version": -1}, "then": {"set": "a"}}, "version"),
        ({"if": {"versoin": 1}, "then": {"set": "a"}}, "versoin"),
        ({"if": None, "then": {"set": "a"}}, "if"),
        ({"when": {"version": 1}, "then": {"set": "a"}}, "when"),
        ([], "object"),
    ],
)
async def test_what_is_not_said_clearly_is_refused(fake, body, hint: str):
    """400 that names what is wrong, and nothing reaches the node."""
    bucket = await linearizable(fake)
    text = json.dumps(body).encode()
    refused = await fake.call("POST", f"/v1/cas/{bucket}/k", text, Content_Type="application/json")
    assert hint in assert_problem(refused, 400, "bad-request")["detail"]
    assert fake.node.commands == []


async def test_a_value_over_the_limit_is_refused(fake):
    """The bucket's limit counts the value, not the JSON around it."""
    bucket = fresh("lin")
    await fake.json("PUT", f"/v1/buckets/{bucket}", {"mode": "linearizable", "value_bytes_max": 10})
    assert (await cas(fake, f"{bucket}/k", {"then": {"set": "x" * 10}})).status == 200
    assert_problem(await cas(fake, f"{bucket}/k", {"then": {"set": "x" * 11}}), 413, "value-too-large")


async def test_other_media_types_and_parameters_are_refused(fake):
    """JSON, and a timeout."""
    bucket = await linearizable(fake)
    plain = await fake.call("POST", f"/v1/cas/{bucket}/k", b"{}", Content_Type="text/plain")
    assert_problem(plain, 415, "unsupported-media-type")
    query = await fake.json("POST", f"/v1/cas/{bucket}/k?w=1", {"then": {"add": 1}})
    assert_problem(query, 400, "invalid-parameter")
    assert (await fake.json("POST", f"/v1/cas/{bucket}/k?timeout=3s", {"then": {"add": 1}})).status == 200


async def test_only_linearizable_buckets_have_it(api):
    """409 in a bucket of another mode, and where there is none."""
    bucket = fresh()
    for path in (f"/v1/cas/{bucket}/k", f"/v1/resolve/{bucket}/k"):
        body = {"then": {"add": 1}} if "cas" in path else {"idempotency_key": "a"}
        assert assert_problem(await api.json("POST", path, body), 409, "mode-conflict")["mode"] == "siblings"
    await api.call("PUT", f"/v1/kv/{bucket}/k", b"1")
    assert_problem(await cas(api, f"{bucket}/k", {"then": {"add": 1}}), 409, "mode-conflict")
    assert (await api.call("GET", f"/v1/kv/{bucket}/k")).body == b"1"


async def test_a_repeat_takes_effect_once(api, key):
    """The answer is that of then, and says that it is one; another body under the name is refused."""
    body = {"then": {"add": 5}}
    first = await cas(api, key, body, "pay-1")
    again = await cas(api, key, body, "pay-1")
    assert (first.json["repeated"], again.json["repeated"], again.headers["Dynamo-Repeated"]) == (False, True, "true")
    assert (again.json["version"], again.json["value"]) == (1, "5")
    assert_problem(await cas(api, key, {"then": {"add": 6}}, "pay-1"), 422, "idempotency-mismatch")
    await cas(api, key, body, "pay-2")
    late = (await cas(api, key, body, "pay-1")).json
    assert (late["applied"], late["version"], "value" in late) == ("yes", 1, False)


async def test_resolve_says_what_became_of_a_change(api, key):
    """Applied: with the version that it made, however much came since. It works for a PUT as well."""
    await cas(api, key, {"then": {"add": 5}}, "pay-1")
    await api.call("PUT", f"/v1/kv/{key}", b"9", Idempotency_Key="put-1")
    for name, made in (("pay-1", 1), ("put-1", 2)):
        said = await api.json("POST", f"/v1/resolve/{key}", {"idempotency_key": name})
        assert (said.status, said.json["applied"], said.json["version"]) == (200, "yes", made)


async def test_resolve_calls_off_what_was_not_applied(api, key):
    """Not applied, and never will be: a late arrival of the change itself is refused."""
    await cas(api, key, {"then": {"add": 5}})
    for _ in range(2):
        said = await api.json("POST", f"/v1/resolve/{key}", {"idempotency_key": "lost-1"})
        assert (said.status, said.json["applied"], said.json["version"]) == (200, "no", 1)
    assert_problem(await cas(api, key, {"then": {"add": 5}}, "lost-1"), 409, "called-off")
    assert (await api.call("GET", f"/v1/kv/{key}")).body == b"5"


async def test_resolve_may_be_asked_below_the_path_of_the_change(api, key):
    """A key may end in the same word: then the body says which of the two is meant."""
    await cas(api, key, {"then": {"add": 5}}, "pay-1")
    await cas(api, f"{key}/resolve", {"then": {"add": 7}}, "pay-2")
    said = await api.json("POST", f"/v1/cas/{key}/resolve", {"idempotency_key": "pay-1"})
    assert (said.status, said.json["applied"], said.json["version"]) == (200, "yes", 1)
    assert (await api.json("POST", f"/v1/cas/{key}/resolve", {"idempotency_key": "pay-2"})).json["applied"] == "no"
    assert [(await api.call("GET", f"/v1/kv/{name}")).body for name in (key, f"{key}/resolve")] == [b"5", b"7"]


@pytest.mark.parametrize("body", [{}, {"idempotency_key": ""}, {"idempotency_key": "a b"}, {"idempotency_key": 5}])
async def test_resolve_needs_a_name(fake, body):
    """That of the change in doubt."""
    bucket = await linearizable(fake)
    reply = await fake.json("POST", f"/v1/resolve/{bucket}/k", body)
    assert reply.status == 400
    assert reply.json["applied"] == "no"


async def test_an_unknown_outcome_is_said(fake):
    """504, applied unknown: of a change, and of the question itself."""
    bucket = await linearizable(fake)
    fake.node.fail_with = WriteTimeout("no majority in time")
    unknown = await cas(fake, f"{bucket}/k", {"then": {"add": 5}})
    assert_problem(unknown, 504, "write-timeout", applied="unknown")
    asked = await fake.json("POST", f"/v1/resolve/{bucket}/k", {"idempotency_key": "a"})
    assert_problem(asked, 504, "write-timeout", applied="unknown")


async def test_what_nobody_can_know_is_said(fake):
    """410, applied unknown: so much came since that the change may have been one of what was dropped."""
    bucket = await linearizable(fake)
    for number in range(300):
        await cas(fake, f"{bucket}/k", {"then": {"add": 1}}, f"add-{number}")
    asked = await fake.json("POST", f"/v1/resolve/{bucket}/k", {"idempotency_key": "add-0"})
    assert_problem(asked, 410, "outcome-forgotten", applied="unknown")
    late = await fake.json("POST", f"/v1/resolve/{bucket}/k", {"idempotency_key": "add-299"})
    assert (late.json["applied"], late.json["version"]) == ("yes", 300)


async def test_keys_with_slashes_are_keys(api):
    """Also one that ends like another resource."""
    key = f"{await linearizable(api)}/a/resolve"
    assert (await cas(api, key, {"then": {"add": 1}})).status == 200
    assert (await api.call("GET", f"/v1/kv/{key}")).body == b"1"
