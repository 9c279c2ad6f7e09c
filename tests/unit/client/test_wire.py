import json
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.client import wire
from dynamo.client.results import Operation
from dynamo.errors import InvalidParameter


@given(st.binary(min_size=1, max_size=400))
def test_a_path_decodes_to_the_key(key: bytes):
    """For any bytes; and nothing in it ends the path or looks like navigation."""
    path = wire.object_path("b", key)
    assert unquote_to_bytes(path.removeprefix("/v1/kv/b/")) == key
    assert path.isascii()
    assert not set(path) & set("?# \r\n")
    assert not {"", "."} & set(path.split("/")[4:-1])
    if b"/" in key:
        assert ".." not in path.split("/")


def test_ordinary_keys_stay_readable():
    """In logs and in Location, user/1 is user/1."""
    assert wire.object_path("b", b"user/1") == "/v1/kv/b/user/1"
    assert wire.object_path("b", b"a/../b") == "/v1/kv/b/a%2F..%2Fb"


@pytest.mark.parametrize("bucket", ["", "..", "A", "a/b", "a" * 64, "a?b"])
def test_a_bucket_name_never_changes_the_path(bucket: str):
    """Bad names are refused by the rule of the nodes."""
    for make in (wire.bucket_path, lambda name: wire.object_path(name, b"k")):
        with pytest.raises(InvalidParameter):
            make(bucket)


def test_every_write_has_an_idempotency_key_of_its_own():
    """A given one is kept."""
    calls = [wire.write("b", b"k", b"", None, "", {}, {}), wire.delete("b", b"k", None, {}), wire.batch([], {})]
    keys = [call.headers["Idempotency-Key"] for call in calls]
    assert len(set(keys)) == 3
    assert all(0 < len(key) <= 64 for key in keys)
    assert wire.delete("b", b"k", None, {"idempotency_key": "mine"}).headers["Idempotency-Key"] == "mine"
    assert "Idempotency-Key" not in wire.read("b", b"k", None, {}).headers


def test_the_time_that_is_left_travels_as_timeout():
    """In milliseconds, never 0; not to resources that take none."""
    assert wire.read("b", b"k", None, {"r": 2}).target(1.2345) == "/v1/kv/b/k?r=2&timeout=1234ms"
    assert wire.read("b", b"k", None, {}).target(0.0001) == "/v1/kv/b/k?timeout=1ms"
    assert wire.ring().target(1.0) == "/v1/ring"


def test_bounds_of_a_listing_are_bytes():
    """Encoded, so that none can end its parameter; those not given are left out."""
    call = wire.page("b", wire.Bounds(b"a&b=\xff", b"+"), 10, "cur/sor=", {"r": 1}, values=True)
    assert call.target(1.0) == (
        "/v1/kv/b?prefix=a%26b%3D%FF&start=%2B&cursor=cur%2Fsor%3D&limit=10&r=1&values=true&timeout=1000ms"
    )


def test_a_short_life_is_not_an_endless_one():
    """A ttl below a millisecond is rounded up: 0 would mean for ever."""
    assert ("ttl", "1ms") in wire.write("b", b"k", b"", None, "", {}, {"ttl_s": 0.0001}).query
    assert ("ttl", "0ms") in wire.write("b", b"k", b"", None, "", {}, {"ttl_s": 0}).query


def test_a_batch_spells_its_operations():
    """Text keys as text, others in base64; values always in base64."""
    put = Operation("put", "b", "k", b"\xff", "a/b", "token", {"m": "n"}, 1.5)
    call = wire.batch([put, Operation("get", "b", b"\xff")], {"r": 1})
    assert json.loads(call.body or b"")["operations"] == [
        {
            "op": "put",
            "bucket": "b",
            "key": "k",
            "value_b64": "/w==",
            "content_type": "a/b",
            "meta": {"m": "n"},
            "ttl": "1500ms",
            "context": "token",
        },
        {"op": "get", "bucket": "b", "key_b64": "/w=="},
    ]
    assert call.writes
    assert ("r", "1") in call.query
    assert not wire.batch([Operation("get", "b", "k")], {}).writes
