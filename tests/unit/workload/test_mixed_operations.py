from collections import Counter

import pytest

from dynamo.workload.keys import KeySpace
from dynamo.workload.mixed_operations import CAS, DELETE, GET, GONE, OPEN, PUT, THERE, WEIGHTS, Mixed

KEYS = KeySpace(1, 4, 3)
TOLD = b"HTTP/1.1 200 OK\r\nDynamo-Version: 7\r\nX: y"


def mixed() -> Mixed:
    return Mixed(KEYS, "plain", "registers", seed=1, timeout_ms=500)


def asking(made: Mixed, kind: int) -> bytes:
    """The first request of that kind for the first key."""
    while True:
        request = made.request(0)
        if made._asked[0] == kind:
            return request


def test_kinds_come_by_their_weights():
    """Within what chance allows, and the same for the same seed."""
    made, again = mixed(), mixed()
    requests = [made.request(number % 4) for number in range(4000)]
    assert requests == [again.request(number % 4) for number in range(4000)]
    verbs = Counter(request.split(b" ")[0].decode().lower() for request in requests)
    for verb, name in (("get", "get"), ("put", "put"), ("delete", "delete"), ("post", "cas")):
        assert abs(verbs[verb] / 40 - WEIGHTS[name]) < 3


def test_each_says_its_quorum_and_its_time():
    """Plain keys and registers lie in buckets of their own."""
    made = mixed()
    assert asking(made, GET).startswith(b"GET /v1/kv/plain/key-00000000?r=2&timeout=500ms HTTP/1.1\r\n")
    assert asking(made, PUT).endswith(b"Content-Length: 3\r\n\r\n" + KEYS.values[0])
    assert asking(made, DELETE).startswith(b"DELETE /v1/kv/plain/key-00000000?w=2&timeout=500ms HTTP/1.1\r\n")
    assert asking(made, CAS).startswith(b"POST /v1/cas/registers/key-00000000?timeout=500ms HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("state", "status", "body", "good"),
    [
        (THERE, 200, KEYS.values[0], True),
        (THERE, 200, b"other", False),
        (THERE, 404, b"", False),
        (GONE, 404, b"", True),
        (GONE, 200, KEYS.values[0], False),
        (OPEN, 200, KEYS.values[0], True),
        (OPEN, 200, b"other", False),
        (OPEN, 404, b"", True),
        (OPEN, 504, b"", False),
    ],
)
def test_a_read_gives_what_must_be_there(state: int, status: int, body: bytes, good: bool):
    """What was put, or nothing once it was deleted; what is open may be either, and never something else."""
    made = mixed()
    asking(made, GET)
    made._states[0] = state
    assert (made.fault(0, status, b"", body) == "") is good


def test_writes_settle_what_is_there():
    """And one without a clear end opens it again."""
    made = mixed()
    for kind, status, state in ((PUT, 204, THERE), (DELETE, 204, GONE), (DELETE, 404, GONE), (PUT, 504, OPEN)):
        asking(made, kind)
        assert (made.fault(0, status, b"", b"") == "") is (status != 504)
        assert made._states[0] == state
    made._states[0] = THERE
    asking(made, DELETE)
    assert made.fault(0, 404, b"", b"") != ""


def test_a_register_follows_its_version():
    """A refusal is right only while the version is not known; later it would mean that somebody else has written."""
    made = mixed()
    assert b'"if":{"version":0}' in asking(made, CAS)
    assert made.fault(0, 412, TOLD.replace(b"200 OK", b"412 No"), b"") == ""
    assert b'"if":{"version":7}' in asking(made, CAS)
    assert made.fault(0, 200, TOLD.replace(b"7", b"8"), b"") == ""
    assert b'"if":{"version":8}' in asking(made, CAS)
    assert made.fault(0, 412, TOLD, b"").startswith("status 412")
    assert b'"if":{"version":0}' in asking(made, CAS)
    assert made.fault(0, 200, b"HTTP/1.1 200 OK", b"").startswith("status 200")
