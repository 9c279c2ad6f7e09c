import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.membership.suspicion import LONGEST, SCORE_MAX, Health, Suspicion, accusers_wanted, shortest_s, stretch


@pytest.mark.parametrize(("members", "seconds"), [(2, 4.0), (3, 4.0), (10, 4.0), (100, 8.0), (1000, 12.0)])
def test_the_shortest_time_grows_with_the_logarithm_of_the_cluster(members, seconds):
    """News need so long to get round."""
    assert shortest_s(4.0, 1.0, members) == pytest.approx(seconds)
    assert shortest_s(4.0, 0.5, members) == pytest.approx(seconds / 2)


@pytest.mark.parametrize(("members", "wanted"), [(1, 0), (2, 0), (3, 1), (4, 2), (5, 3), (31, 3)])
def test_small_clusters_have_few_accusers(members, wanted):
    """Neither the suspect nor the first accuser can confirm."""
    assert accusers_wanted(members) == wanted


@given(st.integers(0, 10), st.integers(0, 10))
def test_each_accuser_shortens(confirmations, wanted):
    """From the longest time to the shortest, and never beyond either."""
    now, then = stretch(confirmations, wanted), stretch(confirmations + 1, wanted)
    assert 1.0 <= then <= now <= LONGEST
    assert then < now or now == 1.0
    assert stretch(wanted, wanted) == 1.0
    assert wanted == 0 or stretch(0, wanted) == LONGEST


def test_only_independent_accusers_count():
    """The same one twice is one; who is not named is none; more than are wanted are of no use."""
    suspicion = Suspicion(100.0, 4.0, 1)
    assert suspicion.accuse("a")
    assert not suspicion.accuse("a")
    assert not suspicion.accuse("")
    assert suspicion.due(0) == 112.0
    assert suspicion.accuse("b")
    assert suspicion.due(0) == 104.0
    assert not suspicion.accuse("c")
    assert suspicion.due(0) == 104.0


def test_a_node_that_is_ill_gives_suspects_more_time():
    """Up to the longest, however ill; confirmations do not outweigh that."""
    suspicion = Suspicion(100.0, 4.0, 0)
    suspicion.accuse("a")
    assert [suspicion.due(score) for score in range(5)] == [104.0, 108.0, 112.0, 112.0, 112.0]


def test_health_has_bounds():
    """It falls to 0 and no further, grows to its limit and no further; time-outs grow with it."""
    health = Health()
    health.better()
    assert (health.score, health.factor) == (0, 1.0)
    for _ in range(SCORE_MAX + 3):
        health.worse()
    assert (health.score, health.factor) == (SCORE_MAX, 1.0 + SCORE_MAX)
    health.better()
    assert health.score == SCORE_MAX - 1
