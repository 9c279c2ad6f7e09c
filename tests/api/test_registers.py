"""Keys of linearizable buckets over HTTP: conditions, versions, and what such a bucket has no use for."""

import asyncio
import json

import pytest

from dynamo.api.desk import CLOCKS_APART_S, now_ms
from tests.api.serving import Api, Reply, assert_problem, fresh


async def linearizable(api: Api) -> str:
    """A new bucket of that mode."""
    bucket = fresh("lin")
    made = await api.json("PUT", f"/v1/buckets/{bucket}", {"mode": "linearizable"})
    assert (made.status, made.json["mode"]) == (201, "linearizable")
    return bucket


@pytest.fixture
async def at(api) -> str:
    """The path of a key that was never written."""
    return f"/v1/kv/{await linearizable(api)}/k"


def version(reply: Reply) -> int:
    return int(reply.headers["Dynamo-Version"])


async def test_a_value_has_a_version_that_grows_by_one(api, at):
    """Over writes, deletes and re-creations; every answer says it, and an entity tag with it."""
    first = await api.call("PUT", at, b"one", Content_Type="text/plain", Dynamo_Meta_Owner="me")
    assert (first.status, version(first)) == (204, 1)
    got = await api.call("GET", at)
    assert (got.status, got.body, version(got)) == (200, b"one", 1)
    assert (got.headers["Content-Type"], got.headers["Dynamo-Meta-Owner"]) == ("text/plain", "me")
    assert got.headers["ETag"] == first.headers["ETag"]
    assert got.headers["Dynamo-Siblings"] == "1"
    gone = await api.call("DELETE", at)
    assert (gone.status, version(gone)) == (204, 2)
    missing = await api.call("GET", at)
    assert assert_problem(missing, 404, "key-not-found")["deleted"] is True
    assert (version(missing), missing.headers["ETag"]) == (2, gone.headers["ETag"])
    again = await api.call("POST", at, b"two")
    assert (again.status, version(again)) == (204, 3)
    assert len({first.headers["ETag"], gone.headers["ETag"], again.headers["ETag"]}) == 3
    head = await api.call("HEAD", at)
    assert (head.status, head.body, version(head)) == (200, b"", 3)


async def test_a_key_that_was_never_written_has_version_0(api, at):
    """And no entity tag: there is nothing that it would name."""
    missing = await api.call("GET", at)
    assert assert_problem(missing, 404, "key-not-found")["deleted"] is False
    assert version(missing) == 0
    assert "ETag" not in missing.headers
    gone = await api.call("DELETE", at)
    assert (gone.status, version(gone)) == (204, 1)


async def test_if_match_lets_one_of_two_writers_through(api, at):
    """The second has read what is no more: 412 with the tag and the version that are there, and nothing is written."""
    tag = (await api.call("PUT", at, b"read by both")).headers["ETag"]
    assert (await api.call("PUT", at, b"first", If_Match=tag)).status == 204
    second = await api.call("PUT", at, b"second", If_Match=tag)
    problem = assert_problem(second, 412, "precondition-failed")
    got = await api.call("GET", at)
    assert (got.body, version(got)) == (b"first", 2)
    assert f'"{problem["current_etag"]}"' == second.headers["ETag"] == got.headers["ETag"]
    assert (problem["version"], version(second), problem["exists"]) == (2, 2, True)
    assert (await api.call("DELETE", at, If_Match=tag)).status == 412
    assert (await api.call("DELETE", at, If_Match=f'"other", W/{got.headers["ETag"]}')).status == 204


async def test_if_match_any_needs_a_value_and_if_none_match_any_needs_none(api, at):
    """Never written and deleted are both no value."""
    for expected in (0, 2):
        refused = await api.call("PUT", at, b"v", If_Match="*")
        problem = assert_problem(refused, 412, "precondition-failed")
        assert (problem["version"], problem["exists"]) == (expected, False)
        assert (await api.call("PUT", at, b"v", If_None_Match="*")).status == 204
        assert (await api.call("PUT", at, b"w", If_None_Match="*")).status == 412
        assert (await api.call("DELETE", at, If_Match="*")).status == 204
    assert (await api.call("DELETE", at, If_Match="*")).status == 412


@pytest.mark.parametrize(
    "headers",
    [
        {"If_None_Match": '"x"'},
        {"If_Match": "*", "If_None_Match": "*"},
        {"If_Match": '"x"', "If_None_Match": "*"},
        {"If_Match": '"x", *'},
        {"If_Match": ""},
        {"If_Unmodified_Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
    ],
)
async def test_a_condition_that_cannot_be_kept_is_refused(api, at, headers):
    """It must not look as if it had been looked at."""
    for method in ("PUT", "DELETE"):
        assert_problem(await api.call(method, at, b"v", **headers), 400, "invalid-parameter")
    assert version(await api.call("GET", at)) == 0


async def test_a_context_on_a_write_is_a_condition_on_the_version(api, at):
    """There is no place beside the value: a writer that has not seen the present one is refused."""
    never = (await api.call("GET", at)).context
    first = await api.call("PUT", at, b"one", Dynamo_Context=never)
    assert first.status == 204
    late = await api.call("PUT", at, b"late", Dynamo_Context=never)
    assert assert_problem(late, 412, "precondition-failed")["version"] == 1
    assert (await api.call("DELETE", at, Dynamo_Context=first.context)).status == 204
    assert (await api.call("PUT", at, b"two", Dynamo_Context=late.context)).status == 412
    gone = await api.call("GET", at)
    assert (await api.call("PUT", at, b"two", Dynamo_Context=gone.context)).status == 204
    assert_problem(await api.call("PUT", f"{at}2", b"v", Dynamo_Context=never), 400, "bad-context")


async def test_a_context_on_a_read_demands_nothing_that_is_not_there_anyway(api, at):
    """A linearizable read misses no acknowledged change; a damaged token is refused all the same."""
    written = await api.call("PUT", at, b"one")
    assert (await api.call("GET", at, Dynamo_Context=written.context)).body == b"one"
    assert (await api.call("GET", f"{at}?consistency=one", Dynamo_Context=written.context)).body == b"one"
    assert_problem(await api.call("GET", at, Dynamo_Context=f"{written.context}x"), 400, "bad-context")


async def test_a_context_of_another_mode_is_refused(fake):
    """The bucket was made anew: what its old contexts have seen is no version of the new one."""
    context = (await fake.call("PUT", "/v1/kv/b/k", b"v")).context
    fake.node.buckets.book.clear()
    fake.node.records.clear()
    await fake.json("PUT", "/v1/buckets/b", {"mode": "linearizable"})
    assert_problem(await fake.call("PUT", "/v1/kv/b/k", b"v", Dynamo_Context=context), 400, "bad-context")


async def test_reads_are_linearizable_unless_they_ask_for_less(fake):
    """A weaker read is an ordinary one, of the record that the changes leave; it knows its version, too."""
    at = f"/v1/kv/{await linearizable(fake)}/k"
    await fake.call("PUT", at, b"v")
    for query in ("", "?consistency=linearizable", "?siblings=lww", "?sloppy=false"):
        fake.node.commands.clear()
        got = await fake.call("GET", at + query)
        assert (got.body, version(got), fake.node.commands) == (b"v", 1, [])
    for query in ("consistency=one", "consistency=quorum&r=2", "consistency=all&pr=1", "consistency=one&siblings=all"):
        fake.node.commands.clear()
        got = await fake.call("GET", f"{at}?{query}")
        assert (got.body, version(got), len(fake.node.commands)) == (b"v", 1, 1)
    nothing = await fake.call("GET", f"{at}2?consistency=one")
    assert_problem(nothing, 404, "key-not-found")
    assert "Dynamo-Version" not in nothing.headers


@pytest.mark.parametrize(
    ("method", "query", "parameter"),
    [
        ("GET", "r=1", "r"),
        ("GET", "pr=1&consistency=linearizable", "pr"),
        ("GET", "sloppy=true", "sloppy"),
        ("GET", "consistency=one&sloppy=true", "sloppy"),
        ("PUT", "consistency=one", "consistency"),
        ("PUT", "w=2", "w"),
        ("PUT", "dw=0", "dw"),
        ("PUT", "pw=all", "pw"),
        ("PUT", "sloppy=true", "sloppy"),
        ("PUT", "ttl=1h", "ttl"),
        ("DELETE", "w=all", "w"),
        ("DELETE", "consistency=quorum", "consistency"),
    ],
)
async def test_what_such_a_bucket_has_no_use_for_is_refused_by_name(api, at, method: str, query: str, parameter: str):
    """400, before anything is done."""
    refused = await api.call(method, f"{at}?{query}", b"v" if method == "PUT" else None)
    assert assert_problem(refused, 400, "invalid-parameter")["parameter"] == parameter
    assert version(await api.call("GET", at)) == 0


async def test_what_says_the_same_as_the_mode_is_taken(api, at):
    """A client that spells it out is right."""
    written = await api.call("PUT", f"{at}?consistency=linearizable&sloppy=false&ttl=0s&timeout=5s", b"v")
    assert (written.status, version(written)) == (204, 1)


async def test_a_repeat_takes_effect_once_and_says_so(api, at):
    """The same Idempotency-Key answers with the version of then; with another value it is refused."""
    first = await api.call("PUT", at, b"v", Idempotency_Key="order-1")
    assert "Dynamo-Repeated" not in first.headers
    again = await api.call("PUT", at, b"v", Idempotency_Key="order-1", Prefer="return=representation")
    assert (again.status, again.body, version(again), again.headers["Dynamo-Repeated"]) == (200, b"v", 1, "true")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert_problem(await api.call("PUT", at, b"w", Idempotency_Key="order-1"), 422, "idempotency-mismatch")
    await api.call("PUT", at, b"later")
    late = await api.call("PUT", at, b"v", Idempotency_Key="order-1", Prefer="return=representation")
    assert (late.status, version(late), late.headers["ETag"]) == (204, 1, first.headers["ETag"])
    assert (await api.call("GET", at)).body == b"later"


async def test_a_repeat_of_a_conditional_write_is_not_held_against_itself(api, at):
    """Its own first attempt is what the condition meets now."""
    for _ in range(2):
        assert (await api.call("PUT", at, b"v", If_None_Match="*", Idempotency_Key="make-1")).status == 204
    assert (await api.call("PUT", at, b"v", If_None_Match="*")).status == 412


async def test_the_object_can_be_had_back(api, at):
    """Prefer: return=representation; the condition of the write is not asked of the answer again."""
    tag = (await api.call("PUT", at, b"v")).headers["ETag"]
    back = await api.call("PUT", at, b"w", Content_Type="text/plain", If_Match=tag, Prefer="return=representation")
    assert (back.status, back.body, back.headers["Content-Type"], version(back)) == (200, b"w", "text/plain", 2)
    assert back.headers["Preference-Applied"] == "return=representation"


async def test_the_server_makes_keys(api):
    """POST to the bucket; a repeat meets the key that it made, and never what somebody put there since."""
    bucket = await linearizable(api)
    made = [await api.call("POST", f"/v1/kv/{bucket}", b"v", Idempotency_Key="n1") for _ in range(2)]
    assert [reply.status for reply in made] == [201, 201]
    place = made[0].headers["Location"]
    assert (made[1].headers["Location"], version(made[1])) == (place, 1)
    assert (await api.call("GET", place)).body == b"v"
    other = await api.call("POST", f"/v1/kv/{bucket}", b"v")
    assert other.headers["Location"] != place
    refused = await api.call("POST", f"/v1/kv/{bucket}", b"v", If_Match="*")
    assert_problem(refused, 400, "invalid-parameter")


@pytest.mark.parametrize("way", ["PUT", "DELETE", "cas", "batch"])
async def test_a_client_says_when_it_began(fake, way):
    """Then a repeat is not taken for a first attempt. Clocks of nodes differ, and it was on its way: that is added."""
    bucket = await linearizable(fake)
    named = {"Idempotency_Key": "once", "Dynamo_Retry_Age": "2500ms", "Content_Type": "application/json"}
    before = now_ms()
    if way == "cas":
        await fake.call("POST", f"/v1/cas/{bucket}/k", b'{"then": {"add": 1}}', **named)
    elif way == "batch":
        operation = {"op": "put", "bucket": bucket, "key": "k", "value": "v"}
        await fake.call("POST", "/v1/batch", json.dumps({"operations": [operation]}).encode(), **named)
    else:
        await fake.call(way, f"/v1/kv/{bucket}/k", b"" if way == "PUT" else None, **named)
    command = fake.node.commands[-1]
    assert command.repeated
    margin_ms = 1000 * (CLOCKS_APART_S + max(fake.node.config.limits.header_timeout_s, 2))
    assert before <= command.born + 2500 + margin_ms <= now_ms()
    await fake.call("PUT", f"/v1/kv/{bucket}/k", b"", Idempotency_Key="once")
    assert (fake.node.commands[-1].repeated, fake.node.commands[-1].born) == (False, 0)


async def test_an_earlier_attempt_needs_a_name(api, at):
    """And a duration that is one."""
    for fields in ({"Dynamo_Retry_Age": "1s"}, {"Dynamo_Retry_Age": "soon", "Idempotency_Key": "x"}):
        assert_problem(await api.call("PUT", at, b"v", **fields), 400, "invalid-parameter")
    ages = (f"1{'0' * 306}s", "0s")
    for age in ages:
        assert (await api.call("DELETE", at, Dynamo_Retry_Age=age, Idempotency_Key="y")).status == 204
    assert version(await api.call("GET", at)) == 1


async def test_the_age_of_a_request_grows_while_its_body_comes(fake):
    """Its birth is that of when it began to arrive, not of when it was whole."""
    bucket = await linearizable(fake)
    body = b'{"then": {"add": 1}}'
    fields = "Host: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nIdempotency-Key: once\r\n"
    head = f"POST /v1/cas/{bucket}/k HTTP/1.1\r\n{fields}Dynamo-Retry-Age: 0s\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await fake.open()
    writer.write(head.encode())
    assert b" 100 " in await reader.readline()
    begun = now_ms()
    while now_ms() == begun:
        await asyncio.sleep(0)
    writer.write(body)
    await reader.readline()
    assert b" 200 " in await reader.readline()
    writer.close()
    margin_ms = 1000 * (CLOCKS_APART_S + max(fake.node.config.limits.header_timeout_s, 2))
    assert fake.node.commands[-1].born + margin_ms <= begun


async def test_a_made_key_that_is_taken_is_not_overwritten(fake):
    """Where the request is forgotten, its key is still known."""
    bucket = await linearizable(fake)
    await fake.call("POST", f"/v1/kv/{bucket}", b"v", Idempotency_Key="n1")
    for at, register in fake.node.registers.items():
        fake.node.registers[at] = type(register)(register.version, register.value)
    assert_problem(await fake.call("POST", f"/v1/kv/{bucket}", b"v", Idempotency_Key="n1"), 412, "precondition-failed")


async def test_conditional_reads(api, at):
    """304 and 412, as elsewhere."""
    tag = (await api.call("PUT", at, b"v")).headers["ETag"]
    same = await api.call("GET", at, If_None_Match=tag)
    assert (same.status, same.body, version(same)) == (304, b"", 1)
    assert_problem(await api.call("GET", at, If_Match='"other"'), 412, "precondition-failed")


async def test_keys_are_listed_with_their_values(api, at):
    """A listing reads what the changes leave."""
    bucket = at.split("/")[3]
    await api.call("PUT", at, b"v")
    await api.call("PUT", f"{at}2", b"w")
    await api.call("DELETE", f"{at}2")
    await api.call("PUT", f"{at}3", b"x")

    async def listed() -> list[str]:
        page = (await api.call("GET", f"/v1/kv/{bucket}?values=true&consistency=all")).json
        return sorted(entry["key"] for entry in page["keys"])

    await eventually(listed, ["k", "k3"])


async def eventually(look, wanted) -> None:
    """What was chosen reaches listings and weaker reads a moment later."""
    async with asyncio.timeout(10):
        while await look() != wanted:
            await asyncio.sleep(0.02)


async def test_too_large_a_value_is_refused(fake):
    """At the limit of the bucket plus one."""
    bucket = fresh("lin")
    await fake.json("PUT", f"/v1/buckets/{bucket}", {"mode": "linearizable", "value_bytes_max": 10})
    assert (await fake.call("PUT", f"/v1/kv/{bucket}/k", b"x" * 10)).status == 204
    assert_problem(await fake.call("PUT", f"/v1/kv/{bucket}/k", b"x" * 11), 413, "value-too-large")


async def test_requests_are_counted_as_linearizable(fake):
    """And a weaker read as what it asked for."""
    at = f"/v1/kv/{await linearizable(fake)}/k"
    await fake.call("PUT", at, b"v", If_Match="*")
    await fake.call("PUT", at, b"v")
    await fake.call("GET", at)
    await fake.call("GET", f"{at}?consistency=one")
    requests = fake.node.metrics.requests
    assert requests["put", "linearizable"].outcomes["rejected"].value == 1
    assert requests["put", "linearizable"].outcomes["ok"].value == 1
    assert requests["get", "linearizable"].outcomes["ok"].value == 1
    assert requests["get", "one"].outcomes["ok"].value == 1
