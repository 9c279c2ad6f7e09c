from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from dynamo.consensus.pace import SPREAD_MIN_S, WAIT_MAX_S, WAIT_MIN_S, back_off_s


@dataclass
class Seen:
    p50_s: float
    p95_s: float


TIMES = st.floats(0.0, 10.0)


@given(TIMES, TIMES, st.integers(0, 10_000))
@example(0.001913, 0.0, 0)
def test_waits_are_bounded_and_spread(p50_s, p95_s, attempt):
    """Never longer than the bound, and never so alike that two proposers wake together."""
    pace = Seen(p50_s, p95_s)
    least, most = back_off_s(pace, attempt, 0.0), back_off_s(pace, attempt, 1.0)
    assert least >= 0.0
    assert most <= WAIT_MAX_S
    assert most - least >= SPREAD_MIN_S * 0.999
    assert most >= WAIT_MIN_S


def test_waits_grow_with_refusals():
    """Between two thirds of a usual round and its slow end, which grows."""
    pace = Seen(0.01, 0.02)
    assert back_off_s(pace, 0, 0.0) == 0.66 * 0.01
    assert [round(back_off_s(pace, attempt, 1.0), 4) for attempt in range(4)] == [0.02, 0.036, 0.0648, 0.1]
