import asyncio
import base64
import email.parser
import email.policy

import pytest

from tests.api.serving import assert_problem, fresh


async def test_what_is_put_is_got(api):
    """Bytes, Content-Type and metadata come back as they went in, with what a client needs for its next request."""
    at = f"/v1/kv/{fresh()}/user42/cart"
    meta = {"Dynamo_Meta_Colour": "blue", "Dynamo_Meta_ORIGIN": "h\u00e4ndler"}
    put = await api.call("PUT", at, b"\x00\xff{}", Content_Type='application/json; v="1"', **meta)
    assert (put.status, put.body) == (204, b"")
    assert put.headers["Dynamo-Acks"] == "primaries=2 fallbacks=0"
    assert put.headers["Dynamo-Siblings"] == "1"
    got = await api.call("GET", at)
    assert (got.status, got.body) == (200, b"\x00\xff{}")
    assert got.headers["Content-Type"] == 'application/json; v="1"'
    assert got.headers["Dynamo-Meta-Colour"] == "blue"
    assert got.headers["Dynamo-Meta-Origin"] == "h\u00e4ndler"
    for name in ("ETag", "Dynamo-Epoch"):
        assert got.headers[name] == put.headers[name]
    assert got.headers["Dynamo-Context"]
    assert put.headers["Dynamo-Context"] != got.headers["Dynamo-Context"], "that of a write says whose it is"
    assert got.headers["Dynamo-Siblings"] == "1"
    assert got.headers["Last-Modified"].endswith("GMT")
    assert got.headers["Dynamo-Coordinator"]
    assert got.headers["Cache-Control"] == "no-cache"
    head = await api.call("HEAD", at)
    assert (head.status, head.body) == (200, b"")
    different = {"Request-Id", "Date"}
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in got.headers.items() if k not in different
    }


async def test_an_empty_value_is_a_value(api):
    """Nothing at all can be stored, and is not a missing key."""
    at = f"/v1/kv/{fresh()}/k"
    assert (await api.call("PUT", at)).status == 204
    got = await api.call("GET", at)
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"", "0")


async def test_a_missing_key_is_a_404_that_a_write_can_follow(api):
    """No value, no tombstone, but a context: also the first write of a key can say what it has seen."""
    at = f"/v1/kv/{fresh()}/never"
    missing = await api.call("GET", at)
    assert assert_problem(missing, 404, "key-not-found")["deleted"] is False
    assert "Dynamo-Deleted" not in missing.headers
    assert (await api.call("PUT", at, b"v", Dynamo_Context=missing.context)).status == 204
    assert (await api.call("HEAD", at[:-5] + "other")).status == 404


async def test_a_delete_leaves_a_tombstone_that_a_write_supersedes(api):
    """After a delete the key is missing and says why; with its context the next value is the only one."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"v")
    deleted = await api.call("DELETE", at, Dynamo_Context=(await api.call("GET", at)).context)
    assert (deleted.status, deleted.headers["Dynamo-Siblings"]) == (204, "0")
    gone = await api.call("GET", at)
    assert assert_problem(gone, 404, "key-not-found")["deleted"] is True
    assert gone.headers["Dynamo-Deleted"] == "true"
    await api.call("PUT", at, b"again", Dynamo_Context=gone.context)
    assert (await api.call("GET", at)).body == b"again"
    assert (await api.call("DELETE", f"{at}/never-there")).status == 204


async def test_writes_without_a_context_stay_side_by_side(api):
    """Two blind writes are both shown, with one context that resolves them."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"one", Content_Type="text/plain", Dynamo_Meta_Who="a")
    second = await api.call("PUT", at, b"two")
    assert second.headers["Dynamo-Siblings"] == "2"
    got = await api.call("GET", at)
    assert got.status == 300
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Dynamo-Siblings"] == "2"
    assert got.json["context"] == got.context
    shown = {base64.b64decode(s["value_b64"]): s for s in got.json["siblings"]}
    assert set(shown) == {b"one", b"two"}
    assert (shown[b"one"]["content_type"], shown[b"one"]["meta"]) == ("text/plain", {"who": "a"})
    assert shown[b"one"]["etag"] != shown[b"two"]["etag"]
    assert shown[b"one"]["last_modified"].endswith("Z")
    resolved = await api.call("PUT", at, b"three", Dynamo_Context=got.context)
    assert resolved.headers["Dynamo-Siblings"] == "1"
    assert (await api.call("GET", at)).body == b"three"


async def test_siblings_as_multipart(api):
    """A client that prefers multipart/mixed gets each value as a part with its own fields."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"one\r\n--", Content_Type="text/plain", Dynamo_Meta_Who="a")
    await api.call("PUT", at, b"\x00\xff", Content_Type="image/png")
    got = await api.call("GET", at, Accept="multipart/mixed, application/json;q=0.5")
    assert got.status == 300
    head = f"Content-Type: {got.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + got.body).get_payload()
    by_type = {part["Content-Type"]: part for part in parts}
    assert by_type["text/plain"].get_payload(decode=True).startswith(b"one")
    assert by_type["text/plain"]["Dynamo-Meta-Who"] == "a"
    assert b"\r\n\r\n\x00\xff\r\n--" in got.body
    for part in parts:
        assert part["ETag"].startswith('"')
        assert part["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("accept", "multipart"),
    [
        ("*/*", False),
        ("", False),
        ("text/plain", False),
        ("application/json", False),
        ("multipart/mixed", True),
        ("multipart/*", True),
        ("MULTIPART/Mixed;q=0.4, */*;q=0.3", True),
        ("multipart/mixed;q=0.3, */*;q=0.4", False),
        ("multipart/mixed;q=0.5, application/json", False),
        ("multipart/mixed, application/json", False),
        ("multipart/mixed;q=0", False),
        ("multipart/mixed;q=x", False),
        ("*/*;q=0.9, application/*;q=0.1, multipart/mixed;q=0.5", True),
    ],
)
async def test_accept_decides_how_siblings_look(fake, accept: str, multipart: bool):
    """The more specific range counts, then quality; JSON where nothing is preferred."""
    for value in (b"one", b"two"):
        await fake.call("PUT", "/v1/kv/b/k", value)
    got = await fake.call("GET", "/v1/kv/b/k", Accept=accept)
    assert got.headers["Content-Type"].startswith("multipart/mixed") == multipart


async def test_a_client_may_choose_one_sibling_or_none(api):
    """With lww it gets the newest and the count, with fail 409 and the context; one value is never a conflict."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"old")
    assert (await api.call("GET", f"{at}?siblings=fail")).body == b"old"
    await api.call("PUT", at, b"new")
    newest = await api.call("GET", f"{at}?siblings=lww")
    assert (newest.status, newest.body, newest.headers["Dynamo-Siblings"]) == (200, b"new", "2")
    failed = await api.call("GET", f"{at}?siblings=fail")
    assert assert_problem(failed, 409, "siblings-present")["siblings"] == 2
    assert failed.context == newest.context
    assert (await api.call("GET", f"{at}?siblings=all")).status == 300


async def test_an_lww_bucket_keeps_one(api):
    """In mode lww the later of two blind writes is the value."""
    bucket = fresh("lww")
    assert (await api.json("PUT", f"/v1/buckets/{bucket}", {"mode": "lww"})).status == 201
    for value in (b"first", b"second"):
        await api.call("PUT", f"/v1/kv/{bucket}/k", value)
    got = await api.call("GET", f"/v1/kv/{bucket}/k")
    assert (got.status, got.body) == (200, b"second")


async def test_validators(api):
    """An entity tag changes with the versions and only then; conditional reads answer 304 and 412."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"v")
    tag = (await api.call("GET", at)).headers["ETag"]
    assert tag == (await api.call("GET", f"{at}?consistency=all")).headers["ETag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await api.call("GET", at, If_None_Match=condition)
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
        assert same.context
    assert (await api.call("GET", at, If_Match=tag)).status == 200
    assert_problem(await api.call("GET", at, If_Match='"other"'), 412, "precondition-failed")
    await api.call("PUT", at, b"w")
    assert (await api.call("GET", at, If_None_Match=tag)).status == 300


async def test_conditional_writes_are_refused_where_they_could_not_be_kept(api):
    """Outside linearizable buckets a condition on a write is an error, and nothing is written."""
    at = f"/v1/kv/{fresh()}/k"
    for method in ("PUT", "POST", "DELETE"):
        for condition in ({"If_Match": '"x"'}, {"If_None_Match": "*"}, {"If_Unmodified_Since": "now"}):
            refused = await api.call(method, at, b"v", **condition)
            assert assert_problem(refused, 400, "condition-needs-linearizable")["mode"] == "siblings"
    assert (await api.call("GET", at)).status == 404


async def test_a_repeat_is_the_same_write(api):
    """The same Idempotency-Key and value make one version; with another value the second is refused."""
    at = f"/v1/kv/{fresh()}/k"
    first = await api.call("PUT", at, b"v", Idempotency_Key="order-1")
    again = await api.call("PUT", at, b"v", Idempotency_Key="order-1")
    assert (again.status, again.headers["ETag"]) == (204, first.headers["ETag"])
    assert (await api.call("GET", at)).body == b"v"
    assert_problem(await api.call("PUT", at, b"other", Idempotency_Key="order-1"), 422, "idempotency-mismatch")
    elsewhere = await api.call("PUT", f"{at}2", b"other", Idempotency_Key="order-1")
    assert elsewhere.status == 204
    assert (await api.call("PUT", at, b"v")).headers["Dynamo-Siblings"] == "2"


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "\u00e9"])
async def test_an_odd_idempotency_key_is_refused(fake, name: str):
    """1 to 64 visible ASCII characters; 64 are fine."""
    problem = assert_problem(await fake.call("PUT", "/v1/kv/b/k", b"v", Idempotency_Key=name), 400, "invalid-parameter")
    assert problem["parameter"] == "Idempotency-Key"
    assert (await fake.call("PUT", "/v1/kv/b/k", b"v", Idempotency_Key="x" * 64)).status == 204


async def test_the_server_makes_keys(api):
    """POST to a bucket answers 201 with the key's Location; keys differ, and sort by time."""
    bucket = fresh()
    made = [await api.call("POST", f"/v1/kv/{bucket}", b"v%d" % i) for i in range(3)]
    assert [reply.status for reply in made] == [201] * 3
    places = [reply.headers["Location"] for reply in made]
    assert len(set(places)) == 3
    for number, place in enumerate(places):
        assert place.startswith(f"/v1/kv/{bucket}/")
        assert place.rsplit("/")[-1][14] == "7"
        assert (await api.call("GET", place)).body == b"v%d" % number


async def test_a_repeated_post_makes_one_key(api):
    """With an Idempotency-Key the repeat of a POST meets the key that the first one made."""
    bucket = fresh()
    made = [await api.call("POST", f"/v1/kv/{bucket}", b"v", Idempotency_Key="n1") for _ in range(2)]
    assert made[0].headers["Location"] == made[1].headers["Location"]
    assert made[0].headers["Location"].rsplit("/")[-1][14] == "8"
    assert (await api.call("GET", made[0].headers["Location"])).status == 200
    assert len((await api.call("GET", f"/v1/kv/{bucket}")).json["keys"]) == 1


async def test_the_object_can_be_had_back(api):
    """Prefer: return=representation answers with the object after the write, siblings included."""
    at = f"/v1/kv/{fresh()}/k"
    back = await api.call("PUT", at, b"v", Content_Type="text/plain", Prefer="return=representation")
    assert (back.status, back.body, back.headers["Content-Type"]) == (200, b"v", "text/plain")
    assert back.headers["Preference-Applied"] == "return=representation"
    assert back.headers["Dynamo-Acks"]
    both = await api.call("PUT", at, b"w", Prefer="foo, return = representation; x")
    assert (both.status, len(both.json["siblings"])) == (300, 2)
    assert (await api.call("PUT", at, b"w", Prefer="return=minimal")).status == 204
    made = await api.call("POST", at.rsplit("/", 1)[0], b"x", Prefer="return=representation")
    assert (made.status, made.body) == (201, b"x")


async def test_post_is_put(api):
    """POST of a key stores it, for clients whose library re-sends a PUT behind their back."""
    at = f"/v1/kv/{fresh()}/k"
    assert (await api.call("POST", at, b"v")).status == 204
    assert (await api.call("GET", at)).body == b"v"


async def test_content_encoding_is_kept_and_never_interpreted(api):
    """A compressed value comes back as it came, and says that it is compressed."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"not really gzip", Content_Encoding="gzip")
    got = await api.call("GET", at)
    assert (got.body, got.headers["Content-Encoding"]) == (b"not really gzip", "gzip")
    await api.call("PUT", at, b"plain", Content_Encoding="identity")
    both = await api.call("GET", at)
    assert sorted(str(s.get("content_encoding")) for s in both.json["siblings"]) == ["None", "gzip"]
    assert all(s["meta"] == {} for s in both.json["siblings"])


async def test_a_value_says_when_it_ends(api):
    """A ttl gives the value an absolute end, after which the key is missing; without one there is none."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", f"{at}?ttl=1h", b"v")
    assert (await api.call("GET", at)).headers["Dynamo-Expires-At"].endswith("Z")
    await api.call("PUT", f"{at}2", b"v")
    assert "Dynamo-Expires-At" not in (await api.call("GET", f"{at}2")).headers
    await api.call("PUT", f"{at}3?ttl=100ms", b"v")
    async with asyncio.timeout(5):
        while (gone := await api.call("GET", f"{at}3")).status == 200:
            await asyncio.sleep(0.01)
    assert assert_problem(gone, 404, "key-not-found")["deleted"] is True


async def test_the_tag_tells_when_a_sibling_has_expired(api):
    """The set of versions is the same, what is shown is not: a conditional read must not answer 304."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"stays")
    await api.call("PUT", f"{at}?ttl=300ms", b"goes")
    tag = (await api.call("GET", at)).headers["ETag"]
    async with asyncio.timeout(5):
        while (after := await api.call("GET", at, If_None_Match=tag)).status in (300, 304):
            await asyncio.sleep(0.01)
    assert (after.status, after.body) == (200, b"stays")
    assert after.headers["ETag"] != tag


async def test_a_context_on_a_read_is_a_demand(fake):
    """The clock in the token reaches the node as what the answer must have seen; on a write, with its time."""
    context = (await fake.call("PUT", "/v1/kv/b/k", b"v")).context
    await fake.call("GET", "/v1/kv/b/k", Dynamo_Context=context)
    assert fake.node.commands[-1].context == {"node1.0000abcd": 1}
    await fake.call("DELETE", "/v1/kv/b/k", Dynamo_Context=context)
    assert fake.node.commands[-1].context == {"node1.0000abcd": 1}
    assert fake.node.commands[-1].context_hybrid > 0


@pytest.mark.parametrize("damage", ["", "{}x", "A" * 12, "not base64!", "AAAA{}"])
async def test_a_damaged_context_is_refused(api, damage: str):
    """On every method, before anything is written; so is the context of another key."""
    bucket = fresh()
    context = (await api.call("PUT", f"/v1/kv/{bucket}/k", b"v")).context
    for method in ("GET", "PUT", "DELETE"):
        broken = await api.call(method, f"/v1/kv/{bucket}/k", Dynamo_Context=damage.format(context))
        assert_problem(broken, 400, "bad-context")
        foreign = await api.call(method, f"/v1/kv/{bucket}/other", Dynamo_Context=context)
        assert_problem(foreign, 400, "bad-context")
    assert (await api.call("GET", f"/v1/kv/{bucket}/k")).body == b"v"


async def test_a_bucket_may_require_a_context(api):
    """With require_context a blind write is 428; the context of a 404 is enough for the first one."""
    bucket = fresh("strict")
    await api.json("PUT", f"/v1/buckets/{bucket}", {"require_context": True})
    at = f"/v1/kv/{bucket}/k"
    for method in ("PUT", "DELETE"):
        assert_problem(await api.call(method, at, b"v"), 428, "precondition-required")
    missing = await api.call("GET", at)
    assert (await api.call("PUT", at, b"v", Dynamo_Context=missing.context)).status == 204


async def test_the_answer_to_a_write_supersedes_nothing_that_it_did_not_show(api):
    """Its context demands the write on a read, but a write that carries it leaves the values beside it alone."""
    at = f"/v1/kv/{fresh()}/k"
    await api.call("PUT", at, b"alice")
    first = await api.call("PUT", at, b"bob")
    assert first.headers["Dynamo-Siblings"] == "2"
    assert (await api.call("PUT", at, b"bob again", Dynamo_Context=first.context)).headers["Dynamo-Siblings"] != "1"
    got = await api.call("GET", at, Dynamo_Context=first.context)
    assert b"alice" in [base64.b64decode(s["value_b64"]) for s in got.json["siblings"]]
    deleted = await api.call("DELETE", at, Dynamo_Context=first.context)
    assert int(deleted.headers["Dynamo-Siblings"]) >= 1
    last = await api.call("PUT", at, b"merged", Dynamo_Context=(await api.call("GET", at)).context)
    assert (await api.call("PUT", at, b"more", Dynamo_Context=last.context)).headers["Dynamo-Siblings"] == "1"
