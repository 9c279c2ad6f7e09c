import base64
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.histogram import VALUE_MAX, bucket_of
from dynamo.workload.hlog import counts_of, encoded, head, line, slot_of

# What HdrHistogram's own decoder (hdrhistogram 0.10.3 for Python) read from our bytes as 13 values in 4 slots.
GOLDEN = "HISTFAAAACV4nJNpmSzMwMDAwQABTFCaEYj/g4D9B6jEb2YWtr1WfAC3lQmL"


def decoded(text: str) -> dict[int, int]:
    """Slot to count, read by the rules of the format."""
    raw = base64.b64decode(text)
    cookie, length = struct.unpack_from(">ii", raw)
    assert cookie == 0x1C849304 | 0x10
    payload = zlib.decompress(raw[8 : 8 + length])
    cookie, length, offset, digits, least, most, ratio = struct.unpack_from(">iiiiqqd", payload)
    assert (cookie, offset, digits, least, most, ratio) == (0x1C849303 | 0x10, 0, 2, 1, VALUE_MAX, 1.0)
    counts = payload[40:]
    assert len(counts) == length
    found, slot, at = {}, 0, 0
    while at < length:
        number, shift = 0, 0
        for place in range(9):
            byte = counts[at]
            at += 1
            number |= (byte if place == 8 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        signed = (number >> 1) ^ -(number & 1)
        if signed < 0:
            slot -= signed
        else:
            found[slot] = signed
            slot += 1
    return found


def hdr_slot(value: int) -> int:
    """HdrHistogram's index for 256 sub-buckets, as its Java source computes it."""
    bucket = 64 - (64 - (value | 255).bit_length()) - 8
    sub_bucket = value >> bucket
    return (bucket + 1) * 128 + (sub_bucket - 128)


@given(st.dictionaries(st.integers(0, VALUE_MAX), st.integers(1, 10**9), max_size=40))
def test_what_is_written_can_be_read(values):
    """Every value is counted in the slot that HdrHistogram has for it."""
    expected: dict[int, int] = {}
    for value, count in values.items():
        expected[hdr_slot(value)] = expected.get(hdr_slot(value), 0) + count
    assert decoded(encoded(counts_of(values))) == expected


@given(st.integers(0, VALUE_MAX))
def test_slots_are_those_of_hdr_histogram(value):
    """Our buckets and theirs have the same borders."""
    assert slot_of(bucket_of(value)) == hdr_slot(value)


def test_golden_bytes():
    """The form is pinned."""
    assert encoded({0: 1, 255: 2, 256: 3, 4000: 7}) == GOLDEN


def test_a_log_has_its_head_and_lines():
    """As the writer of HdrHistogram makes it: comments, times, a line for each interval with its tag."""
    assert head(1000.0, "dynamo").splitlines()[2:4] == [
        "#[StartTime: 1000.000 (seconds since epoch)]",
        "#[BaseTime: 1000.000 (seconds since epoch)]",
    ]
    tag, at, seconds, most, _ = line("get.one", 3.0, 1.0, counts_of({5_000_000: 2})).split(",")
    assert (tag, at, seconds) == ("Tag=get.one", "3.000", "1.000")
    assert 5 <= float(most) <= 5.04
    assert line("x", 0, 1, {}).split(",")[3] == "0.000"
