"""Which store of a node may take part, by what its peers remember."""

from __future__ import annotations

import pytest

from dynamo.membership.store_ages import STORES_MAX, StoreAges
from dynamo.protocol.messages import StoreAge


def age(starts: int, run: str = "", *, store: str = "s1", reaps: int = 0, node: str = "n1") -> StoreAge:
    return StoreAge(node, store, starts, run or f"run{starts}", reaps)


def known(*met: StoreAge) -> StoreAges:
    ages = StoreAges()
    for each in met:
        assert not ages.objection(each)
        ages.met(each)
    return ages


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (age(4, "other"), "start 4 on store s1, and start 5 was seen"),
        (age(5, "other"), "start 5 on store s1 was seen before, and was another one"),
        (age(6, reaps=2), "agreed to 2 rounds of removal, and had agreed to 3"),
    ],
)
def test_an_older_copy_is_objected_to(shown: StoreAge, words: str):
    """By a lower start, by a second run of one start, or by removals that it does not know of."""
    assert words in known(age(5, reaps=3)).objection(shown)


@pytest.mark.parametrize("shown", [age(5, reaps=3), age(5, reaps=2), age(6, reaps=3), age(7, reaps=9)])
def test_the_store_that_was_seen_goes_on(shown: StoreAge):
    """The same run connects again, also with a greeting from before its last removal; a later one starts."""
    assert known(age(5, reaps=3)).objection(shown) == ""


def test_a_new_store_replaces_the_old_one_for_good():
    """A node that started empty is met as such; the disk it had before is an older copy from then on."""
    ages = known(age(5), age(1, store="s2"))
    assert "was replaced by store s2" in ages.objection(age(6))
    assert ages.objection(age(2, store="s2")) == ""


def test_nobody_is_judged_by_the_number_of_another_node():
    """Memory is by node."""
    assert known(age(5)).objection(age(1, node="n2")) == ""


def test_a_node_that_says_nothing_is_let_in():
    """Versions before this one name no store; their peers cannot know."""
    ages = known(age(5))
    assert ages.objection(StoreAge("n1", "", 0, "")) == ""
    assert not ages.met(StoreAge("n1", "", 0, ""))
    assert ages.objection(age(4)), "the silence taught it nothing"


def test_what_others_tell_raises_what_is_known():
    """Removals are told from node to node; numbers only grow."""
    ages = known(age(5))
    assert ages.heard(age(5, reaps=7))
    assert not ages.heard(age(5, reaps=6))
    assert not ages.heard(age(4, reaps=7))
    assert ages.objection(age(6, reaps=6))
    assert ages.heard(age(8, reaps=7))
    assert ages.objection(age(7, reaps=7))


def test_hearsay_brings_in_no_store_beside_a_known_one():
    """Which of two came later is known to those who met both: a healthy node must not be shut out by an old story."""
    ages = known(age(1, store="s2"))
    assert not ages.heard(age(5, store="s1"))
    assert ages.objection(age(2, store="s2")) == ""
    stranger = StoreAges()
    assert stranger.heard(age(5))
    assert stranger.objection(age(4))


def test_memory_is_bounded_and_survives():
    """The oldest stores are forgotten; what is kept can be restored."""
    ages = known(*(age(1, store=f"s{number}") for number in range(STORES_MAX + 5)))
    assert len(ages.of("n1")) == STORES_MAX
    again = StoreAges()
    again.restore("n1", ages.of("n1"))
    assert again.present() == ages.present() == [age(1, store=f"s{STORES_MAX + 4}")]
    assert again.objection(age(2, store=f"s{STORES_MAX}"))


def test_a_replacement_is_believed_only_from_somebody_who_knows_what_it_replaced():
    """Of two unrelated stores nobody can say which came later."""
    old, new, newer = age(5), age(1, store="s2"), age(1, store="s3")
    ages = known(old)
    assert not ages.told([new])
    assert not ages.told([new, newer])
    assert ages.of("n1") == [old]
    assert ages.told([old, new, newer])
    assert ages.of("n1") == [old, new, newer]
    assert not ages.told([old, new, newer])
    assert not ages.told([old, new]), "who is behind teaches nothing"
    assert ages.of("n1")[-1] == newer


def test_of_a_node_that_was_never_met_everything_is_believed():
    """There is nothing to contradict it."""
    ages = StoreAges()
    assert ages.told([age(5), age(2, store="s2")])
    assert "was replaced by store s2" in ages.objection(age(6))


def test_an_order_that_turns_back_is_not_believed():
    """What was replaced here comes back for nobody's word."""
    ages = known(age(5), age(1, store="s2"))
    assert not ages.told([age(1, store="s2"), age(5)])
    assert ages.of("n1")[-1].store == "s2"


@pytest.mark.parametrize("told", [[], [StoreAge("n1", "", 1, "r")], [age(1), age(1, node="n2")]])
def test_what_is_no_list_of_one_nodes_stores_is_passed_over(told: list[StoreAge]):
    """A peer's mistake must not become this node's memory."""
    ages = StoreAges()
    assert not ages.told(told)
    assert ages.all() == []


def test_numbers_of_the_present_store_are_raised_by_what_is_told():
    """As by any hearsay."""
    ages = known(age(5))
    assert ages.told([age(7, reaps=2)])
    assert ages.objection(age(6))


def test_a_forgotten_node_is_known_again_only_once_it_was_met():
    """Hearsay may be behind; it stays on the list that there was something before."""
    ages = known(age(5))
    ages.forget("n1", "n9")
    assert ages.present() == []
    assert not ages.told([age(5)])
    assert not ages.heard(age(5))
    assert not StoreAges().told(ages.of("n1")), "nor does it tell others of what it does not know"
    assert ages.objection(age(1, store="s2")) == ""
    assert ages.met(age(1, store="s2"))
    assert [each.store for each in ages.of("n1")] == ["?n9", "s2"]
