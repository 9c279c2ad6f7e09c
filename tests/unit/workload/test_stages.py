import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.stages import Stage, duration_s, rate_at, stages, starts

RATES = st.floats(0, 500)
STAGES = st.lists(
    st.builds(Stage, st.floats(0.1, 3), RATES, RATES).filter(lambda stage: stage.begin + stage.end > 1),
    min_size=1,
    max_size=4,
)


def test_even_arrivals():
    """One every 1 / rate, from the begin on; a step changes the pace at once."""
    assert list(starts(stages("4", 1.0), "constant", random.random)) == [0, 0.25, 0.5, 0.75]
    stepped = list(starts(stages("2:1s,4:1s", 9), "constant", random.random))
    assert stepped == [0, 0.5, 1, 1.25, 1.5, 1.75]


def test_a_ramp_climbs():
    """So many arrivals as the line has area, ever closer together."""
    found = list(starts(stages("0-100:2s", 9), "constant", random.random))
    assert len(found) == 100
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert all(later < earlier for earlier, later in pairwise(gaps))
    assert sum(begin < 1 for begin in found) == 25


@given(STAGES, st.sampled_from(["constant", "poisson"]), st.integers(0, 99))
def test_arrivals_are_in_order_and_within(all_stages, spacing, seed):
    """Of any stages, in both spacings; about as many as are asked for."""
    found = list(starts(all_stages, spacing, random.Random(seed).random))
    assert all(earlier <= later for earlier, later in pairwise(found))
    assert all(0 <= begin <= duration_s(all_stages) + 1e-6 for begin in found)
    asked = sum(stage.arrivals for stage in all_stages)
    assert abs(len(found) - asked) <= (len(all_stages) + 1 if spacing == "constant" else 6 * asked**0.5 + 6)


def test_poisson_gaps_are_exponential():
    """Their mean is 1 / rate, their standard deviation the same."""
    found = list(starts(stages("1000", 20.0), "poisson", random.Random(7).random))
    gaps = [later - earlier for earlier, later in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.001, rel=0.05)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(0.001, rel=0.05)


def test_the_same_seed_gives_the_same_arrivals():
    """Schedules replay."""
    first, second = (list(starts(stages("100-300:2s", 0), "poisson", random.Random(1).random)) for _ in range(2))
    assert first == second


def test_the_rate_at_a_time():
    """Steps, ramps, and nothing after the end."""
    found = stages("10:1s,100-200:2s", 0)
    assert [rate_at(found, at) for at in (0.5, 1.0, 2.0, 3.5)] == [10, 100, 150, 0]


@pytest.mark.parametrize("text", ["", "fast", "10:", "10:0s", "0-0:3s", "10;20", "-5", "0"])
def test_what_is_no_schedule_is_refused(text):
    """Nobody waits for a run in which nobody arrives."""
    with pytest.raises(ValueError, match="stage"):
        stages(text, 10.0)
