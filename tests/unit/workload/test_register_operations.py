"""That requests are whole, and refusals faults, is asked of these in `test_operations.py`, too."""

import json

from dynamo.workload.keys import KeySpace
from dynamo.workload.register_operations import OneKeyCas, RegisterCas, RegisterGet, RegisterPut
from tests.unit.workload.test_operations import parts

KEYS = KeySpace(3, 4, 20)


def told(version: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nDynamo-Version: {version}\r\nETag: x".encode()


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
