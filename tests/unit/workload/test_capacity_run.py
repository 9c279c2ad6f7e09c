import pytest

from dynamo.workload.capacity import KINDS, Costs, Fit, Layout, cost_us, on_a_link
from dynamo.workload.capacity_run import ELSEWHERE, Checked, Points, checked, costs_of, inputs_of
from dynamo.workload.runner import Sample
from tests.unit.workload.capacity_inputs import COSTS, inputs

GET1, GET2, PUT, CAS = KINDS


def sample(rate: float = 10_000, server_us: float = 150.0, others: float = 0.0) -> Sample:
    return Sample(
        requests=int(rate),
        seconds=1.0,
        rate=rate,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        server_cpu_us=server_us,
        client_cpu_us=10.0,
        others_cores=others,
        faults=0,
        first_fault="",
    )


def points_by(true: Costs, kind: str) -> list[Points]:
    """What three nodes of those true costs would show."""
    found = next(each for each in KINDS if each.name == kind)
    points = []
    for connections in (3, 12, 64):
        m = connections / 3
        sent = found.sent(3)
        alone = true.alone.at(m)
        right = alone + (sent or 1) * true.replica.at(on_a_link(3, m, sent))
        extra = ELSEWHERE + (sent if kind == "CAS" else 0)
        anywhere = (right if kind == "CAS" else alone) + ELSEWHERE * true.elsewhere.at(on_a_link(3, m, extra))
        points.append(Points(connections, alone, right, anywhere))
    return points


@pytest.mark.parametrize("kind", [GET2, PUT, CAS])
def test_true_costs_are_found_again(kind):
    """From measurements without noise; so what is predicted for three nodes is what they showed."""
    found = costs_of(kind, points_by(COSTS, kind.name), sample(), 2, 0.5)
    for part in ("alone", "replica", "elsewhere"):
        mine, true = getattr(found, part), getattr(COSTS, part)
        assert (mine.fixed_us, mine.shared_us) == pytest.approx((true.fixed_us, true.shared_us), abs=0.01)


def test_what_a_read_of_one_costs_beside_is_found():
    """It sends nothing: no fixed part can be told from a shared one, and their sum is what counts."""
    found = costs_of(GET1, points_by(COSTS, "GET R=1"), sample(), 2, 0.0)
    assert found.replica.at(1) == pytest.approx(COSTS.replica.at(1))


def test_busy_is_the_share_of_the_cores_that_others_left():
    """Never above 1."""
    points = points_by(COSTS, "PUT W=2")
    assert costs_of(PUT, points, sample(others=0.4), 2, 0.5).busy == pytest.approx(1.0)
    assert costs_of(PUT, points, sample(rate=5000, others=0.4), 2, 0.5).busy == pytest.approx(0.5)


def test_growth_of_what_idle_nodes_use():
    """A line through all sizes; where it falls, by noise, nothing grows."""
    found = inputs_of({}, {3: 1200.0, 5: 1400.0, 9: 1800.0}, 50.0)
    assert (found.idle_us_per_s, found.idle_peer_us_per_s) == pytest.approx((1000.0, 100.0))
    assert found.idle(300) == pytest.approx(30_900)
    noisy = inputs_of({}, {3: 1500.0, 9: 1300.0}, 50.0)
    assert (noisy.idle_us_per_s, noisy.idle_peer_us_per_s) == (1400.0, 0.0)
    alone = inputs_of({}, {3: 1500.0}, 50.0)
    assert (alone.idle_us_per_s, alone.idle_peer_us_per_s) == (1500.0, 0.0)


def test_a_prediction_beside_what_was_measured():
    """With the cores that others left; the error is one of the rate."""
    seen = checked(inputs(), 5, PUT, sample(rate=5000, others=0.5), 2, 64)
    cost = cost_us(inputs(), PUT, Layout(nodes=5, in_flight=12.8))
    assert (seen.nodes, seen.kind, seen.predicted_us, seen.measured_us) == (5, "PUT W=2", cost, 150.0)
    assert seen.predicted_rate == pytest.approx(1.5e6 / (cost + 10))
    assert seen.error == pytest.approx(seen.predicted_rate / 5000 - 1)
    nothing = Checked(
        nodes=3, kind="CAS", predicted_us=1, measured_us=1, predicted_rate=1, measured_rate=0, others_cores=0
    )
    assert nothing.error == 0


def test_a_fit_of_nothing_is_nothing():
    """As of a kind that costs no more elsewhere."""
    points = [Points(64, 50.0, 50.0, 50.0)]
    found = costs_of(PUT, points, sample(), 2, 0.0)
    assert (found.replica, found.elsewhere) == (Fit(0.0, 0.0), Fit(0.0, 0.0))
