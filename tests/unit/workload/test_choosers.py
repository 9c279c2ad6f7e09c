import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.choosers import NAMES, Latest, Sequential, Zipfian, chooser, fnv_1a, hotspot, scrambled


def drawn(choose, keys: int, draws: int = 50_000) -> Counter:
    draw = random.Random(5).random
    return Counter(choose(draw(), keys) for _ in range(draws))


@given(st.sampled_from(NAMES), st.floats(0, 1, exclude_max=True), st.integers(1, 500))
def test_a_key_is_one_that_there_is(name, draw, keys):
    """Whatever is drawn, also at both ends."""
    assert 0 <= chooser(name, keys)(draw, keys) < keys


@given(
    st.sampled_from(["zipfian", "latest"]), st.integers(1, 50), st.integers(0, 50), st.floats(0, 1, exclude_max=True)
)
def test_keys_may_become_more(name, keys, more, draw):
    """A table that grew is the table of that many keys from the start."""
    grown = chooser(name, keys)
    grown(0.5, keys)
    assert grown(draw, keys + more) == chooser(name, keys + more)(draw, keys + more)


def test_zipfian_is_exact():
    """Each rank has its share of 1 / rank^0.99; the hottest of 10,000 keys gets 9.8 %."""
    counts = drawn(Zipfian(10_000), 10_000, 200_000)
    whole = sum((rank + 1) ** -0.99 for rank in range(10_000))
    assert counts[0] / 200_000 == pytest.approx(0.098, abs=0.004)
    for rank in (1, 2, 3, 9):
        assert counts[rank] / 200_000 == pytest.approx((rank + 1) ** -0.99 / whole, rel=0.08)


def test_scrambled_is_the_one_of_ycsb():
    """Its hottest key gets 3.8 %, whatever the number of keys, and need not be the first one."""
    for keys in (1_000, 100_000):
        (_, most), *_ = drawn(scrambled, keys).most_common(1)
        assert most / 50_000 == pytest.approx(0.0378, abs=0.006)


def test_the_hash_is_the_one_of_ycsb():
    """FNV-1a of the eight bytes, as Java's absolute value; computed by another way here."""
    for number in (0, 1, 12345, 9_999_999_999):
        hashed = 0xCBF29CE484222325
        for byte in number.to_bytes(8, "little"):
            hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
        assert fnv_1a(number) == abs(hashed - 2**64 if hashed >= 2**63 else hashed)


def test_latest_prefers_the_newest():
    """The last key is the hottest, the one before it the next."""
    counts = drawn(Latest(100), 100)
    assert [key for key, _ in counts.most_common(2)] == [99, 98]


def test_a_hotspot_has_its_shares():
    """So many of the operations fall on so many of the keys."""
    counts = drawn(hotspot(0.1, 0.9), 1000)
    assert sum(counts[key] for key in range(100)) / 50_000 == pytest.approx(0.9, abs=0.01)
    assert sum(key >= 100 for key in counts) > 850


def test_sequential_goes_round():
    """Every key once, then again."""
    choose = Sequential()
    assert [choose(0.7, 3) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_exponential_falls():
    """95 % of the operations touch the first six sevenths of the keys."""
    counts = drawn(chooser("exponential", 700), 700)
    # What falls beyond the last key begins again, so the share is a little more.
    assert sum(counts[key] for key in range(600)) / 50_000 == pytest.approx(0.975, abs=0.015)
    assert counts[0] > counts[300] > counts[599]


def test_what_is_no_chooser_is_refused():
    """By name, with those there are; shares must be shares."""
    with pytest.raises(ValueError, match="there are uniform, zipfian"):
        chooser("zipf", 10)
    with pytest.raises(ValueError, match="between 0 and 1"):
        hotspot(1.5, 0.5)
