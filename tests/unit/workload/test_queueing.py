from itertools import pairwise
from math import log

import pytest

from dynamo.workload.queueing import STEPS, Job, Spread, at_once, mean_wait_us, utilisation


def serving(mean_us: float) -> Spread:
    return at_once(1.0).served(mean_us)


def mean_us(spread: Spread) -> float:
    return sum(place * share for place, share in enumerate(spread.shares)) * spread.step_us


@pytest.mark.parametrize("busy", [0.1, 0.5, 0.7, 0.9])
def test_one_kind_of_work_waits_as_in_m_m_1(busy):
    """Exponential services: the mean wait is rho S / (1 - rho)."""
    jobs, rate = [Job(1, 100)], busy * 10_000
    assert utilisation(jobs, rate) == pytest.approx(busy)
    assert mean_wait_us(jobs, rate) == pytest.approx(busy * 100 / (1 - busy))


def test_work_of_two_sizes_waits_longer_than_work_of_one():
    """At the same utilisation: it is the square of the service that counts."""
    even, uneven = [Job(2, 100)], [Job(1, 10), Job(1, 190)]
    assert utilisation(even, 3000) == utilisation(uneven, 3000)
    assert mean_wait_us(uneven, 3000) > 1.5 * mean_wait_us(even, 3000)


def test_a_server_that_cannot_keep_up_is_refused():
    """Its queue has no mean."""
    with pytest.raises(AssertionError):
        mean_wait_us([Job(1, 100)], 10_000)


def test_a_wait_is_none_or_exponential():
    """None with the share of time that the server is free; the mean is the one that was given."""
    spread = at_once(1.0).queued(0.7, 20.0)
    assert sum(spread.shares) == pytest.approx(1)
    assert spread.quantile_us(0.29) < 1
    assert mean_us(spread) == pytest.approx(20, abs=1)
    assert spread.quantile_us(0.99) == pytest.approx(20 / 0.7 * log(70), rel=0.02)
    assert at_once(1.0).queued(0.0, 35.0).shares[0] == 1


def test_sums_have_the_sum_of_the_means():
    """And of two exponentials the quantile that Erlang gives: 1 - (1 + t) exp(-t) = 0.99 at 6.638."""
    both = serving(12).plus(serving(12))
    assert mean_us(both) == pytest.approx(2 * mean_us(serving(12)), rel=0.001)
    assert both.quantile_us(0.99) == pytest.approx(6.638 * 12, rel=0.02)
    assert sum(both.shares) == pytest.approx(1)


def test_what_lies_beyond_the_grid_is_at_its_end():
    """No share is lost."""
    both = at_once(1.0).later(200).plus(at_once(1.0).later(200))
    assert both.shares[STEPS - 1] == 1
    assert at_once(1.0).later(10**9).shares[STEPS - 1] == 1
    assert sum(serving(10_000).later(100).shares) == pytest.approx(1)


@pytest.mark.parametrize(("wanted", "asked"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3)])
def test_the_kth_of_n_exponential_answers(wanted, asked):
    """Its mean is S (1/n + ... + 1/(n-k+1))."""
    spread = serving(25).of_several(wanted, asked)
    expected = 25 * sum(1 / (asked - done) for done in range(wanted))
    assert mean_us(spread) == pytest.approx(expected, abs=1)
    assert sum(spread.shares) == pytest.approx(1)


def test_more_answers_take_longer():
    """The first of three, the second, the third; all of three are asked."""
    medians = [serving(25).of_several(wanted, 3).quantile_us(0.5) for wanted in (1, 2, 3)]
    assert all(one < other for one, other in pairwise(medians))
    with pytest.raises(AssertionError):
        serving(25).of_several(4, 3)


def test_a_service_after_a_time_is_their_sum():
    """The quick way over the grid and the sum of two spreads agree; a service that takes no time changes nothing."""
    first = serving(9).later(5)
    quick, slow = first.served(14), first.plus(serving(14))
    assert quick.shares == pytest.approx(slow.shares, abs=1e-5)
    assert first.served(0) is first
