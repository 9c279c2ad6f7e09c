import base64
import json

import pytest

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import EtcdPut, EtcdRange, Fixed, Get, Operation, Put
from dynamo.workload.register_operations import OneKeyAdd, OneKeyCas, RegisterCas, RegisterGet, RegisterPut

KEYS = KeySpace(3, 4, 20)
OPERATIONS: list[Operation] = [
    Get(KEYS, "bench", 2),
    Put(KEYS, "bench", 2),
    EtcdPut(KEYS),
    EtcdRange(KEYS, serializable=True),
    Fixed(KEYS, "/", b"x"),
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


def test_a_get_names_key_and_quorum_and_knows_the_value():
    """The value that was put under this key, no other."""
    get = Get(KEYS, "bench", 2)
    assert parts(get.request(1))[0] == "GET /v1/kv/bench/key-00000001?r=2 HTTP/1.1"
    assert get.fault(1, 200, b"", KEYS.values[1]) == ""
    assert get.fault(1, 200, b"", KEYS.values[2]) == "GET gave another value than was put"
    assert get.fault(1, 404, b"", b"") == "status 404: "


def test_a_put_carries_what_the_answer_before_said():
    """The first without a context, the next of the same key with the one just given, other keys with theirs."""
    put = Put(KEYS, "bench", 2)
    first, fields, body = parts(put.request(0))
    assert (first, body) == ("PUT /v1/kv/bench/key-00000000?w=2 HTTP/1.1", KEYS.values[0])
    assert "Dynamo-Context" not in fields
    for token in ("AT123-_", "AT4"):
        head = f"HTTP/1.1 204 No Content\r\nDynamo-Context: {token}\r\nDynamo-Acks: primaries=2".encode()
        assert put.fault(0, 204, head, b"") == ""
        assert parts(put.request(0))[1]["Dynamo-Context"] == token
    assert put.fault(0, 204, b"HTTP/1.1 204 No Content\r\nDynamo-Context: last", b"") == ""
    assert parts(put.request(0))[1]["Dynamo-Context"] == "last"
    assert "Dynamo-Context" not in parts(put.request(1))[1]


def test_a_later_put_knows_what_an_earlier_one_learnt():
    """Filling a store and writing to it go on from each other, in both directions."""
    filled = Put(KEYS, "bench", 3)
    put = Put(KEYS, "bench", 2, after=filled)
    filled.fault(0, 204, b"HTTP/1.1 204 No Content\r\nDynamo-Context: one", b"")
    assert parts(put.request(0))[1]["Dynamo-Context"] == "one"
    put.fault(0, 204, b"HTTP/1.1 204 No Content\r\nDynamo-Context: two", b"")
    assert parts(filled.request(0))[1]["Dynamo-Context"] == "two"


def test_a_put_without_a_context_in_its_answer_is_a_fault():
    """The next one would make a sibling, and the run would measure something else."""
    assert "context" in Put(KEYS, "bench", 2).fault(0, 204, b"HTTP/1.1 204 No Content", b"")


def test_etcd_gets_the_same_key_and_value():
    """Base64 in JSON, as its gateway wants it."""
    put = json.loads(parts(EtcdPut(KEYS).request(2))[2])
    assert base64.b64decode(put["key"]) == KEYS.keys[2].encode()
    assert base64.b64decode(put["value"]) == KEYS.values[2]
    for serializable in (False, True):
        asked = json.loads(parts(EtcdRange(KEYS, serializable=serializable).request(2))[2])
        assert base64.b64decode(asked["key"]) == KEYS.keys[2].encode()
        assert asked.get("serializable", False) is serializable


def test_etcds_answer_must_hold_the_value():
    """An answer without the key is a good one for etcd, and a fault for the run."""
    asked = EtcdRange(KEYS, serializable=False)
    value = base64.b64encode(KEYS.values[2]).decode()
    assert asked.fault(2, 200, b"", f'{{"kvs":[{{"key":"a","value":"{value}"}}],"count":"1"}}'.encode()) == ""
    assert "another value" in asked.fault(2, 200, b"", b'{"header":{}}')
    assert "another value" in asked.fault(1, 200, b"", f'{{"kvs":[{{"value":"{value}"}}]}}'.encode())


def test_a_fixed_answer_must_be_the_fixed_one():
    """The yardstick is checked like the rest."""
    assert Fixed(KEYS, "/", b"abc").fault(0, 200, b"", b"abc") == ""
    assert Fixed(KEYS, "/", b"abc").fault(0, 200, b"", b"abd") == "status 200: abd"
