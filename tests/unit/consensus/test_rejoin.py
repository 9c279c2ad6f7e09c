"""A replica that lost its disk comes back, in all orders in which messages can arrive: no change is lost.

And each rule is needed: without it, some order loses one. That shows, too, that the model can see such a loss.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.consensus.rejoin_model import Rules, violations

LOWER, HIGHER = (1, "p", 1), (2, "q", 1)
# Proposer 1 has the higher ballot and is promised it by B and C; then C forgets, and 2 comes with a lower one.
PROMISES = Rules(
    prepares=(("1", "B"), ("1", "C"), ("2", "A"), ("2", "C")),
    accepts=(("1", "B"), ("1", "C"), ("2", "A"), ("2", "C")),
    ballots=(("1", HIGHER), ("2", LOWER)),
)
# Proposer 2 is accepted by few; 1 is promised a higher ballot by others, and does not see it. A reader looks on.
READS = Rules(
    prepares=(("2", "A"), ("2", "C"), ("1", "B"), ("1", "C")),
    accepts=(("2", "A"), ("1", "B"), ("1", "C")),
    ballots=(("1", HIGHER), ("2", LOWER)),
    inspects=("A", "C"),
)
# The same values, but each proposer asks everybody.
EVERYBODY = Rules(
    prepares=(("1", "A"), ("1", "B"), ("1", "C"), ("2", "A"), ("2", "C")),
    accepts=(("1", "A"), ("1", "B"), ("1", "C"), ("2", "A"), ("2", "C")),
    ballots=(("1", HIGHER), ("2", LOWER)),
)


@pytest.mark.parametrize("rules", [PROMISES, READS, EVERYBODY, replace(PROMISES, late_disk=True)])
def test_no_change_is_lost_in_any_order(rules: Rules):
    """Everything that can happen is tried."""
    found, worlds = violations(rules)
    assert found == []
    assert worlds > 1000


@pytest.mark.parametrize(
    "broken",
    [
        replace(PROMISES, stores_count=False),
        replace(PROMISES, answers_needed=1),
        replace(PROMISES, answers_needed=0),
        replace(PROMISES, answer_unasked=False),
        replace(READS, hearsay=False),
        replace(PROMISES, late_disk=True, stores_when_sent=False),
    ],
)
def test_each_rule_is_needed(broken: Rules):
    """Without it there is an order in which two registers are taken for chosen that do not follow from each other."""
    assert violations(broken)[0] != []
