"""A run's plan, drawn from its seed: cluster, clients, weather and faults.

Each run switches a random part of the faults on, at random rates: a run with one kind of fault reaches states that one
with all of them never does. A tenth of the runs has none at all, since some bugs need only load.
"""

from __future__ import annotations

from random import Random

import msgspec

from dynamo.simulation.clients import Habits
from dynamo.simulation.cluster import Shape
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.network import Weather

CALM = 0.1
PATIENT_S = 0.3
ILL_FATED = 0.3
"""Runs in which a disk loses what it had."""
ASYNC = 0.1
"""Runs with `durability = "async"`. They have no crashes: what is shown and not synced may be lost with the power."""


class Plan(msgspec.Struct):
    """One run: who takes part, and what befalls them. A rate is the mean of seconds between two faults; 0 for none."""

    shape: Shape
    weather: Weather
    disk: DiskHabits
    habits: Habits
    partition_s: float = 0.0
    slow_link_s: float = 0.0
    reset_s: float = 0.0
    crash_s: float = 0.0
    down_max: int = 1
    """Nodes that may be down at a time."""
    stop_s: float = 0.0
    clock_s: float = 0.0
    skew_max_ms: int = 0
    full_s: float = 0.0
    break_s: float = 0.0
    """Syncs that fail, after which the node ends."""

    away_s: float = 0.0
    """Absences that may outlast every period there is: crashed, stopped, paused or cut off."""
    away_max_s: float = 120.0
    old_copy_s: float = 0.0
    """Nodes that are started on an older copy of their disk, then on the right one again."""
    freeze_s: float = 0.0
    """Nodes that are stopped and go on, as by SIGSTOP and SIGCONT."""
    rot_s: float = 0.0
    """Bits that flip on the disk of one node, always the same one: a second copy must be sound."""
    wipe_s: float = 0.0
    """One node, once, gets an empty disk."""

    @property
    def is_calm(self) -> bool:
        """No faults, and time enough for every request: all of them must succeed."""
        weather = self.weather
        faults = (
            self.partition_s,
            self.slow_link_s,
            self.reset_s,
            self.crash_s,
            self.stop_s,
            self.clock_s,
            self.away_s,
            self.old_copy_s,
            self.freeze_s,
            self.rot_s,
            self.wipe_s,
        )
        storms = (weather.loss, weather.straggle, self.disk.stall, self.full_s, self.break_s, self.shape.lag_s)
        return not any(faults) and not any(storms) and self.habits.timeout_min_s >= PATIENT_S


def draw(dice: Random) -> Plan:
    """A plan from a random stream."""
    calm = dice.random() < CALM
    nodes = dice.choice((3, 3, 5))
    plan = Plan(
        shape=Shape(
            nodes=nodes,
            read_all_share=dice.choice((0.0, 0.1, 0.5, 1.0)),
            lag_s=0.0 if calm else dice.choice((0.0, 0.0, 0.02)),
        ),
        weather=Weather(delay_s=dice.choice((0.0005, 0.002, 0.02)), in_order=dice.random() < 0.5),
        disk=DiskHabits(sync_s=dice.choice((0.0005, 0.002, 0.01, 0.05))),
        habits=_draw_habits(dice),
    )
    if not calm:
        _draw_weather(dice, plan)
        _draw_faults(dice, plan)
    if dice.random() < ASYNC:
        plan.shape.durability, plan.crash_s, plan.break_s = "async", 0.0, 0.0
    elif not calm and dice.random() < ILL_FATED:
        _draw_fate(dice, plan)
    return plan


def _draw_habits(dice: Random) -> Habits:
    return Habits(
        clients=dice.randint(2, 8),
        operations=dice.randint(10, 40),
        keys=dice.choice((1, 2, 3)),
        level_weights=dice.choice(((1, 3, 1), (0, 1, 0), (1, 1, 1), (4, 1, 1), (0, 2, 1))),
        write_share=dice.uniform(0.3, 0.7),
        delete_share=dice.choice((0.0, 0.1, 0.4)),
        context_share=dice.choice((0.3, 0.7, 0.95)),
        borrow_share=dice.choice((0.0, 0.1, 0.3)),
        demand_share=dice.choice((0.0, 0.2, 0.5)),
        repeat_share=dice.choice((0.0, 0.1, 0.3)),
        ttl_share=dice.choice((0.0, 0.0, 0.2)),
        pause_s=dice.choice((0.002, 0.02, 0.1, 0.3)),
        timeout_min_s=dice.choice((0.02, 0.3)),
    )


def _draw_weather(dice: Random, plan: Plan) -> None:
    weather, disk = plan.weather, plan.disk
    weather.loss = _some(dice, 0.001, 0.15)
    weather.duplicate = _some(dice, 0.01, 0.4)
    weather.straggle = _some(dice, 0.01, 0.3)
    weather.straggle_s = dice.choice((0.05, 0.5, 3.0))
    weather.notice_s = dice.choice((0.05, 0.4, 1.0))
    disk.stall = _some(dice, 0.01, 0.2)
    disk.stall_s = dice.choice((0.1, 1.0, 3.0))


def _draw_faults(dice: Random, plan: Plan) -> None:
    plan.partition_s = _some(dice, 0.3, 3.0)
    plan.slow_link_s = _some(dice, 0.3, 3.0)
    plan.reset_s = _some(dice, 0.1, 2.0)
    plan.crash_s = _some(dice, 0.2, 2.0)
    plan.down_max = dice.choice((1, 1, 1, plan.shape.nodes))
    plan.stop_s = _some(dice, 0.5, 3.0)
    plan.clock_s = _some(dice, 0.3, 3.0)
    plan.skew_max_ms = dice.choice((100, 1_000, 4_000, 20_000))
    plan.full_s = _some(dice, 0.5, 3.0)
    plan.break_s = _some(dice, 0.5, 3.0)
    plan.freeze_s = _some(dice, 0.5, 4.0)


def _draw_fate(dice: Random, plan: Plan) -> None:
    """One disk loses what it had. What is on that disk alone is lost then, so nothing is asked of one replica."""
    fate = dice.choice(("rot", "wipe", "old copy"))
    plan.rot_s = dice.uniform(0.3, 2.0) if fate == "rot" else 0.0
    plan.wipe_s = dice.uniform(1.0, 4.0) if fate == "wipe" else 0.0
    plan.old_copy_s = dice.uniform(0.5, 2.0) if fate == "old copy" else 0.0
    plan.down_max = 1
    plan.habits.level_weights = dice.choice(((0, 1, 0), (0, 2, 1)))


def _some(dice: Random, low: float, high: float) -> float:
    """A value between the two in half of the runs, 0 in the others."""
    on, value = dice.random() < 0.5, dice.uniform(low, high)
    return value if on else 0.0
