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
