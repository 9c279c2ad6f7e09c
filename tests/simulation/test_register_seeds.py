"""Linearizable buckets under random faults, one cluster a seed: no answer is wrong, and everybody gets on."""

from unittest.mock import patch

import pytest

from dynamo.consensus import requests
from dynamo.daemons import forgetter
from dynamo.simulation.register_plan import RegisterPlan, draw
from dynamo.simulation.register_run import run_seed
from dynamo.simulation.world import World

EVERY_DAY = range(1, 151)
KEPT = {
    502834: "the simulated disk wrote a group again that it had synced just before a crash: a promise seemed to fall"
}
"""Seeds that once found a fault. A change of the plans makes them ordinary seeds; each fault has a test of its own."""
HARD = range(1, 16)
FORGETFUL = (*range(1, 12), 49)
"""The last is one in which it is noticed if a majority forgets (`make mutants`, row 12), which one in dozens is."""


def hard(seed: int) -> RegisterPlan:
    """A plan in which those who can meet do: all clients on one key, and every fault that makes coordinators fail."""
    plan = draw(World(seed).stream("register plan"))
    plan.shape.nodes = 3
    habits, weather = plan.registers, plan.weather
    habits.registers, habits.counters = (1, 0) if seed % 2 else (0, 1)
    habits.clients, habits.operations, habits.pause_s = 6, 25, 0.02
    habits.timeout_min_s, habits.timeout_max_s = 0.1, 1.0
    weather.loss, weather.straggle, weather.straggle_s, weather.in_order = 0.05, 0.1, 0.5, False
    plan.partition_s, plan.crash_s, plan.down_max = 1.0, 1.0, 2
    plan.disk.sync_s = 0.01
    return plan


@pytest.mark.simulation
@pytest.mark.parametrize("seed", [*EVERY_DAY, *KEPT])
def test_a_seed_breaks_no_promise(seed: int):
    """Replay a failure with `dynamo simulate --mode linearizable --seed N`."""
    verdict, _ = run_seed(seed)
    assert verdict.violations == []
    assert verdict.outcomes.get("ok", 0) > 0, "somebody must have been served"


@pytest.mark.simulation
def test_hard_seeds_break_no_promise():
    """The first that does ends the test: it is what `make mutants` runs."""
    for seed in HARD:
        verdict, _ = run_seed(seed, plan=hard(seed))
        assert verdict.violations == [], f"hard seed {seed}"


BUSY = range(1, 13)


def busy(seed: int) -> RegisterPlan:
    """A plan in which a node begins rounds of several keys in one turn, so that their Accepts leave together."""
    plan = draw(World(seed).stream("register plan"))
    plan.shape.nodes, plan.shape.lag_s = 3, 0.02
    habits = plan.registers
    habits.registers, habits.counters, habits.clients, habits.operations = 4, 3, 10, 20
    habits.pause_s, habits.timeout_min_s, habits.timeout_max_s = 0.002, 0.2, 1.0
    return plan


@pytest.mark.simulation
def test_votes_that_come_together_are_votes():
    """Under every fault; and many do."""
    together = 0
    for seed in BUSY:
        verdict, _ = run_seed(seed, plan=busy(seed), keep_trace=True)
        assert verdict.violations == [], f"busy seed {seed}"
        together += sum("pass" in line and "answer Votes" in line for line in verdict.trace)
    assert together > 100


SHORT = range(1, 13)
MEMORY_MS = 15_000
"""How long repeats are recognised, and deleted keys remembered, where that is ten minutes in earnest."""


def forgetful(seed: int) -> RegisterPlan:
    """A plan in which keys are deleted, forgotten while their clients rest, and written again."""
    plan = draw(World(seed).stream("register plan"))
    habits = plan.registers
    habits.delete_share, habits.rest_s, habits.resolve_share = 0.4, 45.0, 1.0
    habits.pause_s, habits.repeat_share = 0.1, 0.1
    if seed % 4:
        # Nothing is forgotten while nodes come and go.
        plan.crash_s = plan.stop_s = plan.break_s = plan.full_s = plan.freeze_s = 0.0
    return plan


@pytest.mark.simulation
def test_what_is_forgotten_does_not_come_back():
    """Under every fault; and in enough of the seeds something is forgotten."""
    forgot = 0
    with patch.multiple(requests, WINDOW_MS=MEMORY_MS, UNNAMED_MS=1), patch.object(forgetter, "WINDOW_MS", MEMORY_MS):
        for seed in FORGETFUL:
            verdict, _ = run_seed(seed, plan=forgetful(seed), keep_trace=True)
            assert verdict.violations == [], f"forgetful seed {seed}"
            forgot += any("answer Forgotten" in line for line in verdict.trace)
    assert forgot > len(FORGETFUL) / 4


def short(seed: int) -> RegisterPlan:
    """A plan in which everybody says when it repeats itself."""
    plan = hard(seed)
    plan.registers.repeat_share, plan.registers.candid_share = 0.4, 1.0
    return plan


@pytest.mark.simulation
def test_what_is_repeated_too_late_is_not_known():
    """A key remembers eight changes where it is 256 in earnest: rather unknown than made twice, or called off after."""
    unknown = 0
    with patch.object(requests, "_KEEP_MAX_BYTES", requests._KEEP_MIN_BYTES):
        for seed in SHORT:
            verdict, history = run_seed(seed, plan=short(seed))
            wrong = [each for each in verdict.violations if not each.startswith("unresolved")]
            assert wrong == [], f"short seed {seed}"
            unknown += sum(
                returned.error == "outcome-forgotten" for op in history.operations.values() for returned in op.returns
            )
    assert unknown > len(SHORT)


@pytest.mark.simulation
def test_the_seeds_of_a_day_meet_every_fault():
    """Between them the everyday plans switch on each kind of fault, and some have none: the suite is not idle."""
    plans = [draw(World(seed).stream("register plan")) for seed in EVERY_DAY]
    rates = ("partition_s", "slow_link_s", "reset_s", "crash_s", "stop_s", "clock_s", "full_s", "freeze_s")
    shares = {name: sum(getattr(plan, name) > 0 for plan in plans) / len(plans) for name in rates}
    for name in ("loss", "duplicate", "straggle"):
        shares[name] = sum(getattr(plan.weather, name) > 0 for plan in plans) / len(plans)
    assert all(0.25 < share < 0.65 for share in shares.values()), shares
    assert any(plan.is_calm for plan in plans)
    for fate in ("rot_s", "wipe_s", "old_copy_s"):
        assert sum(getattr(plan, fate) > 0 for plan in plans) > 5, fate
    assert {(plan.registers.registers > 0, plan.registers.counters > 0) for plan in plans} == {
        (True, False),
        (False, True),
        (True, True),
    }
