"""The mechanisms that keep the data, each switched off in turn, and the tests that must notice.

A test suite proves nothing by passing; it proves something by failing when it should. A row names a mechanism, how to
take it out, and at least one test that fails without it. `make mutants` runs all rows and prints what killed each.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from unittest.mock import patch

import msgspec

from dynamo.replication.read_repair import Reconciled
from dynamo.simulation import disk

MECHANISMS = "tests/simulation/test_mechanisms.py"
Taken = AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mechanism, out of order. `tests` are node ids; each must fail."""

    name: str
    what: str
    take_out: Callable[[], Taken]
    tests: tuple[str, ...]


def no_read_repair() -> Taken:
    return patch.object(Reconciled, "stale", lambda _: [])


def no_new_incarnation() -> Taken:
    init = disk.Platter.__init__

    def keeping(self: disk.Platter, node: str, habits: disk.DiskHabits) -> None:
        init(self, node, msgspec.structs.replace(habits, forgets_incarnation=False))

    return patch.object(disk.Platter, "__init__", keeping)


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "read-repair",
        "reads leave replicas as they are",
        no_read_repair,
        (f"{MECHANISMS}::test_read_repair_alone_brings_replicas_together",),
    ),
    Mutant(
        "incarnation",
        "a node goes on as the same actor after a crash",
        no_new_incarnation,
        (f"{MECHANISMS}::test_a_node_that_forgot_a_dot_mints_as_somebody_else",),
    ),
)
