import pytest

from tests.chaos import schedule
from tests.chaos.modes import MODES
from tests.chaos.schedule import KINDS, NETWORK, draw, kinds_of, links

NODES = ("a", "b", "c", "d", "e")
NOTHING = frozenset[str]()


def test_a_seed_draws_the_same_faults_each_time():
    """One seed is one schedule, another one another."""
    assert draw(5, NODES, KINDS, 6, 500) == draw(5, NODES, KINDS, 6, 500)
    assert draw(5, NODES, KINDS, 6, 500) != draw(6, NODES, KINDS, 6, 500)


def test_all_faults_lie_within_the_time_given_them():
    """None begins before, none lasts beyond."""
    for seed in range(20):
        plan = draw(seed, NODES, KINDS, 6, 300)
        assert all(fault.at_s >= 6 and fault.ends_s <= 300 for fault in plan)


def test_each_kind_comes_before_one_comes_twice():
    """Ten minutes show every kind, whatever the seed."""
    for seed in range(20):
        plan = draw(seed, NODES, KINDS, 6, 530)
        assert {fault.kind for fault in plan[: len(KINDS)]} == set(KINDS)


def test_without_kinds_there_are_no_faults():
    assert draw(1, NODES, (), 6, 300) == []


def test_a_word_may_name_many_kinds():
    """Aliases unfold, what cannot be made is left out, nonsense is refused."""
    assert set(kinds_of("all", NOTHING)) == set(KINDS)
    assert set(kinds_of("partition,kill", NOTHING)) == {*schedule.CUTS, "kill"}
    assert not set(kinds_of("all", frozenset(NETWORK))) & set(NETWORK)
    with pytest.raises(ValueError, match="meteor"):
        kinds_of("kill,meteor", NOTHING)


def _cut(kind: str, nodes: tuple[str, ...]) -> set[tuple[str, str]]:
    return links(schedule.Planned(0, 1, kind, nodes), NODES, "clients")


def test_one_way_cuts_one_direction():
    assert _cut("one-way", ("a", "b")) == {("a", "b")}


def test_an_isolated_node_has_no_peers_and_an_unplugged_one_no_clients_either():
    isolated = {(x, y) for other in "bcde" for x, y in (("a", other), (other, "a"))}
    assert _cut("isolate", ("a",)) == isolated
    assert _cut("unplug", ("a",)) == isolated | {("clients", "a")}


def test_the_middle_of_a_bridge_sees_both_sides():
    """Four links of two sides of two are cut, in both directions; none of the first node's."""
    cut = _cut("bridge", NODES)
    assert len(cut) == 8
    assert not any("a" in link for link in cut)


def test_in_a_ring_each_node_sees_two_others():
    cut = _cut("ring", NODES)
    assert all(len([link for link in cut if link[0] == node]) == 2 for node in NODES)
    assert ("a", "b") not in cut


def test_halves_see_nothing_of_each_other():
    assert len(_cut("halves", NODES)) == 2 * 2 * 3


def test_one_node_only_loses_its_disk():
    """However often: of two that have lost theirs, a key may have no majority left that remembers."""
    plan = draw(4, NODES, ["wipe", "isolate"], 0, 600)
    struck = {fault.nodes for fault in plan if fault.kind == "wipe"}
    assert len(struck) == 1
    assert len(struck.pop()) == 1


@pytest.mark.parametrize("mode", ["mixed", "quorum"])
def test_what_w_1_has_acknowledged_is_not_wiped(mode: str):
    assert "wipe" not in kinds_of("all", MODES[mode].unfit)
    assert "wipe" in kinds_of("all", MODES["linearizable"].unfit)
