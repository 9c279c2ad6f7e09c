import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus.record import as_record, digest_of, encode_shown, is_chosen_form, version_shown
from dynamo.layout.register import Done, Register, packed
from dynamo.versioning.hybrid_time import wall_ms
from dynamo.versioning.record import Record, Sibling, decode, digest, encode, etag
from dynamo.versioning.siblings import merged

MADE = Register(3, b"v", "text/plain", {"m": "1"}, 1_790_000_000_123, b"r" * 16, packed(Done(b"r" * 16, 1, 3, 1)), 0)


def test_a_register_becomes_one_version_with_its_number():
    """Value, type, metadata and request are kept; the stamp is the time of the ballot that made it."""
    record = as_record(MADE)
    (sibling,) = record.siblings
    assert record.clock == {"~": 3}
    assert (sibling.dot, sibling.value, sibling.content_type) == (("~", 3), b"v", "text/plain")
    assert (sibling.meta, sibling.request, sibling.expires_ms) == ({"m": "1"}, b"r" * 16, 0)
    assert wall_ms(sibling.hybrid) == MADE.counter
    assert is_chosen_form(decode(encode(record)))


def test_a_deletion_is_a_tombstone_and_an_absent_key_nothing():
    assert as_record(Register(version=2)).siblings[0].value is None
    assert as_record(Register()) == Record({}, [])


@pytest.mark.parametrize("made", [MADE, Register(version=3), Register(version=2**40, value=b"", counter=7)])
def test_a_version_has_one_digest_whatever_it_says(made):
    """So replicas compare equal, and it needs no record to know it."""
    assert digest_of(made.version, made.value is None) == digest(as_record(made))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_merging_keeps_the_latest(versions):
    """Repair that knows nothing of Paxos converges to the highest version, whatever it merges."""
    made = {version: as_record(Register(version, b"%d" % version)) for version in versions}
    result = made[versions[0]]
    for version in versions:
        result = merged(result, made[version])
    assert result == made[max(versions)]
    assert is_chosen_form(result)


def test_who_was_remembered_does_not_show():
    """The list of requests changes without the version: called-off requests. The entity tag must not."""
    assert etag(as_record(MADE)) == etag(as_record(msgspec.structs.replace(MADE, done=b"", dropped=2)))
    assert etag(as_record(MADE)) != etag(as_record(msgspec.structs.replace(MADE, version=4)))


@pytest.mark.parametrize(
    "made", [MADE, Register(version=3), Register(2**40, b"", counter=7, meta={"b": "1", "a": "2"})]
)
def test_bytes_tell_the_version_without_a_record(made):
    """What a replica writes, and what it asks of what it replaces, are those of the record."""
    data = encode(as_record(made))
    assert encode_shown(made) == data
    assert version_shown(data) == (made.version, made.value is None)


def test_damaged_bytes_tell_no_version():
    data = encode(as_record(MADE))
    for place in range(len(data)):
        assert version_shown(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None
        assert version_shown(data[:place]) is None


GOOD = Sibling("~", 3, 1, b"v")


@pytest.mark.parametrize(
    "record",
    [
        Record({}, []),
        Record({"~": 3}, []),
        Record({"~": 4}, [GOOD]),
        Record({"~": 3, "a": 1}, [GOOD]),
        Record({"a": 3}, [Sibling("a", 3, 1, b"v")]),
        Record({"~": 3}, [GOOD, Sibling("a", 1, 1, b"w")]),
        Record({"~": 3}, [Sibling("~", 3, 1, b"v", expires_ms=1)]),
        Record({"~": 0}, [Sibling("~", 0, 1, b"v")]),
    ],
)
def test_nothing_else_has_the_form(record):
    """What an eventual bucket would write is told apart, and refused by who asks."""
    assert is_chosen_form(Record({"~": 3}, [GOOD]))
    assert not is_chosen_form(record)
    assert version_shown(encode(record)) is None
