"""A group on its way to the disk and back, and everything that is no group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import frame
from dynamo.storage.frame import BLOCK, CHANGES, HEAD_BYTES, SEAL
from dynamo.storage.group import Changes

EPOCH = 0x1122334455667788
SMALL: Changes = {Keyspace.RECORDS: {b"k": b"value", b"gone": None}, Keyspace.META: {b"m": b""}}

CONTENT = st.dictionaries(
    st.sampled_from(Keyspace),
    st.dictionaries(st.binary(min_size=1, max_size=9), st.none() | st.binary(max_size=3 * BLOCK), max_size=4),
    max_size=3,
)


def framed(changes: Changes | None, sequence: int = 7, synced: int = 6, epoch: int = EPOCH) -> bytes:
    return bytes(frame.encoded(changes, epoch=epoch, sequence=sequence, synced=synced))


def test_the_format_is_pinned():
    """Golden bytes: a log written today is read by every later version, or its format number changes."""
    data = framed(SMALL)
    assert len(data) == BLOCK
    assert data[:HEAD_BYTES].hex() == "444b56662600000023a048028b8fb804070000000000000006000000000000000000000000000000"
    assert data[HEAD_BYTES:].rstrip(b"\0") == (
        b"\x82\xa7records\x82\xc4\x01k\xc4\x05value\xc4\x04gone\xc0\xa4meta\x81\xc4\x01m\xc4\0"
    ).rstrip(b"\0")


def test_a_seal_is_pinned():
    """It has no payload."""
    data = framed(None)
    assert data[:8].hex() == "444b566600000000"
    assert data[16:].hex().rstrip("0") == "0700000000000000060000000000000001"
    found = frame.at(memoryview(data), 0, EPOCH)
    assert found is not None
    assert (found.kind, found.end, bytes(found.payload)) == (SEAL, BLOCK, b"")


@given(CONTENT, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_group_comes_back(changes, sequence, synced, epoch):
    """Whatever is in it; whole blocks, however long."""
    data = framed(changes, sequence, synced, epoch)
    found = frame.at(memoryview(data), 0, epoch)
    assert found is not None
    assert (found.sequence, found.synced, found.kind, found.end) == (sequence, synced, CHANGES, len(data))
    assert frame.changes_of(found) == changes
    assert len(data) % BLOCK == 0


def test_every_flipped_bit_is_noticed():
    """But in the zeros, which nobody reads."""
    data = framed(SMALL)
    length = len(data.rstrip(b"\0")) + 1
    for place in range(length):
        harmed = bytearray(data)
        harmed[place] ^= 0x10
        assert frame.at(memoryview(harmed), 0, EPOCH) is None, place


def test_a_frame_cut_anywhere_is_none():
    """The torn end that a crash leaves, at every byte."""
    data = framed({Keyspace.RECORDS: {b"k": b"x" * 5000}})
    for size in range(len(data.rstrip(b"\0"))):
        assert frame.at(memoryview(data[:size]), 0, EPOCH) is None
        assert frame.at(memoryview(data[:size].ljust(len(data), b"\0")), 0, EPOCH) is None


def test_frames_of_an_earlier_use_of_the_file_are_none():
    """Their digests were seeded otherwise."""
    data = framed(SMALL, epoch=EPOCH - 1)
    assert frame.at(memoryview(data), 0, EPOCH) is None


def test_later_frames_are_found_behind_a_bad_one():
    """At the next block that begins one; what lies within the bad one is nothing."""
    frames = [
        framed({Keyspace.RECORDS: {b"k": b"x" * size}}, sequence) for sequence, size in ((1, 10), (2, 9000), (3, 10))
    ]
    log = bytearray(bytes(BLOCK) + b"".join(frames))
    assert [f.sequence for f in frame.every(memoryview(log), EPOCH)] == [1, 2, 3]
    log[2 * BLOCK + 100] ^= 1
    found = list(frame.every(memoryview(log), EPOCH))
    assert [(f.sequence, f.start) for f in found] == [(1, BLOCK), (3, 5 * BLOCK)]
    assert list(frame.every(memoryview(b""), EPOCH)) == []
