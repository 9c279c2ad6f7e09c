import pytest

from dynamo.report.words import milliseconds, one_in, operation, percent, share


def test_no_share_without_its_denominator():
    """And no zero without what it may still be."""
    assert share(0, 12_400) == "0 of 12,400 (below 0.031 %)"
    assert share(26, 400) == "26 of 400 (6.5 %, 4.5 % to 9.4 %)"
    assert share(0, 0) == "none looked at"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.0312, "3.1 %"), (0.9987, "99.87 %"), (0.99995, "99.995 %"), (0.5, "50 %")],
)
def test_percent(value, said):
    """As many digits as mean something."""
    assert percent(value) == said


def test_other_words():
    """Times, frequencies, operations."""
    assert [milliseconds(ns) for ns in (450_000, 12_345_678, 1_204_000_000)] == ["0.45 ms", "12.3 ms", "1,204 ms"]
    assert one_in(5, 80) == "1 read in 16"
    assert one_in(0, 80) == "no read of 80"
    assert one_in(60, 80) == "75 % of the reads"
    assert operation("get one") == "get at one"
