import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.protocol.codec import LENGTH_BYTES, Envelope, decode_envelopes, encode_frame
from dynamo.protocol.messages import Fetched, Stored
from dynamo.transport.frames import FrameBuilder, FrameSplitter, FrameTooLarge

LIMIT = 1000


def framed(bodies: list[bytes]) -> bytes:
    return b"".join(len(body).to_bytes(LENGTH_BYTES, "big") + body for body in bodies)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces, cut at the given positions."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def reply(exchange: int, size: int = 0) -> Envelope:
    return Envelope(exchange, True, 1, 0, "", Fetched(bytes(size)) if size else Stored())


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(0, 2**16), max_size=20))
def test_bodies_come_out_whole_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]):
    """Any number of frames, cut at any places, the length prefix included."""
    splitter = FrameSplitter(LIMIT)
    out = [bytes(body) for chunk in chunks(framed(bodies), cuts) for body in splitter.feed(chunk)]
    assert out == bodies
    assert splitter.held_bytes == 0


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_a_body_comes_out_with_its_last_byte_and_not_before(bodies: list[bytes]):
    """Byte by byte."""
    splitter = FrameSplitter(LIMIT)
    for body in bodies:
        *first, last = framed([body])
        assert [splitter.feed(bytes([byte])) for byte in first] == [[]] * len(first)
        assert splitter.feed(bytes([last])) == [body]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_random_bytes_end_in_bodies_or_in_one_refusal(data: list[bytes]):
    """Nothing else is raised, and no more is held than a frame of the allowed size and the last chunk."""
    splitter = FrameSplitter(LIMIT)
    for chunk in data:
        try:
            bodies = splitter.feed(chunk)
        except FrameTooLarge:
            return
        assert all(len(body) <= LIMIT for body in bodies)
        assert splitter.held_bytes < LIMIT + LENGTH_BYTES


def test_the_limit_itself_passes():
    """A body of exactly the limit."""
    assert FrameSplitter(LIMIT).feed(framed([bytes(LIMIT)])) == [bytes(LIMIT)]


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_length_over_the_limit_is_refused_before_its_body(first: int):
    """At the fourth byte: nothing of the body needs to come, and nothing of it is kept."""
    length = (LIMIT + 1).to_bytes(LENGTH_BYTES, "big")
    splitter = FrameSplitter(LIMIT)
    assert splitter.feed(length[:first]) == []
    with pytest.raises(FrameTooLarge) as caught:
        splitter.feed(length[first:])
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (LIMIT + 1, LIMIT)
    assert splitter.held_bytes <= LENGTH_BYTES


def test_a_bad_length_after_good_frames_is_refused():
    """In the same chunk, too."""
    with pytest.raises(FrameTooLarge):
        FrameSplitter(LIMIT).feed(framed([b"good"]) + b"\xff\xff\xff\xff")


def test_the_limit_can_be_raised_between_frames():
    """As it is once the other side has shown who it is."""
    splitter = FrameSplitter(3)
    assert splitter.feed(framed([b"abc"])) == [b"abc"]
    splitter.limit_bytes = 4
    assert splitter.feed(framed([b"abcd"])) == [b"abcd"]


def test_bodies_stay_valid():
    """What comes later does not change what was handed out."""
    splitter = FrameSplitter(LIMIT)
    splitter.feed(framed([b"first"])[:3])
    (first,) = splitter.feed(framed([b"first"])[3:] + framed([b"second"])[:2])
    (second,) = splitter.feed(framed([b"second"])[2:])
    assert (bytes(first), bytes(second)) == (b"first", b"second")


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40))
def test_the_builder_writes_what_the_codec_writes(sizes: list[int]):
    """Byte for byte, whichever array header the count needs."""
    envelopes = [reply(number, size) for number, size in enumerate(sizes)]
    builder = FrameBuilder(2**20)
    for envelope in envelopes:
        builder.add(envelope)
    assert builder.take() == encode_frame(envelopes)
    assert builder.count == 0


@pytest.mark.parametrize("count", [1, 15, 16, 17, 255, 256, 70 * 256, 65535])
def test_any_count_is_written_right(count: int):
    """Around each border of msgpack's array headers."""
    builder = FrameBuilder(2**20)
    for _ in range(count):
        builder.add(reply(1))
    assert builder.take() == encode_frame([reply(1)] * count)


@given(st.integers(1, 400), st.integers(1, 400))
def test_sizes_are_exact(one: int, two: int):
    """What `add` and `last_bytes` say is what goes over the wire."""
    builder = FrameBuilder(2**20)
    builder.add(reply(1, one))
    before = builder.last_bytes
    total = builder.add(reply(2, two))
    assert before == len(msgspec.msgpack.encode(reply(1, one)))
    assert builder.last_bytes == len(msgspec.msgpack.encode(reply(2, two)))
    assert total == LENGTH_BYTES + 3 + before + builder.last_bytes


def test_the_last_envelope_can_be_taken_back():
    """The rest is as if it had never been there."""
    builder = FrameBuilder(2**20)
    builder.add(reply(1, 10))
    builder.add(reply(2, 999))
    builder.remove_last()
    builder.add(reply(3))
    assert builder.take() == encode_frame([reply(1, 10), reply(3)])


def test_what_fits_in_no_frame_is_refused_and_leaves_no_trace():
    """At the limit it passes, one byte over it does not; the frame under way is untouched."""
    largest = next(
        size for size in range(LIMIT, 0, -1) if len(encode_frame([reply(1, size)])) - LENGTH_BYTES <= LIMIT - 2
    )
    builder = FrameBuilder(LIMIT)
    builder.add(reply(1, largest))
    with pytest.raises(FrameTooLarge):
        builder.add(reply(2, largest + 1))
    builder.add(reply(3))
    assert decode_envelopes(builder.take()[LENGTH_BYTES:]) == [reply(1, largest), reply(3)]


@pytest.mark.parametrize(
    "bad",
    [
        Envelope(1, True, 2**70, 0, "", Stored()),
        Envelope(1, True, 1, 0, "\ud800", Stored()),
        Envelope(1, True, 1, 0, "", Fetched(object())),  # type: ignore[arg-type]
    ],
    ids=["number too large", "no text", "no bytes"],
)
def test_what_cannot_be_encoded_leaves_no_trace(bad: Envelope):
    """The error is the encoder's own, and the frame under way is untouched."""
    builder = FrameBuilder(LIMIT)
    builder.add(reply(1))
    with pytest.raises((ValueError, OverflowError, TypeError)):
        builder.add(bad)
    builder.add(reply(2))
    assert builder.take() == encode_frame([reply(1), reply(2)])


def test_an_empty_frame_is_not_written():
    """The builder is asked only for what there is."""
    with pytest.raises(AssertionError):
        FrameBuilder(LIMIT).take()
