import pytest

from dynamo.report.counts import Counts
from dynamo.report.result import Slice, from_json, thinned, to_json, waits_for
from tests.unit.report.results import result


def test_a_result_is_a_file():
    """Written and read it is the same."""
    assert from_json(to_json(result())) == result()


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", to_json(result(2)).replace(b'"format":1', b'"format":9')])
def test_what_is_no_result_is_refused(text):
    """Also one of another version."""
    with pytest.raises(ValueError, match=r"no result|format 9"):
        from_json(text)


def test_when_a_run_is_not_to_be_believed():
    """Dropped above a thousandth, damaged, cut short, empty."""
    assert result().valid
    totals = Counts(arrived=10_000, dropped=10)
    totals.add(result().totals)
    assert result(totals=totals).valid
    totals.dropped += 10
    assert "never sent" in result(totals=totals).problems[0]
    assert result(corrupt="key 3").problems == ["corrupt: key 3"]
    assert result(interrupted=True).problems == ["interrupted before its end"]
    assert result(totals=Counts()).problems == ["nothing was asked"]


@pytest.mark.parametrize(
    ("level", "n", "count"),
    [("one", 3, 1), ("quorum", 3, 2), ("quorum", 4, 3), ("all", 5, 5), ("linearizable", 5, 3), ("2", 3, 2)],
)
def test_what_a_level_waits_for(level, n, count):
    """So many of the replicas."""
    assert waits_for(level, n) == count


def test_strict_pairs():
    """R + W > N."""
    assert [result().is_strict(*pair) for pair in (("one", "quorum"), ("one", "all"), ("quorum", "quorum"))] == [
        False,
        True,
        True,
    ]


def test_a_long_run_has_no_huge_file():
    """Neighbours are put together; nothing is lost."""
    slices = [Slice(float(at), 1.0, Counts(arrived=1)) for at in range(1000)]
    found = thinned(slices, 300)
    assert len(found) == 250
    assert sum(each.counts.arrived for each in found) == sum(each.seconds for each in found) == 1000
    assert thinned(slices[:10], 300) == slices[:10]


def test_the_generators_own_price():
    """Processor time of the workers for each operation."""
    assert result().client_us == pytest.approx(1e6 * 0.01 / 240)
