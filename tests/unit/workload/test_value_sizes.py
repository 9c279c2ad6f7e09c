import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.value_sizes import BYTES_MAX, BYTES_MIN, lognormal, sizes


def nothing(name: str) -> str:
    raise FileNotFoundError(name)


@given(st.floats(0, 1, exclude_max=True), st.sampled_from(["256", "0", "uniform:10-5000", "lognormal:1000,2"]))
def test_a_size_is_within_the_limits(drawn, text):
    """A value has room for its header, and is none that a node refuses."""
    assert BYTES_MIN <= sizes(text, nothing)(drawn) <= BYTES_MAX


def test_uniform_has_both_ends():
    """The least and the greatest are drawn, too."""
    size = sizes("uniform:100-103", nothing)
    assert {size(number / 100) for number in range(100)} == {100, 101, 102, 103}


def test_lognormal_has_its_median():
    """Half of the sizes are below it, and the logarithm spreads as asked."""
    draw = random.Random(3).random
    size = lognormal(1000, 0.5)
    found = sorted(size(draw()) for _ in range(20_000))
    assert median(found) == pytest.approx(1000, rel=0.02)
    assert found[int(0.8413 * 20_000)] / 1000 == pytest.approx(2.718**0.5, rel=0.04)


def test_a_file_gives_its_sizes_evenly():
    """As they stand there, one a line."""
    size = sizes("file:x", lambda _: "100\n200\n200\n400\n")
    assert [size(drawn) for drawn in (0.1, 0.3, 0.6, 0.9)] == [100, 200, 200, 400]


@pytest.mark.parametrize("text", ["", "many", "uniform:9-3", "uniform:5", "lognormal:0,1", "file:x", "9999999", "-1"])
def test_what_is_no_distribution_is_refused(text):
    """With what one may write."""
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        sizes(text, nothing)
    assert "x" in str(refused.value) or "lognormal" in str(refused.value)
