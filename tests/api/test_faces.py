"""What is remembered of how a record looks is never shown of another one."""

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo.api import faces
from dynamo.api.answer import Answer
from dynamo.api.faces import PATH_CHARACTERS_MAX, RECORD_BYTES_MAX, Faces
from dynamo.api.records import Records
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.versioning.record import Record, Sibling, encode
from tests.api.fake_node import FakeNode
from tests.api.in_memory import Line, standing_time, turns
from tests.api.serving import fake_config

GET = b"GET /v1/kv/b/k%b HTTP/1.1\r\nHost: x\r\n%b\r\n"
NODE = FakeNode(fake_config())
BUCKET = BucketProperties(name="b")
FIELDS = {"ETag": '"x"'}


def record(value: bytes | None = b"value", counter: int = 1, **more) -> Record:
    return Record({"n.1": counter}, [Sibling("n.1", counter, counter << 16, value, **more)])


def kept(shown: Record, path: str = "/p", known: Faces | None = None) -> Faces:
    known = known or Faces()
    data = encode(shown)
    answer = Answer(
        200, {REQUEST_ID: "one", **FIELDS, "Type": shown.siblings[0].content_type}, shown.siblings[0].value or b""
    )
    known.keep(path, BUCKET, NODE.ring, b"k", shown, data, answer)
    return known


def test_a_face_is_the_answer_under_another_name():
    """Head and body are those of the answer that was kept, but for the request's id."""
    face = kept(record()).get("/p")
    assert face is not None
    assert face.shows(BUCKET, NODE.ring, encode(record()))
    again = face.answer("two", encode(record()))
    fresh = Answer(200, {REQUEST_ID: "two", **FIELDS, "Type": ""}, b"value")
    assert (again.head(), again.body("GET"), again.body("HEAD")) == (fresh.head(), b"value", b"")


def test_a_face_belongs_to_one_version_one_bucket_and_one_ring():
    """Any other record, other properties, or another ring: it is made anew."""
    face = kept(record()).get("/p")
    assert face is not None
    assert not face.shows(BUCKET, NODE.ring, encode(record(b"other")))
    assert not face.shows(BUCKET, NODE.ring, encode(record(counter=2)))
    assert not face.shows(BUCKET, NODE.ring, b"")
    assert not face.shows(msgspec.structs.replace(BUCKET), NODE.ring, encode(record()))
    assert not face.shows(BUCKET, FakeNode(fake_config()).ring, encode(record()))


@pytest.mark.parametrize(
    "shown",
    [
        record(None),
        record(expires_ms=2**40),
        Record({"n.1": 1, "n.2": 1}, [*record().siblings, Sibling("n.2", 1, 1, b"value")]),
        record(bytes(RECORD_BYTES_MAX)),
        record(content_type="a\nb"),
    ],
    ids=["deleted", "expires", "several", "large", "poisoned"],
)
def test_only_plain_records_are_remembered(shown: Record):
    """One value that does not expire, of ordinary size, in harmless words."""
    assert kept(shown).get("/p") is None


def test_what_is_remembered_has_an_end(monkeypatch):
    """Long paths are not kept; of too many keys the first ones, until as many others were asked for in vain."""
    assert kept(record(), "/" * (PATH_CHARACTERS_MAX + 1)).get("/" * (PATH_CHARACTERS_MAX + 1)) is None
    monkeypatch.setattr(faces, "FACES_MAX", 10)
    known = Faces()

    def are_known(count: int) -> int:
        return sum(known.get(f"/{number}") is not None for number in range(count))

    for number in range(20):
        kept(record(), f"/{number}", known)
    assert [number for number in range(20) if known.get(f"/{number}")] == list(range(10))
    other = known.get("/3")
    kept(record(counter=2), "/3", known)
    assert known.get("/3") is not other, "a later version takes the place of an earlier one"
    kept(record(), "/20", known)
    assert [number for number in range(21) if known.get(f"/{number}")] == [20]
    for number in range(30):
        kept(record(), f"/{number}", known)
        assert are_known(30) <= 10


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "text/plain", "a/b; c=d"]),
    st.dictionaries(st.sampled_from(["a", "b-c", ":content-encoding"]), st.text("abc", min_size=1), max_size=2),
    st.binary(min_size=16, max_size=16),
)
@settings(deadline=None)
def test_the_value_is_found_in_its_record(value: bytes, content_type: str, meta: dict[str, str], request: bytes):
    """Whatever stands before and behind it."""
    shown = record(value, content_type=content_type, meta=meta, request=request)
    face = kept(shown).get("/p")
    assert face is not None
    assert face.answer("x", encode(shown)).payload == value


_SIBLINGS = st.builds(
    Sibling,
    st.sampled_from(["n.1", "n.2"]),
    st.integers(1, 3),
    st.integers(0, 2**40),
    st.sampled_from([None, b"", b"v", b"value" * 10]),
    st.sampled_from(["", "text/plain"]),
    st.sampled_from([{}, {"a": "1"}]),
    st.sampled_from([0, 0, 2**50, 1]),
)
_QUERIES = st.sampled_from([b"", b"?r=1", b"?consistency=all", b"?siblings=lww", b"?siblings=fail"])
_FIELDS = st.sampled_from([b"", b"", b"If-None-Match: *\r\n", b'If-Match: "x"\r\n', b"Accept: multipart/mixed\r\n"])


_READS = st.tuples(st.lists(_SIBLINGS, min_size=1, max_size=2, unique_by=lambda s: s.actor), _QUERIES, _FIELDS)


@given(st.lists(_READS, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_reads_look_the_same_with_and_without(reads):
    """Records of all kinds, one after the other under one key, each read twice: memory shows in nothing but time."""
    asyncio.run(compared(reads))


async def compared(reads) -> None:
    with standing_time():
        remembering, forgetting = Line(hot=True), Line(hot=True)
        await turns()
        for siblings, query, fields in reads:
            shown = Record({s.actor: s.counter for s in siblings}, sorted(siblings, key=lambda s: s.dot))
            for line in (remembering, forgetting):
                line.node.records["b", b"k"] = shown
            for _ in range(2):
                expected = await forgetting.send(GET % (query, fields))
                _records(forgetting)._faces = Faces()
                assert await remembering.send(GET % (query, fields)) == expected
        await remembering.lose()
        await forgetting.lose()


def _records(line: Line) -> Records:
    return line._app._keys["kv"].handlers["GET"].__self__
