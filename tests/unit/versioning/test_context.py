import base64
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_digest

from dynamo.errors import BadContext
from dynamo.versioning.clock import descends
from dynamo.versioning.context import NOTHING, TOKEN_BYTES_MAX, Context, from_token, to_token

KEY = 0x0123456789ABCDEF
# Format version 1, pinned: clients keep tokens across upgrades of the servers.
GOLDEN = Context({"n2.00000002": 300, "n1.00000001": 7}, 111411200000065537)
GOLDEN_TOKEN = "AeYKjFOTzwEjRWeJq83vzwGLz-VoAQABkpKrbjEuMDAwMDAwMDEHkqtuMi4wMDAwMDAwMs0BLA"
OWN = Context({"a": 2}, 0, None, {"a": 2})
OWN_TOKEN = "AUqRcWGVzwEjRWeJq83vAJGSoWECwJGSoWEC"
WRITE_TOKEN = "AXl_nYqUzwEjRWeJq83vAJGSoWECkA"
ALPHABET = string.ascii_letters + string.digits + "-_"

counters = st.integers(1, 2**63 - 1)
clocks = st.dictionaries(st.text(max_size=20), counters, max_size=6)
contexts = st.builds(Context, clocks, st.integers(0, 2**63 - 1), st.none() | clocks, clocks)
hashes = st.integers(0, 2**64 - 1)


def token_of(body: bytes, version: int = 1) -> str:
    """A token whose checksum is right, whatever it says."""
    raw = bytes([version]) + xxh3_64_digest(body)[4:] + body
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(contexts, hashes)
def test_a_token_comes_back_as_it_was(context, key):
    """Any clock, any stamp, any key; and the spelling is plain ASCII without padding."""
    token = to_token(context, key)
    assert from_token(token, key) == context
    assert set(token) <= set(ALPHABET)


@given(contexts, hashes, hashes)
def test_a_token_of_another_key_is_refused(context, key, other):
    """Counters grow per node: another key's token would claim to have seen what it never saw."""
    if key != other:
        with pytest.raises(BadContext, match="another key"):
            from_token(to_token(context, key), other)


@given(contexts, st.data())
def test_any_altered_character_is_refused(context, data):
    """Each character of a token, changed to any other one."""
    token = to_token(context, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != token[place]))
    with pytest.raises(BadContext):
        from_token(token[:place] + other + token[place + 1 :], KEY)


def test_every_altered_character_of_the_golden_token_is_refused():
    """Exhaustively: every place, every other character; every shorter length; anything appended."""
    for place, was in enumerate(GOLDEN_TOKEN):
        for other in ALPHABET + "+/= .\n":
            if other != was:
                with pytest.raises(BadContext):
                    from_token(GOLDEN_TOKEN[:place] + other + GOLDEN_TOKEN[place + 1 :], KEY)
        with pytest.raises(BadContext):
            from_token(GOLDEN_TOKEN[:place], KEY)
    for more in ("=", "==", "A", "AA", "AAAA", "\n", " "):
        with pytest.raises(BadContext):
            from_token(GOLDEN_TOKEN + more, KEY)
        with pytest.raises(BadContext):
            from_token(more + GOLDEN_TOKEN, KEY)


def test_what_was_not_shown_is_not_superseded():
    """The answer to a write may cover more than its client saw; two such answers joined cover what either did."""
    shown, hidden = Context({"a": 3}), Context({"a": 5, "b": 2}, 7, seen={"b": 2})
    assert (shown.superseded, hidden.superseded) == ({"a": 3}, {"b": 2})
    assert shown.joined(hidden) == Context({"a": 5, "b": 2}, 7, seen={"a": 3, "b": 2})
    assert hidden.joined(Context({"a": 5})) == Context({"a": 5, "b": 2}, 7)


def test_what_was_written_oneself_stays_known():
    """Of both, the newest of each actor; it decides nothing."""
    left, right = Context({"a": 3}, wrote={"a": 3}), Context({"a": 5, "b": 2}, wrote={"a": 2, "b": 2})
    assert left.joined(right).wrote == {"a": 3, "b": 2}
    assert left.superseded == {"a": 3}


def test_the_format_is_pinned():
    """Version 1, character for character, there and back."""
    assert to_token(GOLDEN, KEY) == GOLDEN_TOKEN
    assert from_token(GOLDEN_TOKEN, KEY) == GOLDEN
    assert to_token(Context({"a": 2}, 0, seen={}), KEY) == WRITE_TOKEN
    assert to_token(NOTHING, 0) == "AfwabcSTAACQ"
    assert to_token(OWN, KEY) == OWN_TOKEN


@pytest.mark.parametrize(
    "body",
    [
        b"\x93\x01\x02\x91\x92\xa2\xff\xfe\x01",
        msgspec.msgpack.encode((1, 2**63, [])),
        msgspec.msgpack.encode((1, 0, [("a", 2**63)])),
        msgspec.msgpack.encode((1, 0, [("a", 2**64 - 1)])),
        msgspec.msgpack.encode((1, -1, [])),
        msgspec.msgpack.encode((1, 0, [("a", -1)])),
        msgspec.msgpack.encode((1, 0, [("a", 0)])),
        msgspec.msgpack.encode((1, 0)),
        msgspec.msgpack.encode((1, 0, {"a": 1})),
        b"",
    ],
)
def test_a_forged_token_is_refused(body):
    """Anyone can make a token with a right checksum: text that is none, numbers that fit no record, missing parts."""
    with pytest.raises(BadContext):
        from_token(token_of(body), 1)


def test_another_format_is_refused():
    """A token of a later version is not read as one of this."""
    body = msgspec.msgpack.encode((KEY, 0, []))
    assert from_token(token_of(body), KEY) == NOTHING
    with pytest.raises(BadContext, match="unknown format"):
        from_token(token_of(body, version=2), KEY)


def test_a_token_of_a_long_lived_key_is_small():
    """Forty incarnations of each of three nodes with ten-digit counters still fit a header field."""
    clock = {f"node{node}.{incarnation:08x}": 10**9 + incarnation for node in range(3) for incarnation in range(40)}
    token = to_token(Context(clock, 2**62), KEY)
    assert len(token) < TOKEN_BYTES_MAX
    assert from_token(token, KEY).clock == clock
    usual = to_token(Context({f"node{node}.00000001": 10**6 for node in range(3)}, 2**62), KEY)
    assert len(usual) < 128


def test_a_token_over_the_limit_is_refused():
    """Before it is decoded."""
    with pytest.raises(BadContext, match="longer than"):
        from_token("A" * (TOKEN_BYTES_MAX + 1), KEY)


@given(contexts, contexts)
def test_joined_contexts_have_seen_both(left, right):
    """Clock and stamp alike."""
    both = left.joined(right)
    assert descends(both.clock, left.clock)
    assert descends(both.clock, right.clock)
    assert both.hybrid == max(left.hybrid, right.hybrid)
    assert both == right.joined(left)
