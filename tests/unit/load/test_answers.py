import base64
import json

import pytest

from dynamo.load.answers import CONTEXT, Corrupt, field, is_undecided, outcome_of, returned, scanned, there, version
from dynamo.load.values import Values, Written
from dynamo.report.counts import OUTCOMES

VALUES = Values(7)


def encoded(value: bytes) -> dict[str, str]:
    return {"value_b64": base64.b64encode(value).decode()}


@pytest.mark.parametrize(
    ("status", "outcome", "undecided"),
    [
        (200, "ok", False), (204, "ok", False), (300, "ok", False), (404, "ok", False), (412, "refused", False),
        (409, "rejected", False), (500, "error", True), (503, "unavailable", False), (504, "timeout", True),
    ],
)  # fmt: skip
def test_what_a_status_means(status, outcome, undecided):
    """For the outcome, and for a write that may still appear."""
    assert OUTCOMES[outcome_of(status)] == outcome
    assert is_undecided(status) == undecided


def test_which_writes_were_returned():
    """One, several side by side, or nothing."""
    one, other = VALUES.make(3, 0, 5, 40), VALUES.make(3, 1, 6, 50)
    assert returned(200, one, 3, VALUES) == [Written(7, 3, 0, 5)]
    both = json.dumps({"siblings": [encoded(one), encoded(other)]}).encode()
    assert returned(300, both, 3, VALUES) == [Written(7, 3, 0, 5), Written(7, 3, 1, 6)]
    assert returned(404, b"", 3, VALUES) == []


def test_what_nobody_wrote_ends_the_run():
    """A changed byte, and the value of another key."""
    value = VALUES.make(3, 0, 5, 40)
    with pytest.raises(Corrupt, match="nobody wrote"):
        returned(200, value[:-1] + b"\x00", 3, VALUES)
    with pytest.raises(Corrupt, match="value of key 3"):
        returned(200, value, 4, VALUES)


def test_a_scan_checks_every_value():
    """And says how many there were."""
    page = {"keys": [{"key": "a", "siblings": [encoded(VALUES.make(key, 0, 1, 30))]} for key in range(3)]}
    assert scanned(json.dumps(page).encode(), VALUES) == 3
    page["keys"][1]["siblings"] = [encoded(b"y" * 30)]
    with pytest.raises(Corrupt, match="'a'"):
        scanned(json.dumps(page).encode(), VALUES)


def test_fields_of_a_header():
    """A context ready to be sent back, the version as a number; nothing where there is none."""
    head = b"HTTP/1.1 204 No Content\r\nDynamo-Context: abc\r\nDynamo-Version: 12"
    assert field(head, CONTEXT) == b"\r\nDynamo-Context: abc"
    assert version(head) == 12
    assert field(b"HTTP/1.1 200 OK", CONTEXT) == b""
    assert version(b"HTTP/1.1 200 OK") is None


def test_what_a_change_was_told():
    """Text, or base64; nothing where it says nothing."""
    assert there(b'{"value":"41","version":2}') == b"41"
    assert there(b'{"value_b64":"AP8="}') == b"\x00\xff"
    assert there(b'{"exists":false}') is None
    assert there(b"<html>") is None
