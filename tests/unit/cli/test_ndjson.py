import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.cli.ndjson import BadLine, Row, line_of, row_of
from dynamo.client.results import Value

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
VALUES = (
    st.binary(max_size=50)
    | JSON_LIKE.map(lambda v: json.dumps(v).encode())
    | st.sampled_from([b"null", b"1e400", b" 1", b"[1,\n2]", b'"\xff"', b'"\\ud800"', b'{"a":1,"a":2}', b"{'a':1}"])
)


@given(
    key=st.binary(min_size=1, max_size=400),
    value=VALUES,
    content_type=st.text(min_size=1),
    meta=st.dictionaries(st.text(), st.text()),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_a_line_comes_back_byte_for_byte(key, value, content_type, meta, expires_at):
    """Any key, value, type, metadata and end of life; and it is one line of JSON."""
    value_of = Value(bucket="b", key=key, value=value, content_type=content_type, meta=meta, expires_at=expires_at)
    line = line_of(value_of)
    assert b"\n" not in line
    assert isinstance(json.loads(line), dict)
    assert row_of(line, None) == Row(key, value, content_type, meta, expires_at)


def test_json_stays_readable_in_the_line():
    """And what is not JSON is base64."""
    shown = [json.loads(line_of(Value(bucket="b", key=b"k", value=v))) for v in (b'{"a": [1]}', b"text")]
    assert shown == [{"key": "k", "value": {"a": [1]}}, {"key": "k", "value_b64": "dGV4dA=="}]


def test_a_record_is_stored_whole_under_one_of_its_fields():
    """Text or a whole number; the bytes of the line are the value."""
    assert row_of(b'{"id": "x",  "n": 1}', "id") == Row(b"x", b'{"id": "x",  "n": 1}', "application/json")
    assert row_of('{"id": 17, "name": "käse"}'.encode(), "id").key == b"17"


@pytest.mark.parametrize(
    ("line", "field", "why"),
    [
        (b"{", None, "truncated"),
        (b"[]", None, "object"),
        (b'{"key": "k"}', None, "one of value"),
        (b'{"value": 1}', None, "one of key"),
        (b'{"key": "k", "key_b64": "aw==", "value": 1}', None, "one of key"),
        (b'{"key": "k", "value": 1, "value_b64": ""}', None, "one of value"),
        (b'{"key": "k", "value_b64": "?"}', None, "base64"),
        (b'{"key": "k", "valeu": 1}', None, "valeu"),
        (b'{"key": "", "value": 1}', None, "empty"),
        (b'{"key": "' + b"k" * 401 + b'", "value": 1}', None, "401"),
        (b'{"key": "\xff", "value": 1}', None, "utf-8"),
        (b'{"id": "a", "x": "\xff"}', "id", "utf-8"),
        (b'{"key": "k", "value": 1, "expires_at": "2030-01-01T00:00:00"}', None, "time zone"),
        (b'{"name": "x"}', "id", "no field"),
        (b'{"id": 1.5}', "id", "whole number"),
        (b'{"id": true}', "id", "whole number"),
        (b'{"id": null}', "id", "whole number"),
        (b'{"id": {}}', "id", "whole number"),
        (b'{"id": ""}', "id", "empty"),
    ],
)
def test_a_bad_line_says_why(line, field, why):
    """Nothing is guessed."""
    with pytest.raises(BadLine, match=f"(?i){why}"):
        row_of(line, field)
