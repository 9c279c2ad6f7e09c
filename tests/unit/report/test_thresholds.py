import pytest

from dynamo.report.counts import Counts
from dynamo.report.thresholds import held, measured, threshold
from tests.unit.report.results import result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("p99{op=get,consistency=one} > 1ms", pytest.approx(0.003, abs=0.0015)),
        ("service_p50{op=put} > 5us", pytest.approx(0.005, rel=0.1)),
        ("send_delay_p99 > 1s", pytest.approx(0.0001, rel=0.01)),
        ("mean > 1ms", pytest.approx(0.003, abs=0.001)),
        ("max < 1s", pytest.approx(0.0155, abs=0.01)),
        ("rate < 200/s", 240),
        ("success{op=get,consistency=all} < 99%", 0.7),
        ("success < 0.9", pytest.approx(0.9)),
        ("stale{consistency=one} > 5%", 0.06),
        ("stale{consistency=one,write=quorum} > 0", 0.0),
        ("stale{consistency=2} > 0", None),
        ("violations{guarantee=monotonic_reads} > 10%", 0.05),
        ("dropped > 0.1%", 0.0),
    ],
)
def test_what_is_measured(text, value):
    """Of what the labels choose, everything where they are left out."""
    assert measured(threshold(text), result()) == value


@pytest.mark.parametrize(
    ("text", "failed"),
    [("rate < 240", False), ("rate <= 240", True), ("stale > 5%", False), ("stale{consistency=one} > 5%", True)],
)
def test_when_it_fails(text, failed):
    """If what it says holds."""
    assert held(threshold(text), result()).failed == failed


def test_nothing_to_measure_has_failed():
    """A threshold on what the run never did holds nobody to anything."""
    found = held(threshold("p99{op=scan} > 1s"), result())
    assert (found.value, found.failed) == (None, True)
    assert held(threshold("dropped > 1%"), result(totals=Counts())).failed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99", "no condition"),
        ("p99 > fast", "no condition"),
        ("p99 > 50", "is a time"),
        ("rate > 5ms", "is a share"),
        ("speed > 5", "nothing that a run measures"),
        ("p99{key=a} > 5ms", "no label"),
        ("dropped{op=get} > 5%", "there are none"),
        ("p99{op} > 5ms", "no label"),
        ("p99{op=read} > 5ms", "'read' is no op; there are get, put"),
        ("stale{consistency=One} > 5%", "is no consistency; there are one, quorum"),
        ("stale{write=most} > 5%", "is no write"),
        ("violations{guarantee=reads} > 5%", "is no guarantee"),
    ],
)
def test_what_is_no_condition_is_refused(text, said):
    """With what one may write."""
    with pytest.raises(ValueError, match=said):
        threshold(text)
