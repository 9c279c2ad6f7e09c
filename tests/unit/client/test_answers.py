import json
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from dynamo import errors
from dynamo.client import answers
from dynamo.client.answer import Answer
from dynamo.client.results import Missing, Operation, Siblings, Value
from dynamo.ring.preference_list import PreferenceLists


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()}), raw)


def test_a_value_with_all_its_fields():
    """Names of metadata in lower case, the tag without quotes."""
    found = answers.found(
        answer(
            200,
            b"x",
            ETag='"00ff"',
            Content_Type="a/b",
            dynamo_context="c",
            DYNAMO_META_Owner="me",
            Last_Modified="Tue, 14 Nov 2023 22:13:20 GMT",
            Dynamo_Expires_At="2023-11-14T22:13:21.000Z",
        ),
        "b",
        b"k",
    )
    assert found == Value(
        bucket="b",
        key=b"k",
        value=b"x",
        content_type="a/b",
        context="c",
        etag="00ff",
        meta={"owner": "me"},
        last_modified=datetime.fromtimestamp(1_700_000_000, UTC),
        expires_at=datetime.fromtimestamp(1_700_000_001, UTC),
    )


def test_siblings_share_their_context():
    """Each of them written back replaces all."""
    body = {"context": "c", "siblings": [{"value_b64": "YQ==", "etag": '"1"'}, {"value_b64": ""}]}
    found = answers.found(answer(300, body), "b", b"k")
    assert isinstance(found, Siblings)
    assert [(v.value, v.context) for v in found.values] == [(b"a", "c"), (b"", "c")]


def test_only_a_missing_key_is_missing():
    """A missing bucket or route is an error."""
    missing = answer(404, {"code": "key-not-found", "detail": "d"}, Dynamo_Context="c")
    assert answers.found(missing, "b", b"k") == Missing(bucket="b", key=b"k", context="c")
    for code, kind in (("bucket-not-found", errors.BucketNotFound), ("route-not-found", errors.RouteNotFound)):
        with pytest.raises(kind):
            answers.found(answer(404, {"code": code, "detail": "d"}), "b", b"k")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"siblings": 1}', b'{"siblings": [{"value_b64": "?"}]}', b'"\xff"'],
)
def test_an_unreadable_answer_is_an_error_not_a_guess(body: bytes):
    """Whatever is wrong with it."""
    with pytest.raises(errors.Internal):
        answers.found(answer(300, body), "b", b"k")


def test_acknowledgements_are_read_from_their_field():
    """And their absence is nothing to fail about."""
    written = answers.written(answer(204, Dynamo_Acks="primaries=2 fallbacks=1", Dynamo_Siblings="3"), "b", b"k")
    assert (written.primaries, written.fallbacks, written.siblings) == (2, 1, 3)
    bare = answers.written(answer(204), "b", b"k")
    assert (bare.primaries, bare.siblings, bare.context) == (0, 1, None)


@pytest.mark.parametrize("status", [301, 400, 503])
def test_a_write_is_acknowledged_by_success_only(status: int):
    """Anything else raises."""
    with pytest.raises(errors.DynamoError):
        answers.written(answer(status), "b", b"k")


def test_the_made_key_is_taken_from_location():
    """Decoded; a path or a whole address."""
    for place in ("/v1/kv/b/a%2Fb%FF", "http://h:1/v1/kv/b/a%2Fb%FF"):
        assert answers.written(answer(201, Location=place), "b", None).key == b"a/b\xff"
    with pytest.raises(errors.Internal):
        answers.written(answer(201), "b", None)


def test_an_entry_has_exactly_one_key():
    """As text or in base64."""
    page = answers.listed(answer(200, {"keys": [{"key": "k\xe4"}, {"key_b64": "/w=="}], "cursor": None}), "b")
    assert [e.key for e in page.entries] == ["k\xe4".encode(), b"\xff"]
    for entry in ({}, {"key": "a", "key_b64": "YQ=="}):
        with pytest.raises(errors.Internal):
            answers.listed(answer(200, {"keys": [entry]}), "b")


def test_a_batch_with_a_result_missing_is_an_error():
    """Results are matched by position, so their number must agree."""
    operations = (Operation("get", "b", "k"), Operation("get", "b", "k"))
    with pytest.raises(errors.Internal):
        answers.batched(answer(200, {"results": [{"status": 404}]}), operations, "name")


@pytest.mark.parametrize(
    "body",
    [
        {"epoch": 1, "members": [], "owners": []},
        {"epoch": 1, "members": [{"id": "a", "host": "h", "client_port": 1}], "owners": ["b"]},
        {"epoch": 1, "members": [{"id": "a", "host": "h", "client_port": 1}], "owners": ["a", "a", "a"]},
    ],
)
def test_a_ring_that_is_none_is_refused(body):
    """Routing would fail on it in the middle of a call."""
    with pytest.raises(errors.Internal):
        answers.ring(answer(200, body))


def test_a_ring_places_by_host_as_the_nodes_do():
    """Labels come with it; nodes of versions that have none send none."""
    members = [
        {"id": "a", "host": "h", "client_port": 1, "host_label": "one"},
        {"id": "b", "host": "h", "client_port": 2, "host_label": "one"},
        {"id": "c", "host": "h", "client_port": 3},
    ]
    ring = answers.ring(answer(200, {"epoch": 1, "members": members, "owners": ["a", "b", "c", "a"]}))
    assert [m.host_label for m in ring.members] == ["one", "one", ""]
    assert PreferenceLists(ring).primaries(0, 2) == ("a", "c")


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.5", "2026-01-01T01:00:00.5+01:00"])
def test_times_may_be_rfc_3339(text: str):
    """Without a zone they are UTC."""
    body = {"siblings": [{"value_b64": "", "last_modified": text}]}
    found = answers.found(answer(300, body), "b", b"k")
    assert found.values[0].last_modified == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
