import base64

import msgspec
import pytest
from xxhash import xxh3_64_digest

from dynamo.api.listing import from_cursor, to_cursor
from dynamo.errors import InvalidParameter
from tests.api.serving import assert_problem, fresh


async def fill(api, bucket: str, keys: list[str]) -> None:
    for key in keys:
        assert (await api.call("PUT", f"/v1/kv/{bucket}/{key}", key.encode(), Content_Type="text/plain")).status == 204


async def pages(api, path: str) -> list[list[dict]]:
    """All pages of a listing."""
    found = []
    cursor = None
    while cursor is not None or not found:
        reply = await api.call("GET", path if cursor is None else f"{path}&cursor={cursor}")
        assert reply.status == 200, reply.body
        found.append(reply.json["keys"])
        cursor = reply.json["cursor"]
        assert len(found) < 100
    return found


async def test_an_empty_bucket_has_an_empty_page(api):
    """No keys, no cursor; a bucket that nobody has written to is empty, too."""
    reply = await api.call("GET", f"/v1/kv/{fresh()}")
    assert (reply.status, reply.json) == (200, {"keys": [], "cursor": None})


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_hold_every_key_once(api, limit: int):
    """Whatever the size of the pages: all keys, each once, no page above the limit, order kept in a partition key."""
    bucket = fresh()
    keys = [f"user{u}/{i:02}" for u in range(4) for i in range(5)]
    await fill(api, bucket, keys)
    found = await pages(api, f"/v1/kv/{bucket}?limit={limit}")
    assert all(len(page) <= limit for page in found)
    listed = [entry["key"] for page in found for entry in page]
    assert sorted(listed) == sorted(keys)
    for user in range(4):
        own = [key for key in listed if key.startswith(f"user{user}/")]
        assert own == sorted(own)


async def test_ranges(api):
    """A prefix, and a half-open range, inside one partition key; percent-encoded like any parameter."""
    bucket = fresh()
    await fill(api, bucket, ["u/a", "u/b", "u/ba", "u/c", "u/%FF", "v/b"])

    async def listed(query: str) -> list[str]:
        return [
            str(entry.get("key", entry)) for entry in (await api.call("GET", f"/v1/kv/{bucket}?{query}")).json["keys"]
        ]

    assert await listed("prefix=u/b") == ["u/b", "u/ba"]
    assert await listed("prefix=u%2Fb") == ["u/b", "u/ba"]
    assert await listed("prefix=u/&start=u/b&end=u/c") == ["u/b", "u/ba"]
    assert await listed("prefix=u/%FF") == [str({"key_b64": base64.b64encode(b"u/\xff").decode()})]
    assert await listed("prefix=nothing") == []


async def test_deleted_keys_are_not_listed(api):
    """A tombstone is no key."""
    bucket = fresh()
    await fill(api, bucket, ["a", "b"])
    await api.call("DELETE", f"/v1/kv/{bucket}/a", Dynamo_Context=(await api.call("GET", f"/v1/kv/{bucket}/a")).context)
    assert (await api.call("GET", f"/v1/kv/{bucket}")).json["keys"] == [{"key": "b"}]


async def test_values_on_demand(api):
    """With values=true each key comes with its tag, its context and its values; the context is good for a write."""
    bucket = fresh()
    await fill(api, bucket, ["a"])
    await api.call("PUT", f"/v1/kv/{bucket}/a", b"two")
    (entry,) = (await api.call("GET", f"/v1/kv/{bucket}?values=true")).json["keys"]
    got = await api.call("GET", f"/v1/kv/{bucket}/a")
    assert f'"{entry["etag"]}"' == got.headers["ETag"]
    assert entry["context"] == got.context
    assert {base64.b64decode(s["value_b64"]) for s in entry["siblings"]} == {b"a", b"two"}
    assert {s["content_type"] for s in entry["siblings"]} == {"text/plain", "application/octet-stream"}
    after = await api.call("PUT", f"/v1/kv/{bucket}/a", b"three", Dynamo_Context=entry["context"])
    assert after.headers["Dynamo-Siblings"] == "1"
    assert (await api.call("GET", f"/v1/kv/{bucket}?values=false")).json["keys"] == [{"key": "a"}]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "limit=x",
        "limit=101&values=true",
        "values=1",
        "cursor=",
        "cursor=AAAA",
        "cursor=%ff",
        "r=4",
        "consistency=all&r=1",
        "w=1",
        "delimiter=/",
        "start=%zz",
    ],
)
async def test_bad_parameters_of_a_listing(api, query: str):
    """Ranges, words, damaged cursors and unknown names are 400."""
    assert_problem(await api.call("GET", f"/v1/kv/{fresh()}?{query}"), 400, "invalid-parameter")


async def test_the_largest_pages(fake):
    """Exactly the limits are allowed."""
    for query in ("limit=10000", "limit=1", "limit=100&values=true"):
        assert (await fake.call("GET", f"/v1/kv/b?{query}")).status == 200
    assert [command.limit for command in fake.node.commands] == [10000, 1, 100]
    await fake.call("GET", "/v1/kv/b?values=true")
    await fake.call("GET", "/v1/kv/b")
    assert [command.limit for command in fake.node.commands[3:]] == [100, 1000]


def test_a_forged_cursor_is_refused():
    """Anyone can make one with a right checksum: text that is none, missing parts."""
    for body in (b"\x94\xa2\xff\xfe\x07\x0c\xc4\x01k", msgspec.msgpack.encode(("b", 7, 12)), b""):
        raw = b"\x01" + xxh3_64_digest(body)[4:] + body
        with pytest.raises(InvalidParameter, match="not one of ours"):
            from_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), "b", 16)


def test_a_cursor_is_bound_and_checked():
    """It gives back what went in; a flipped character, another bucket or another cluster is refused."""
    token = to_cursor("b", 7, (12, b"\xff/k"))
    assert from_cursor(token, "b", 16) == (12, b"\xff/k")
    for bad in (token[:-1], "B" + token[1:], token + "A", token.replace(token[5], "_" if token[5] != "_" else "a")):
        with pytest.raises(InvalidParameter):
            from_cursor(bad, "b", 16)
    with pytest.raises(InvalidParameter, match="another bucket"):
        from_cursor(token, "c", 16)
    with pytest.raises(InvalidParameter, match="another cluster"):
        from_cursor(token, "b", 8)


def test_the_form_of_a_cursor_is_pinned():
    """Version 1, byte for byte: a page begun before an upgrade goes on after it."""
    assert to_cursor("bucket", 3, (5, b"key")) == "AVzcrwSUpmJ1Y2tldAMFxANrZXk"
