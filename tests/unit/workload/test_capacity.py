import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.capacity import (
    IMBALANCE,
    KINDS,
    Fit,
    Layout,
    cost_us,
    fit,
    kind_of,
    local_rate,
    mixed_cost_us,
    node_demand_us,
    on_a_link,
    saturation,
)
from tests.unit.workload.capacity_inputs import inputs

GET1, GET2, PUT, CAS = KINDS


@given(st.floats(1, 500), st.floats(0, 500))
def test_a_line_is_found_again(alone, shared):
    """Points that lie on one give it back; the least x that counts is 1."""
    true = Fit(alone, shared)
    found = fit([(x, true.at(x)) for x in (0.5, 1, 4, 20)])
    assert found.fixed_us == pytest.approx(alone, rel=1e-6, abs=1e-4)
    assert found.shared_us == pytest.approx(shared, rel=1e-6, abs=1e-4)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(-100, 0) | st.floats(0.01, 1000)), max_size=5))
def test_no_part_of_a_cost_is_negative(points):
    """Whatever noise there was; without a point above 0 there is no cost."""
    found = fit(points)
    assert found.fixed_us >= 0
    assert found.shared_us >= 0
    if all(cost <= 0 for _, cost in points):
        assert found == Fit(0.0, 0.0)


def test_costs_by_hand():
    """Five nodes, eight operations in flight at each, any node asked."""
    layout = Layout(nodes=5, in_flight=8)
    own = 40 + 20 / 8
    assert on_a_link(5, 8, 2.4) == pytest.approx(4.8)
    # Two of five lack the key; messages on a link: two to the replicas, and the hand-over.
    assert cost_us(inputs(), PUT, layout) == pytest.approx(own + 2 * (10 + 30 / 4.8) + 0.4 * 50)
    assert cost_us(inputs(), CAS, layout) == pytest.approx(own + 2 * (10 + 30 / 5.6) + 0.8 * 50)
    assert cost_us(inputs(), GET2, layout) == pytest.approx(own + 10 + 30 / 2.8 + 0.4 * 50)
    # It sends nothing; what remains is what N=3 costs beside, unshared.
    assert cost_us(inputs(), GET1, layout) == pytest.approx(own + 10 + 30 + 0.4 * 50)


def test_asking_the_right_node_saves_the_way():
    """For three nodes and N=3 it makes no difference, but for a compare-and-set."""
    three, by_token = Layout(nodes=3, in_flight=8), Layout(nodes=3, in_flight=8, by_token=True)
    assert cost_us(inputs(), PUT, three) == cost_us(inputs(), PUT, by_token)
    assert cost_us(inputs(), CAS, three) > cost_us(inputs(), CAS, by_token)


@pytest.mark.parametrize("kind", KINDS)
def test_one_replica_costs_what_it_costs_alone(kind):
    """N=1 at the right node: no message is sent."""
    layout = Layout(nodes=7, in_flight=4, n=1, by_token=True)
    assert cost_us(inputs(), kind, layout) == 45


def test_more_replicas_cost_more_writes_and_no_more_reads():
    """A message each."""
    costs = {
        n: [cost_us(inputs(), kind, Layout(nodes=9, in_flight=800, n=n, by_token=True)) for kind in (PUT, GET2)]
        for n in (3, 5)
    }
    assert costs[5][0] - costs[3][0] == pytest.approx(2 * 10, rel=0.1)
    assert costs[5][1] == costs[3][1]


def test_a_mix_costs_its_mean():
    """By its shares, whatever they add up to."""
    layout = Layout(nodes=3, in_flight=8)
    one, other = cost_us(inputs(), GET2, layout), cost_us(inputs(), PUT, layout)
    assert mixed_cost_us(inputs(), {"GET R=2": 3, "PUT W=2": 1}, layout) == pytest.approx((3 * one + other) / 4)
    assert kind_of("PUT W=2") is PUT


def test_the_cores_are_shared_by_nodes_and_generator():
    """What the nodes use for themselves comes first."""
    layout = Layout(nodes=3, in_flight=8)
    each = cost_us(inputs(), PUT, layout) + 10
    assert local_rate(inputs(), PUT, layout, 2) == pytest.approx(2e6 / each)
    assert local_rate(inputs(idle_us=1000, peer_us=500), PUT, layout, 2) == pytest.approx((2e6 - 6000) / each)
    assert local_rate(inputs(idle_us=1e6), PUT, layout, 2) == 0


def test_the_fullest_node_is_the_limit():
    """Its core, less what it uses for itself; twice the nodes carry twice as much while nothing grows."""
    few, many = (Layout(nodes=n, in_flight=1, by_token=True) for n in (6, 12))
    found, mix = inputs(), {"PUT W=2": 1.0}
    assert node_demand_us(found, mix, few) == pytest.approx(cost_us(found, PUT, few) * IMBALANCE / 6)
    assert saturation(found, mix, few) * node_demand_us(found, mix, few) == pytest.approx(1e6)
    assert saturation(found, mix, many) == pytest.approx(2 * saturation(found, mix, few))
    assert saturation(inputs(peer_us=1e5), mix, many) == 0
    half = saturation(inputs(idle_us=5e5), mix, few)
    assert half == pytest.approx(saturation(found, mix, few) / 2)


def test_links_that_carry_less_share_less():
    """With more nodes and as much work for each, messages are alone in their frames at last, and no more than that."""
    found = [cost_us(inputs(), PUT, Layout(nodes=n, in_flight=16, by_token=True)) for n in (3, 9, 17, 33, 65)]
    assert found == sorted(found)
    assert found[-1] == found[-2]
    assert msgspec.json.decode(msgspec.json.encode(inputs()), type=type(inputs())) == inputs()
