import pytest

from dynamo.workload.capacity import KINDS, Layout, cost_us, saturation
from dynamo.workload.capacity_table import MACHINES, Assumed, jobs_of, latency, lines
from dynamo.workload.queueing import utilisation
from tests.unit.workload.capacity_inputs import inputs

GET1, GET2, PUT, CAS = KINDS
LAYOUT = Layout(nodes=12, in_flight=16, by_token=True)


def test_every_number_of_machines_has_a_line():
    """Nodes by cores, a link to each other node, rates of each kind and of the mix between its parts."""
    found = lines(inputs(idle_us=1000, peer_us=10), Assumed(cores=2))
    assert [each.machines for each in found] == list(MACHINES)
    assert (found[0].nodes, found[0].links) == (6, 5)
    assert found[0].idle == pytest.approx(0.00105)
    for each in found:
        assert set(each.rates) == {*(kind.name for kind in KINDS), "mix"}
        assert each.rates["PUT W=2"] < each.rates["mix"] < each.rates["GET R=2"]
        assert all(each.p50_ms[kind.name] < each.p99_ms[kind.name] for kind in KINDS)


def test_what_grows_with_nodes_bends_the_line():
    """Without it a hundred times the machines carry a hundred times as much; with it less, and last nothing."""
    straight = lines(inputs(), Assumed(in_flight=1), (3, 300))
    assert straight[1].rates["PUT W=2"] == pytest.approx(100 * straight[0].rates["PUT W=2"])
    bent = lines(inputs(peer_us=450), Assumed(in_flight=1), (3, 300, 3000))
    assert bent[0].rates["PUT W=2"] < bent[1].rates["PUT W=2"] < 50 * straight[0].rates["PUT W=2"]
    assert bent[2].rates["PUT W=2"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_jobs_of_an_operation_are_its_cost(kind):
    """Over all nodes, and at the rate at which they saturate they fill a node, but for the imbalance."""
    jobs = jobs_of(inputs(), kind, LAYOUT)
    assert sum(job.count * job.service_us for job in jobs) * 12 == pytest.approx(cost_us(inputs(), kind, LAYOUT))
    assert all(job.service_us >= 0 for job in jobs)
    rate = saturation(inputs(), {kind.name: 1.0}, LAYOUT)
    assert utilisation(jobs, rate) == pytest.approx(1 / 1.04)


def test_latency_grows_with_load_and_with_what_is_waited_for():
    """A read of one replica, of two, a write that waits for a disk as well; the network's part is in it."""
    assumed = Assumed()
    medians = [latency(inputs(), kind, LAYOUT, assumed).quantile_us(0.5) for kind in (GET1, GET2, PUT)]
    assert medians == sorted(medians)
    assert medians[0] > assumed.round_trip_us
    assert medians[1] > 2 * assumed.round_trip_us
    calm, busy = (latency(inputs(), PUT, LAYOUT, assumed, load).quantile_us(0.99) for load in (0.2, 0.9))
    assert busy > 1.5 * calm


def test_a_cluster_that_does_nothing_but_gossip_has_a_latency_all_the_same():
    """No rate, no queue, no division by it."""
    found = lines(inputs(peer_us=1e6), Assumed(), (3,))[0]
    assert set(found.rates.values()) == {0.0}
    assert all(found.p99_ms[kind.name] > 0 for kind in KINDS)
