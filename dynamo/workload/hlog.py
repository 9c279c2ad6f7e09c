"""Latencies as an HdrHistogram log (`.hlog`), which its own tools read, plot and merge.

A line holds the begin of an interval, its length, its greatest value and a histogram: base64 of a cookie, a length and
the zlib-compressed payload of format V2. The payload is a header and the counts, each a signed zigzag number in LEB128
(nine bytes at most); a negative one stands for so many empty slots. Slots are HdrHistogram's: sub-buckets of equal
width within each power of two, twice as many in the first. (HdrHistogram's `HdrHistogram.java`,
`HistogramLogWriter.java`.)

Ours has 128 sub-buckets in a power of two; with 2 significant digits HdrHistogram has the same 128, and a value that
we answer for a bucket falls into the slot that the bucket is.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping

from dynamo.workload.histogram import SUB_BUCKETS, VALUE_MAX, bucket_of, upper_edge

DIGITS = 2
"""Significant digits: 128 slots in each power of two, the nearest that HdrHistogram has to 1 %."""
_PAYLOAD_COOKIE = 0x1C849303 | 0x10
_COMPRESSED_COOKIE = 0x1C849304 | 0x10
_HEADER = struct.Struct(">iiiiqqd")
_TWO_POWER = SUB_BUCKETS * 2


def encoded(counts: Mapping[int, int]) -> str:
    """A histogram as such a log has it. `counts`: bucket of `histogram.py` to count."""
    payload = _counts(counts)
    header = _HEADER.pack(_PAYLOAD_COOKIE, len(payload), 0, DIGITS, 1, VALUE_MAX, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(struct.pack(">ii", _COMPRESSED_COOKIE, len(packed)) + packed).decode()


def head(began_s: float, comment: str) -> str:
    """The first lines of a log. `began_s`: seconds since 1970 at which the times of its lines begin."""
    return (
        f"#[{comment}]\n#[Histogram log format version 1.3]\n#[StartTime: {began_s:.3f} (seconds since epoch)]\n"
        f"#[BaseTime: {began_s:.3f} (seconds since epoch)]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def line(tag: str, at_s: float, seconds: float, counts: Mapping[int, int]) -> str:
    """One interval; its greatest value is told in milliseconds, as the format wants it."""
    most = upper_edge(max(counts)) if counts else 0
    return f"Tag={tag},{at_s:.3f},{seconds:.3f},{most / 1e6:.3f},{encoded(counts)}\n"


def slot_of(bucket: int) -> int:
    """The slot of HdrHistogram's array that a bucket's values fall into."""
    value = upper_edge(bucket)
    shift = max(0, value.bit_length() - _TWO_POWER.bit_length() + 1)
    return shift * SUB_BUCKETS + (value >> shift)


def _counts(counts: Mapping[int, int]) -> bytes:
    out = bytearray()
    at = 0
    for slot, count in _by_slot(counts):
        if slot > at:
            out += _leb128(_zigzag(at - slot))
        out += _leb128(_zigzag(count))
        at = slot + 1
    return bytes(out)


def _by_slot(counts: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    slots: dict[int, int] = {}
    for bucket, count in counts.items():
        slot = slot_of(bucket)
        slots[slot] = slots.get(slot, 0) + count
    return iter(sorted(slots.items()))


def _zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


def _leb128(number: int) -> bytes:
    """Seven bits a byte, lowest first; the ninth byte has all eight."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number >= 0x80 and len(out) < 8:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number & 0xFF)
    return bytes(out)


def counts_of(values: Mapping[int, int]) -> dict[int, int]:
    """Buckets of values that each came so often."""
    counts: dict[int, int] = {}
    for value, count in values.items():
        bucket = bucket_of(value)
        counts[bucket] = counts.get(bucket, 0) + count
    return counts
