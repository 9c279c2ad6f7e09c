import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_digest

from dynamo.errors import CorruptValue
from dynamo.versioning.record import FORMAT, Record, Sibling, decode, digest, encode, etag
from tests.unit.versioning.histories import histories

# Format version 1, pinned: a change of these bytes is a new format version, or it loses every store that exists.
GOLDEN = Record(
    {"n2.00000002": 300, "n1.00000001": 7},
    [
        Sibling(
            "n1.00000001",
            7,
            111411200000065536,
            b"one",
            "text/plain",
            {"b": "2", "a": "1"},
            1_700_000_005_000,
            bytes(range(16)),
        ),
        Sibling("n2.00000002", 300, 111411200000065537, None),
    ],
)
GOLDEN_BYTES = bytes.fromhex(
    "01ea83a0d58591a9a2"  # version, checksum
    "929292ab6e312e30303030303030310792ab6e322e3030303030303032cd012c"  # clock
    "9298ab6e312e303030303030303107cf018bcfe568010000c4036f6e65aa746578742f706c61696e"
    "82a161a131a162a132cf0000018bcfe57b88c410000102030405060708090a0b0c0d0e0f"
    "98ab6e322e3030303030303032cd012ccf018bcfe568010001c0a08000c400"
)
EMPTY_BYTES = bytes.fromhex("01911924e3d9bbfde7929090")

numbers = st.integers(0, 2**64 - 1)
siblings = st.builds(
    Sibling,
    st.text(max_size=40),
    numbers,
    numbers,
    st.none() | st.binary(max_size=300),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
    numbers,
    st.binary(max_size=16),
)
records = st.builds(Record, st.dictionaries(st.text(max_size=40), numbers, max_size=5), st.lists(siblings, max_size=4))


@given(records)
def test_what_is_encoded_is_decoded(record):
    """Nothing is lost on the way to bytes and back, and the bytes come out the same again."""
    data = encode(record)
    assert decode(data) == record
    assert encode(decode(data)) == data
    assert decode(memoryview(data)) == record


@given(records, st.randoms(use_true_random=False))
def test_equal_records_have_equal_bytes(record, dice: random.Random):
    """Neither the order in which a clock was filled nor that of metadata shows."""

    def shuffled(pairs: dict) -> dict:
        items = list(pairs.items())
        dice.shuffle(items)
        return dict(items)

    again = Record(
        shuffled(record.clock),
        [msgspec.structs.replace(s, meta=shuffled(s.meta)) for s in record.siblings],
    )
    assert encode(again) == encode(record)
    assert digest(again) == digest(record)


@given(records, st.data())
def test_any_damaged_byte_is_noticed(record, data):
    """Each single byte, changed to any other, makes the record unreadable, never another record."""
    good = encode(record)
    place = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    bad = good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :]
    with pytest.raises(CorruptValue):
        decode(bad)


def test_every_damaged_byte_of_the_golden_record_is_noticed():
    """Exhaustively: every place, every bit, every shorter length, and anything behind the end."""
    for place in range(len(GOLDEN_BYTES)):
        for bit in range(8):
            bad = bytearray(GOLDEN_BYTES)
            bad[place] ^= 1 << bit
            with pytest.raises(CorruptValue):
                decode(bytes(bad))
        with pytest.raises(CorruptValue):
            decode(GOLDEN_BYTES[:place])
    with pytest.raises(CorruptValue):
        decode(GOLDEN_BYTES + b"\0")


def test_the_byte_form_is_pinned():
    """Version 1, byte for byte, there and back."""
    assert encode(GOLDEN) == GOLDEN_BYTES
    assert decode(GOLDEN_BYTES) == GOLDEN
    assert encode(Record({}, [])) == EMPTY_BYTES
    assert decode(EMPTY_BYTES) == Record({}, [])


def test_the_digest_is_pinned():
    """Merkle leaves and entity tags of stores that exist depend on it."""
    assert digest(GOLDEN) == 0x46D490E9130039B9
    assert etag(GOLDEN) == "46d490e9130039b9"
    assert digest(Record({}, [])) == 10455428570946469351


@pytest.mark.parametrize(
    "body",
    [
        b"\x92\x90\x91\x94\xa2\xff\xfe\x01\x01\xc0",  # an actor that is not UTF-8
        b"\x92\x90",  # cut short
        b"\x91\x90",  # no siblings
        b"\x93\x90\x90\x90",  # one part too many
        b"\x92\x90\x91\x93\xa1a\x01\x01",  # a sibling without a value
        b"\x92\x91\x92\xa1a\xc0\x90",  # a counter that is none
        msgspec.msgpack.encode(([], [("a", 1, 1, b"", "", {}, 0, b"", "more")])),  # a field of a later format
        b"\x92\x90\x90\x00",  # something behind the end
    ],
)
def test_a_body_that_is_no_record_is_refused(body):
    """A right checksum over a wrong body is refused in the same way."""
    with pytest.raises(CorruptValue, match="cannot be read"):
        decode(bytes([FORMAT]) + xxh3_64_digest(body) + body)


def test_another_format_is_named_as_such():
    """A store of a later version is not taken for damage of this one."""
    with pytest.raises(CorruptValue, match="unknown format"):
        decode(b"\x02" + GOLDEN_BYTES[1:])
    with pytest.raises(CorruptValue, match="unknown format"):
        decode(b"")


@given(histories(), st.data())
def test_digests_are_equal_iff_versions_are(history, data):
    """Of any two reachable states: one digest for the same clock and dots, another for others."""
    left, right = (data.draw(st.sampled_from(history.states)).record for _ in range(2))

    def versions(record: Record) -> tuple:
        return record.clock, [(s.dot, s.value is None) for s in record.siblings]

    assert (digest(left) == digest(right)) == (versions(left) == versions(right))


@given(records)
def test_a_listing_shows_the_same_versions_without_values(record):
    """Blank values keep the digest, say who is a tombstone and who expires, and no byte of a value is left."""
    blank = record.without_values()
    assert digest(blank) == digest(record)
    assert [s.value for s in blank.siblings] == [None if s.value is None else b"" for s in record.siblings]
    assert not any(s.content_type or s.meta for s in blank.siblings)
    for now_ms in (0, 10**12):
        # Of one request's values, blank, it cannot know whether they were one; whether the key lives it does.
        assert bool(blank.live(now_ms)) == bool(record.live(now_ms))


def value(actor: str, counter: int = 1, **more) -> Sibling:
    return Sibling(actor, counter, 0, b"v", **more)


def test_a_delete_beside_a_value_loses():
    """Readers see the live values, in dot order."""
    record = Record({}, [value("a"), Sibling("b", 1, 0, None), value("c")])
    assert record.live(0) == [record.siblings[0], record.siblings[2]]


@pytest.mark.parametrize(("now_ms", "shown"), [(999, 1), (1000, 0), (1001, 0)])
def test_a_value_lives_until_its_expiry(now_ms, shown):
    """At the moment itself it is gone; 0 is never."""
    assert len(Record({}, [value("a", expires_ms=1000)]).live(now_ms)) == shown
    assert len(Record({}, [value("a", expires_ms=0)]).live(2**62)) == 1


def test_a_request_applied_twice_is_shown_once():
    """A retry through another coordinator made two dots of one write; writes without an identity are all shown."""
    twice = Record(
        {}, [value("a", request=b"r"), value("b", request=b"r"), value("c", request=b"s"), value("d"), value("e")]
    )
    assert [s.actor for s in twice.live(0)] == ["a", "c", "d", "e"]


def test_a_request_that_wrote_two_values_hides_neither():
    """An Idempotency-Key used twice, through coordinators that could not know of each other: both were acknowledged."""
    twice = Record({}, [value("a", request=b"r"), Sibling("b", 1, 1, b"other", request=b"r")])
    assert [s.actor for s in twice.live(0)] == ["a", "b"]


def test_a_dead_copy_does_not_hide_the_living_one():
    """Of two copies of one request the expired one is out before copies are dropped."""
    record = Record({}, [value("a", request=b"r", expires_ms=5), value("b", request=b"r")])
    assert [s.actor for s in record.live(10)] == ["b"]


def test_the_newest_stamp():
    """Over all siblings, tombstones included; 0 for none."""
    assert Record({}, [Sibling("a", 1, 5, b""), Sibling("b", 1, 9, None)]).hybrid_max() == 9
    assert Record({}, []).hybrid_max() == 0
