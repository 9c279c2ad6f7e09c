"""Whole clusters under random faults, one a seed: no promise is broken."""

import pytest

from dynamo.simulation.plan import draw
from dynamo.simulation.run import run_seed
from dynamo.simulation.swarm import run_many
from dynamo.simulation.world import World

EVERY_DAY = range(1, 201)
KEPT = {
    400: "a wake-up just before the deadline was taken for the wake-up at the deadline, and the request ended late",
    585: "a delete whose dot nobody was ever shown accounts for what it removed",
    1093: "a node with an emptied disk took the defaults for a strict bucket, and counted a fallback",
    2169: "a request that was superseded before it was on disk got a second dot when it was repeated",
    7497: "a write was answered as not applied although a later one had carried it to another replica",
}
"""Seeds that once found a fault. A change of the plans makes them ordinary seeds; each fault has a test of its own.

Thousands: `make nightly`.
"""


@pytest.mark.simulation
@pytest.mark.parametrize("seed", [*EVERY_DAY, *KEPT])
def test_a_seed_breaks_no_promise(seed: int):
    """Replay a failure with `dynamo simulate --seed N`."""
    verdict, _ = run_seed(seed)
    assert verdict.violations == []
    assert verdict.outcomes.get("ok", 0) > 0, "somebody must have been served"


@pytest.mark.simulation
def test_the_seeds_of_a_day_meet_every_fault():
    """Between them the everyday plans switch on each kind of fault, and some have none: the suite is not idle."""
    plans = [draw(World(seed).stream("plan")) for seed in EVERY_DAY]
    rates = ("partition_s", "slow_link_s", "reset_s", "crash_s", "stop_s", "clock_s", "full_s", "freeze_s")
    shares = {name: sum(getattr(plan, name) > 0 for plan in plans) / len(plans) for name in rates}
    for name in ("loss", "duplicate", "straggle"):
        shares[name] = sum(getattr(plan.weather, name) > 0 for plan in plans) / len(plans)
    assert all(0.25 < share < 0.65 for share in shares.values()), shares
    assert any(not any(getattr(plan, name) for name in rates) for plan in plans)
    for fate in ("rot_s", "wipe_s", "old_copy_s"):
        assert sum(getattr(plan, fate) > 0 for plan in plans) > 10, fate
    assert {plan.shape.nodes for plan in plans} == {3, 5}


@pytest.mark.simulation
def test_many_seeds_on_several_processes():
    """Each seed once, and the same verdict as on one process."""
    alone = {verdict.seed: verdict.trace_hash for verdict in run_many(range(1, 5), processes=1)}
    together = {verdict.seed: verdict.trace_hash for verdict in run_many(range(1, 5), processes=2)}
    assert together == alone
    assert sorted(alone) == list(range(1, 5))
    assert len(set(alone.values())) == 4
