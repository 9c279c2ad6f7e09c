"""Trials of a write here and a read through another node."""

from random import Random

import pytest

from dynamo.telemetry.pbs import Needs
from dynamo.telemetry.wars import Draws, Measured

MS = 0.001


def curve(
    measured: Measured,
    quorum: tuple[int, int],
    *homes: str,
    all_share: float = 0.0,
    trials: int = 4000,
):
    """Of partitions with these nodes, `a` coordinating: of b and c in both orders, unless others are given."""
    homes = homes or ("abc", "acb")
    needs, draws = Needs(len(homes[0])), Draws(measured, "a", homes, all_share, Random(5).random)
    for _ in range(trials):
        draws.add_to(needs)
    return needs.curve(quorum)


def constant(ways: dict[str, float], own: float = 0.0, reads: dict[str, float] | None = None) -> Measured:
    reads = reads or ways
    return Measured(
        [own], {peer: [(way, way)] for peer, way in ways.items()}, {peer: [(reads[peer], reads[peer])] for peer in ways}
    )


def test_a_read_elsewhere_sees_a_write_when_it_has_come_there():
    """W=1 is told at once, by this node's own store; R=1 looks into the other node's own store."""
    found = curve(constant({"b": 5 * MS, "c": 5 * MS}), (1, 1))
    assert found.bound_s(0.001) == found.bound_s(0.999) == pytest.approx(5 * MS)
    assert found.fresh(4.9 * MS) == 0
    assert found.fresh(5.1 * MS) == 1


def test_either_of_the_others_may_be_read_through():
    """One is near and one is far: half of the reads wait for each."""
    found = curve(constant({"b": 5 * MS, "c": 50 * MS}), (1, 1))
    assert found.fresh(6 * MS) == pytest.approx(0.5, abs=0.03)
    assert found.bound_s(0.999) == pytest.approx(50 * MS)


def test_a_slow_disk_here_delays_the_answer_and_not_the_others():
    """The client is told by the quickest replica, by which time the rest has come closer."""
    found = curve(constant({"b": 5 * MS, "c": 5 * MS}, own=4 * MS), (1, 1))
    assert found.bound_s(0.999) == pytest.approx(1 * MS)


def test_a_second_acknowledgement_waits_for_a_round_trip():
    """W=2: the nearest peer has it, and its acknowledgement came back; who reads at the far one still waits."""
    found = curve(constant({"b": 5 * MS, "c": 50 * MS}), (1, 2))
    assert found.fresh(0) == pytest.approx(0.5, abs=0.03)
    assert found.bound_s(0.999) == pytest.approx(40 * MS)


def test_a_second_reply_is_the_nearest():
    """R=2 through b, with c far: b asks this node as well, which has it. Through c either is asked, and late enough."""
    found = curve(constant({"b": 5 * MS, "c": 50 * MS}), (2, 1))
    assert found.fresh(0) == 1.0


def test_all_alike_the_preference_list_decides():
    """Where this node stands before the third, reads ask it, else somebody who gets the write as the read comes."""
    measured = constant({"b": 50 * MS, "c": 50 * MS}, reads={"b": 20 * MS, "c": 20 * MS})
    assert curve(measured, (2, 1), "abc").fresh(0) == 1.0
    assert curve(measured, (2, 1), "bca").fresh(0) == 0.0
    found = curve(measured, (2, 1), "bca", "abc")
    assert found.fresh(0) == pytest.approx(0.5, abs=0.03)
    assert found.bound_s(0.999) == pytest.approx(30 * MS)


def test_reads_that_ask_all_take_the_quickest():
    """Of this node and the third one, the quicker reply counts: it has looked earlier, and sees less."""
    homes = ("bca", "cba")
    ways = [(way * MS, way * MS) for way in range(1, 21)]
    measured = Measured([0.0], {"b": [(15 * MS, 0.0)], "c": [(15 * MS, 0.0)]}, {"b": ways, "c": ways})
    late = 6 / 20
    assert curve(measured, (2, 1), *homes).fresh(0) == pytest.approx(late, abs=0.03)
    assert curve(measured, (2, 1), *homes, all_share=1.0).fresh(0) == pytest.approx(0.5 + 0.5 * late**2, abs=0.03)


def test_where_there_are_more_nodes_a_reader_may_hold_nothing():
    """Two replicas of four nodes: a read through one of the two others asks who comes first in the list."""
    ways = dict.fromkeys("bcd", 10 * MS)
    measured = constant(ways, reads=dict.fromkeys("bcd", 1 * MS))
    found = curve(measured, (1, 1), "ab", "ba", "ac", "ca", trials=8000)
    through_the_replica, last_in_the_list = 1 / 3, 1 / 2
    assert found.fresh(0) == pytest.approx((1 - through_the_replica) * last_in_the_list, abs=0.03)
    assert found.fresh(9.5 * MS) == pytest.approx(1 - through_the_replica, abs=0.03)


def test_only_what_this_node_holds_is_drawn():
    """It coordinates writes of nothing else."""
    with pytest.raises(AssertionError):
        Draws(constant({"b": MS, "c": MS}), "a", ["bc"], 0.0, Random(1).random)
