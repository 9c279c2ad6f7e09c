"""What is shown of a curve."""

from itertools import pairwise

from dynamo.telemetry.pbs import Curve
from dynamo.telemetry.prediction import CURVE_S, LIMITS, quorum_prediction


def test_a_curve_is_shown_with_its_bounds_and_versions():
    """All three agree with what it is made of."""
    shown = quorum_prediction(Curve([0.001] * 90 + [1.0] * 10), (1, 1), 3)
    assert (shown.read_replies, shown.write_acks) == (1, 1)
    assert [seconds for seconds, _ in shown.curve] == list(CURVE_S)
    assert (shown.curve[0][1], shown.curve[-1][1]) == (0.0, 1.0)
    assert [bound.seconds for bound in shown.bounds] == [0.001, 1.0, 1.0]
    assert all(bound.low_s <= bound.seconds <= bound.high_s for bound in shown.bounds)
    assert [round(share, 3) for share in shown.within_versions] == [0.333, 0.556, 0.704]


def test_times_grow():
    """From at once to ten seconds, so that a plot can use them as they are."""
    assert all(a < b for a, b in pairwise(CURVE_S))
    assert CURVE_S[0] == 0
    assert CURVE_S[-1] == 10


def test_there_are_limits_to_print():
    """A number without what it assumes is read as more than it is."""
    assert len(LIMITS) >= 5
