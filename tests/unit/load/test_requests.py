import json

from dynamo.load.levels import weighted
from dynamo.load.requests import COUNTERS, PROBES, Requests
from dynamo.workload.mixes import PRESETS
from tests.unit.load.stage import plan


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    return first, dict(field.split(": ", 1) for field in fields), body


def test_a_get_names_its_level():
    """And the time it has; numbers are numbers of replicas."""
    requests = Requests(plan(reads=weighted("one,2"), timeout_s=0.5))
    assert parts(requests.get(3, 0))[0] == "GET /v1/kv/load/load-00000003?consistency=one&timeout=500ms HTTP/1.1"
    assert parts(requests.get(3, 1))[0] == "GET /v1/kv/load/load-00000003?r=2&timeout=500ms HTTP/1.1"


def test_a_put_carries_its_value_and_context():
    """The length is that of the value; the context is a header of its own."""
    first, fields, body = parts(Requests(plan()).put(3, 1, b"x" * 30, b"\r\nDynamo-Context: abc"))
    assert first == "PUT /v1/kv/load/load-00000003?consistency=quorum&timeout=2000ms HTTP/1.1"
    assert (fields["Content-Length"], fields["Dynamo-Context"], body) == ("30", "abc", b"x" * 30)
    assert "Dynamo-Context" not in parts(Requests(plan()).put(3, 1, b"x"))[1]


def test_linearizable_writes_name_no_level():
    """They have one only."""
    requests = Requests(plan(mode="linearizable", writes=weighted("linearizable")))
    assert parts(requests.put(3, 0, b"x"))[0] == "PUT /v1/kv/load/load-00000003?timeout=2000ms HTTP/1.1"


def test_changes_are_json():
    """A condition on the version with a value, an addition."""
    requests = Requests(plan(mode="linearizable"))
    first, fields, body = parts(requests.cas(3, 8, b"\x00\xff"))
    assert first == "POST /v1/cas/load/load-00000003?timeout=2000ms HTTP/1.1"
    assert json.loads(body) == {"if": {"version": 8}, "then": {"set_b64": "AP8="}}
    assert fields["Content-Length"] == str(len(body))
    assert json.loads(parts(requests.add(COUNTERS + 2))[2]) == {"then": {"add": 1}}


def test_a_scan_stays_in_its_group():
    """A hundred keys have one name up to the slash: they lie together, in order."""
    requests = Requests(plan(mix=PRESETS["e"]))
    assert requests.key(250) == "load-000002/50"
    assert (
        parts(requests.scan(250, 0, 20))[0]
        == "GET /v1/kv/load?values=true&prefix=load-000002/&start=load-000002/50&limit=20&consistency=one"
        "&timeout=2000ms HTTP/1.1"
    )


def test_no_two_keys_share_a_name():
    """Counters and probes have their own."""
    names = [Requests(plan()).key(key) for key in (0, 1, COUNTERS, COUNTERS + 1, PROBES, PROBES + 1)]
    assert len(set(names)) == 6
