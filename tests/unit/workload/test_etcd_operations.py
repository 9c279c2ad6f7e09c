import base64
import json

from dynamo.workload.etcd_operations import EtcdCas, EtcdOneKeyCas
from dynamo.workload.keys import KeySpace
from tests.unit.workload.test_operations import parts

KEYS = KeySpace(3, 4, 20)
APPLIED = b'{"header":{"revision":"8"},"succeeded":true,"responses":[{"response_put":{}}]}'


def refused(version: int) -> bytes:
    told = f'{{"header":{{}},"responses":[{{"response_range":{{"kvs":[{{"version":"{version}"}}]}}}}]}}'
    return told.encode()


def content(request: bytes) -> dict:
    """What is asked, after a look at whether the request is whole."""
    first, fields, body = parts(request)
    assert first == "POST /v3/kv/txn HTTP/1.1"
    assert int(fields["Content-Length"]) == len(body)
    return json.loads(body)


def test_a_transaction_compares_and_puts_and_reads_where_it_cannot():
    """The version is a string, as JSON of 64-bit numbers has them; names and values are base64."""
    key, value = base64.b64encode(b"cas/key-00000001").decode(), base64.b64encode(KEYS.values[1]).decode()
    assert content(EtcdCas(KEYS, "cas/").request(1)) == {
        "compare": [{"key": key, "target": "VERSION", "result": "EQUAL", "version": "0"}],
        "success": [{"requestPut": {"key": key, "value": value}}],
        "failure": [{"requestRange": {"key": key}}],
    }


def test_the_next_one_names_the_version_that_the_last_one_made():
    """Each key its own; a refusal is a fault where nobody else writes."""
    cas = EtcdCas(KEYS, "")
    assert cas.fault(1, 200, b"", APPLIED) == ""
    assert content(cas.request(1))["compare"][0]["version"] == "1"
    assert content(cas.request(0))["compare"][0]["version"] == "0"
    assert cas.fault(1, 200, b"", refused(4)).startswith("status 200")
    assert content(cas.request(1))["compare"][0]["version"] == "4"
    assert cas.fault(1, 503, b"", b"no leader") == "status 503: no leader"


def test_on_one_key_a_refusal_is_an_answer():
    """It tells the version to go on from; an applied one, overtaken by it, takes nothing back and adds nothing."""
    cas = EtcdOneKeyCas(KEYS)
    for position in range(3):
        assert content(cas.request(position))["compare"][0]["version"] == "0"
    assert cas.fault(0, 200, b"", refused(1)) == ""
    assert cas.fault(1, 200, b"", APPLIED) == ""
    assert content(cas.request(0))["compare"][0]["version"] == "1"
    assert (cas.answers, cas.made) == (2, 1)
    assert "does not tell" in cas.fault(2, 200, b"", b"{}")
    assert cas.fault(2, 500, b"", b"x") == "status 500: x"
