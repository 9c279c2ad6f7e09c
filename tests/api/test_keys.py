import pytest

from tests.api.serving import assert_problem, fresh, parsed

# Spelling in the path, and the bytes that it means.
SPELLINGS = {
    "%ff%fe": b"\xff\xfe",
    "%25ff%25fe": b"%ff%fe",
    "a/b/c": b"a/b/c",
    "a%2Fb": b"a/b",
    "..": b"..",
    "../../v1/buckets": b"../../v1/buckets",
    "a/./b": b"a/./b",
    "%2e%2e": b"..",
    "/": b"/",
    "//x//": b"//x//",
    "%00": b"\0",
    "a%00b": b"a\0b",
    "%0d%0aSet-Cookie:%20x": b"\r\nSet-Cookie: x",
    "a+b": b"a+b",
    "a%20b": b"a b",
    "h%C3%A9": "h\u00e9".encode(),
    "%c3%28": b"\xc3(",
    ";p=1": b";p=1",
    "a%3Fb": b"a?b",
    "a%23b": b"a#b",
    ":@!$&'()*,=": b":@!$&'()*,=",
    "%F0%9F%90%98": "\U0001f418".encode(),
}


@pytest.mark.parametrize(("spelling", "key"), SPELLINGS.items())
async def test_a_path_means_its_bytes(fake, spelling: str, key: bytes):
    """What reaches the node is the path's percent-decoded bytes: nothing is normalised, decoded twice or lost."""
    assert (await fake.call("PUT", f"/v1/kv/b/{spelling}", b"v")).status == 204
    assert fake.node.commands[-1].key == key
    for method in ("GET", "HEAD", "DELETE", "POST"):
        assert (await fake.call(method, f"/v1/kv/b/{spelling}")).status in (200, 204)
        assert fake.node.commands[-1].key == key


async def test_keys_that_look_alike_are_different(api):
    """Every spelling holds its own value, except where two spellings mean the same bytes."""
    bucket = fresh()
    for spelling, key in SPELLINGS.items():
        context = (await api.call("GET", f"/v1/kv/{bucket}/{spelling}")).context
        await api.call("PUT", f"/v1/kv/{bucket}/{spelling}", key, Dynamo_Context=context)
    for spelling, key in SPELLINGS.items():
        got = await api.call("GET", f"/v1/kv/{bucket}/{spelling}")
        assert (got.status, got.body) == (200, key), spelling


async def test_raw_bytes_in_a_path_are_its_bytes(fake):
    """A client that does not encode at all is understood, or refused as malformed HTTP; never misread."""
    answer = parsed(await fake.raw(b"PUT /v1/kv/b/h\xc3\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    if answer.status == 204:
        assert fake.node.commands[-1].key == b"h\xc3\xa9"
    else:
        assert_problem(answer, 400, "bad-request")
        assert fake.node.commands == []


async def test_an_absolute_target_means_the_same(fake):
    """Proxies send the whole address; its path is the key's, dots and all."""
    request = b"PUT http://any.example/v1/kv/b/../x%2F HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"
    assert parsed(await fake.raw(request)).status == 204
    assert fake.node.commands[-1].key == b"../x/"


@pytest.mark.parametrize("spelling", ["%", "%zz", "a%2", "a%g0", "%%41"])
async def test_a_stray_percent_sign_is_refused(api, spelling: str):
    """It could be read in two ways, so it is not read at all."""
    for method in ("GET", "PUT", "DELETE"):
        assert_problem(await api.call(method, f"/v1/kv/{fresh()}/{spelling}"), 400, "bad-request")


async def test_an_empty_key_is_refused(api):
    """The slash after the bucket begins a key, and a key has a byte."""
    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        reply = await api.call(method, f"/v1/kv/{fresh()}/")
        assert reply.status == 400
    assert_problem(await api.call("PUT", f"/v1/kv/{fresh()}/", b"v"), 400, "bad-request")


@pytest.mark.parametrize("filling", ["k", "%ff", "%2F"])
async def test_a_key_has_400_bytes_at_most(api, filling: str):
    """400 bytes are stored, however they are spelt; 401 are refused with the limit."""
    at = f"/v1/kv/{fresh()}/"
    assert (await api.call("PUT", at + filling * 400, b"v")).status == 204
    assert (await api.call("GET", at + filling * 400)).body == b"v"
    for method in ("GET", "PUT", "DELETE"):
        assert assert_problem(await api.call(method, at + filling * 401, b"v"), 414, "key-too-long")["limit"] == 400


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "a.b_c-d9", "a%2Db", "%61"])
async def test_good_bucket_names(api, name: str):
    """Lower case letters, digits, dot, underscore and hyphen, in any spelling."""
    assert (await api.call("PUT", f"/v1/kv/{name}/k?timeout=5s", b"v")).status == 204


@pytest.mark.parametrize(
    "name", ["A", "-a", ".a", "_a", "a" * 64, "a%2Fb", "a%00", "h%C3%A9", "%ff", "a%20b", "a%0A", "..", "%2e%2e", "a:b"]
)
async def test_bad_bucket_names(api, name: str):
    """Everything else is refused, decoded once and before anything is looked up."""
    for method, path in (("GET", f"/v1/kv/{name}/k"), ("PUT", f"/v1/kv/{name}/k"), ("GET", f"/v1/kv/{name}")):
        problem = assert_problem(await api.call(method, path), 400, "invalid-parameter")
        assert problem["parameter"] == "bucket"
    assert_problem(await api.call("PUT", f"/v1/buckets/{name}"), 400, "invalid-parameter")


async def test_a_key_survives_the_listing(api):
    """Text keys are listed as text, others in base64."""
    bucket = fresh()
    for spelling in ("h%C3%A9", "%ff", "%00"):
        await api.call("PUT", f"/v1/kv/{bucket}/{spelling}", b"v")
    keys = (await api.call("GET", f"/v1/kv/{bucket}")).json["keys"]
    assert sorted(keys, key=str) == sorted([{"key": "h\u00e9"}, {"key_b64": "/w=="}, {"key": "\0"}], key=str)
