import pytest

from dynamo.growth.sibling_operations import SiblingGet, SiblingPut
from dynamo.ring.token import key_hash
from dynamo.versioning.context import Context, from_token, to_token
from dynamo.workload.keys import KeySpace

KEYS = KeySpace(1, 2, 3)


HASH = key_hash("b", b"key-00000000")


def answer(counter: int) -> bytes:
    """What a node says of the write that it has made with this counter: it has not shown the values beside it."""
    token = to_token(Context({"a.1": counter}, counter, seen={}, wrote={"a.1": counter}), HASH)
    return f"HTTP/1.1 204 No Content\r\nDynamo-Context: {token}\r\nX: y".encode()


def superseded(put: SiblingPut, counter: int) -> int:
    """Up to which counter a PUT supersedes what is there; it is answered as the write with the given one."""
    _, found, rest = put.request(0).partition(b"\r\nDynamo-Context: ")
    assert put.fault(0, 204, answer(counter), b"") == ""
    return from_token(rest.split(b"\r\n")[0].decode(), HASH).superseded["a.1"] if found else 0


def test_writes_replace_the_oldest_value():
    """The first ones know of nothing; from then on each has seen the oldest value that is left, and no later one."""
    put = SiblingPut(KEYS, "b", w=2, count=3)
    assert [superseded(put, number) for number in range(1, 8)] == [0, 0, 0, 1, 2, 3, 4]
    assert b"Dynamo-Context" not in put.request(1)


def test_what_filled_the_keys_is_gone_on_from():
    """Another operation over the same keys knows of their values."""
    first = SiblingPut(KEYS, "b", w=3, count=1)
    superseded(first, 1)
    then = SiblingPut(KEYS, "b", w=2, count=1, after=first)
    assert [superseded(then, 2), superseded(then, 3)] == [1, 2]


def test_a_refused_write_changes_nothing():
    """The next one has seen the same."""
    put = SiblingPut(KEYS, "b", w=2, count=1)
    superseded(put, 1)
    put.request(0)
    assert put.fault(0, 504, b"HTTP/1.1 504 x", b"late").startswith("status 504")
    assert superseded(put, 2) == 1


@pytest.mark.parametrize(("status", "found", "good"), [(300, 2, True), (300, 3, False), (200, 2, False)])
def test_a_read_must_show_them_all(status: int, found: int, good: bool):
    """As many as there are, no more and no less, as siblings."""
    body = b'{"siblings":[' + b",".join([b'{"value_b64":"eA=="}'] * found) + b"]}"
    assert (SiblingGet(KEYS, "b", 2, 2).fault(0, status, b"", body) == "") is good


def test_one_value_is_a_plain_object():
    """And is compared byte by byte."""
    get = SiblingGet(KEYS, "b", 2, 1)
    assert get.fault(0, 200, b"", KEYS.values[0]) == ""
    assert get.fault(0, 200, b"", b"other") == "GET gave another value than was put"
