import json

import pytest

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Operation
from dynamo.workload.register_operations import OneKeyAdd, OneKeyCas, RegisterCas, RegisterGet, RegisterPut

KEYS = KeySpace(3, 4, 20)
OPERATIONS: list[Operation] = [
    RegisterGet(KEYS, "b"),
    RegisterPut(KEYS, "b"),
    RegisterCas(KEYS, "b", [7, 8, 9, 10]),
    OneKeyCas(KEYS, "b"),
    OneKeyAdd(KEYS, "b"),
]


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """First line, fields and body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    return first, dict(field.split(": ", 1) for field in fields), body


def told(version: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nDynamo-Version: {version}\r\nETag: x".encode()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_request_is_whole(operation: Operation):
    """It has a Host, and exactly as much body as it says."""
    for position in range(len(KEYS)):
        first, fields, body = parts(operation.request(position))
        assert first.endswith(" HTTP/1.1")
        assert fields["Host"] == "127.0.0.1"
        assert int(fields.get("Content-Length", "0")) == len(body)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_refusal_is_a_fault(operation: Operation):
    """With its status, and the beginning of what was said."""
    assert operation.fault(0, 503, b"HTTP/1.1 503 x", b'{"code":"overloaded"}') == 'status 503: {"code":"overloaded"}'


def test_a_get_knows_the_value():
    get = RegisterGet(KEYS, "b")
    assert parts(get.request(1))[0] == "GET /v1/kv/b/key-00000001 HTTP/1.1"
    assert get.fault(1, 200, b"", KEYS.values[1]) == ""
    assert get.fault(1, 200, b"", KEYS.values[2]) == "GET gave another value than was put"


def test_a_compare_and_set_names_the_version_that_the_last_answer_told():
    """Also that to a PUT of the same key."""
    put = RegisterPut(KEYS, "b")
    cas = RegisterCas(KEYS, "b", put.versions)
    assert put.fault(2, 204, told(5), b"") == ""
    assert json.loads(parts(cas.request(2))[2])["if"] == {"version": 5}
    assert cas.fault(2, 200, told(6), b"{}") == ""
    assert json.loads(parts(cas.request(2))[2])["if"] == {"version": 6}
    assert json.loads(parts(cas.request(1))[2])["if"] == {"version": 0}
    assert cas.fault(2, 412, told(9), b"no").startswith("status 412")
    assert cas.fault(2, 200, b"HTTP/1.1 200 OK", b"{}") == "the answer to a compare-and-set carries no version"


def test_on_one_key_a_refusal_is_an_answer():
    """It tells the version to go on from; an older answer that comes late takes nothing back."""
    cas = OneKeyCas(KEYS, "b")
    assert cas.fault(0, 412, told(9), b"") == ""
    assert cas.fault(1, 200, told(4), b"") == ""
    assert json.loads(parts(cas.request(3))[2])["if"] == {"version": 9}
    assert cas.made == 1
