"""A run's plan for keys of a linearizable bucket: cluster, weather and faults as in `plan.py`, other clients.

What is different: few keys and many hands, since only those who meet can go wrong; powers fail also where
`durability = "async"`, since what acceptors say is on disk whatever that says.
"""

from __future__ import annotations

from random import Random

import msgspec

from dynamo.simulation import plan
from dynamo.simulation.plan import Plan

PATIENT_S = 3.0
"""What every request must be served in where there are no faults, with slow disks and all clients on one key."""
CRASHES_S = (0.2, 2.0)
PARTITIONS = 8
"""Enough for so few keys; the daemons' rounds over them cost the time that clients should have."""


class RegisterHabits(msgspec.Struct):
    """How the clients of one simulation behave. Shares are probabilities."""

    clients: int = 4
    operations: int = 20
    """A client's."""
    registers: int = 1
    """Keys that are put, deleted and compared and set."""
    counters: int = 1
    """Keys that are added to."""
    read_share: float = 0.4
    condition_share: float = 0.5
    """Changes that are made only if something holds."""
    delete_share: float = 0.1
    """Of changes."""
    stale_share: float = 0.2
    """Conditions that name what was there some time ago, or never."""
    repeat_share: float = 0.2
    """Changes that are asked for once more, under the same name."""
    candid_share: float = 0.5
    """Clients that say so when they do."""
    meddle_share: float = 0.1
    """Changes of which somebody asks what became of them while they are under way."""
    resolve_share: float = 0.5
    """Changes of unknown outcome that are resolved by their client."""
    pause_s: float = 0.05
    """Mean pause between two operations."""
    timeout_min_s: float = 0.3
    timeout_max_s: float = 2.0
    rest_s: float = 0.0
    """Pause of each client in the middle of its work. If there is one, it is for the store to forget deleted keys.
    Their version is 0 then, for whoever looks, and goes on from a higher one; so no condition names a version of one.
    """


class RegisterPlan(Plan, kw_only=True):
    """One run. Of `habits` nothing is used."""

    registers: RegisterHabits

    @property
    def keeps_disks(self) -> bool:
        """Whether what was ever on a disk stays there, and readable."""
        return not (self.wipe_s or self.rot_s or self.old_copy_s)


def draw(dice: Random) -> RegisterPlan:
    """A plan from a random stream."""
    base = plan.draw(dice)
    drawn = RegisterPlan(
        **{field: getattr(base, field) for field in base.__struct_fields__}, registers=_draw_registers(dice)
    )
    drawn.shape.partitions = PARTITIONS
    if drawn.shape.durability == "async":
        drawn.crash_s = dice.choice((0.0, dice.uniform(*CRASHES_S)))
    drawn.habits.timeout_min_s = PATIENT_S
    if drawn.is_calm:
        drawn.registers.timeout_min_s, drawn.registers.timeout_max_s = PATIENT_S, PATIENT_S + 1
    return drawn


def _draw_registers(dice: Random) -> RegisterHabits:
    registers, counters = dice.choice(((1, 0), (0, 1), (1, 1), (2, 1)))
    return RegisterHabits(
        clients=dice.randint(2, 7),
        operations=dice.randint(6, 16),
        registers=registers,
        counters=counters,
        read_share=dice.uniform(0.2, 0.6),
        condition_share=dice.choice((0.2, 0.5, 0.9)),
        delete_share=dice.choice((0.0, 0.1, 0.3)),
        stale_share=dice.choice((0.05, 0.2, 0.5)),
        repeat_share=dice.choice((0.0, 0.1, 0.3)),
        meddle_share=dice.choice((0.0, 0.0, 0.1)),
        resolve_share=dice.choice((0.0, 0.5, 1.0)),
        pause_s=dice.choice((0.002, 0.02, 0.1, 0.3)),
        timeout_min_s=dice.choice((0.05, 0.3, 0.3)),
    )
