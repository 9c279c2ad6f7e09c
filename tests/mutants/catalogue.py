"""The mechanisms that keep the data, each switched off in turn, and the tests that must notice.

A test suite proves nothing by passing; it proves something by failing when it should. A row names a mechanism, how to
take it out, and at least one test that fails without it. `make mutants` runs all rows and prints what killed each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import msgspec

from dynamo.daemons import reaper
from dynamo.daemons.hint_sender import HintSender
from dynamo.daemons.repairer import Repairer
from dynamo.layout.hint import Hint
from dynamo.membership.store_ages import StoreAges
from dynamo.node import hint_book
from dynamo.node.coordinator import Coordinator
from dynamo.node.hint_book import HintBook
from dynamo.node.reaping import Reaping
from dynamo.protocol.messages import DeadKey
from dynamo.repair.tombstones import Looks
from dynamo.replication import legs
from dynamo.replication.read_repair import Reconciled
from dynamo.replication.write import QuorumWrite
from dynamo.simulation import disk
from tests.mutants.mutant import Mutant, Taken
from tests.mutants.paxos_table import PAXOS
from tests.mutants.staleness_table import STALENESS
from tests.mutants.store_log import LOG

MECHANISMS = "tests/simulation/test_mechanisms.py"
RESURRECTION = "tests/simulation/test_resurrection.py"


def no_read_repair() -> Taken:
    return patch.object(Reconciled, "stale", lambda _: [])


def no_new_incarnation() -> Taken:
    init = disk.Platter.__init__

    def keeping(self: disk.Platter, node: str, habits: disk.DiskHabits) -> None:
        init(self, node, msgspec.structs.replace(habits, forgets_incarnation=False))

    return patch.object(disk.Platter, "__init__", keeping)


def reaping_by_time_alone() -> Taken:
    def too_young(self: Reaping, key: DeadKey) -> str:
        base = self._records.base(key.bucket, key.key)
        return "" if base.data and self.is_candidate(key.bucket, key.key, base) else "young"

    return _all(
        patch.object(reaper, "unanimous", lambda *asked: [True] * asked[2]),
        patch.object(reaper.Reaper, "_everybody_is_there", lambda _: True),
        patch.object(Reaping, "_objection", too_young),
    )


def reaping_by_majority() -> Taken:
    def majority(votes: Mapping[str, list[bool]], asked: list[str], count: int) -> list[bool]:
        said = [votes[node] for node in asked if node in votes]
        return [2 * sum(answer[place] for answer in said) > len(asked) for place in range(count)]

    return _all(
        patch.object(reaper, "unanimous", majority),
        patch.object(reaper.Reaper, "_everybody_is_there", lambda _: True),
    )


def reaping_beside_hints() -> Taken:
    return patch.object(HintBook, "holds_any", lambda *_: False)


def reaping_at_the_first_look() -> Taken:
    def agreed(self: Looks, keys: Iterable[DeadKey], now: float) -> None:
        for key in keys:
            self._waiting[key.bucket, key.key] = (now, key)

    return patch.object(Looks, "agreed", agreed)


def no_memory_of_stores() -> Taken:
    return patch.object(StoreAges, "objection", lambda *_: "")


@contextmanager
def _all(*taken: Taken) -> Iterator[None]:
    with ExitStack() as stack:
        for each in taken:
            stack.enter_context(each)
        yield


def no_hints() -> Taken:
    return patch.object(Coordinator, "_handoff", lambda *_: None)


def no_delivery() -> Taken:
    async def idle(_: HintSender) -> None:
        """One round of nothing."""

    return patch.object(HintSender, "run_once", idle)


def hints_overwrite() -> Taken:
    def newest(held: Hint | None, data: bytes, *_: object, now_ms: int, age_max_ms: int) -> Hint:
        return Hint(data, now_ms, now_ms + age_max_ms)

    return patch.object(hint_book, "kept", newest)


def nobody_is_silent() -> Taken:
    return patch.object(QuorumWrite, "on_wakeup", lambda self, now: self._end(now))


def no_anti_entropy() -> Taken:
    async def idle(_: Repairer) -> None:
        """One round of nothing."""

    return patch.object(Repairer, "run_once", idle)


def halved_round_trips() -> Taken:
    return patch.object(legs, "_clock_ahead", lambda _: None)


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "read-repair",
        "reads leave replicas as they are",
        no_read_repair,
        (f"{MECHANISMS}::test_read_repair_alone_brings_replicas_together",),
    ),
    Mutant(
        "hints",
        "nothing is kept for a replica that cannot take a write",
        no_hints,
        (f"{MECHANISMS}::test_hints_alone_bring_a_returned_replica_up_to_date",),
    ),
    Mutant(
        "hint-delivery",
        "hints are kept, and never sent",
        no_delivery,
        (f"{MECHANISMS}::test_hints_alone_bring_a_returned_replica_up_to_date",),
    ),
    Mutant(
        "hint-merge",
        "a second hint for a key takes the place of the first",
        hints_overwrite,
        (f"{MECHANISMS}::test_hints_of_two_coordinators_are_merged",),
    ),
    Mutant(
        "silent-replicas",
        "only who is down or fails gets a hint",
        nobody_is_silent,
        (f"{MECHANISMS}::test_the_share_of_a_silent_replica_is_kept_in_time_to_count",),
    ),
    Mutant(
        "anti-entropy",
        "replicas are never compared",
        no_anti_entropy,
        (f"{MECHANISMS}::test_anti_entropy_alone_brings_replicas_together",),
    ),
    Mutant(
        "incarnation",
        "a node goes on as the same actor after a crash",
        no_new_incarnation,
        (f"{MECHANISMS}::test_a_node_that_forgot_a_dot_mints_as_somebody_else",),
    ),
    Mutant(
        "reaping-time",
        "tombstones go once they are old, whoever is away",
        reaping_by_time_alone,
        (f"{RESURRECTION}::test_a_replica_that_was_away_for_long_brings_nothing_back[False]",),
    ),
    Mutant(
        "reaping-majority",
        "tombstones go once most nodes agree",
        reaping_by_majority,
        (f"{RESURRECTION}::test_a_replica_that_was_away_for_long_brings_nothing_back[False]",),
    ),
    Mutant(
        "reaping-hints",
        "tombstones go although a hint for their key waits",
        reaping_beside_hints,
        (f"{RESURRECTION}::test_nothing_is_forgotten_while_a_hint_waits",),
    ),
    Mutant(
        "reaping-second-look",
        "tombstones go at the first look",
        reaping_at_the_first_look,
        (f"{RESURRECTION}::test_a_message_from_before_the_delete_comes_in_time",),
    ),
    Mutant(
        "old-copies",
        "a disk put back from another time is let in",
        no_memory_of_stores,
        (f"{RESURRECTION}::test_a_disk_from_before_the_delete_is_not_let_in",),
    ),
    *LOG,
    Mutant(
        "two-ways",
        "staleness is predicted from halves of round trips",
        halved_round_trips,
        ("tests/simulation/test_pbs.py::test_reads_find_what_was_predicted",),
    ),
    *PAXOS,
    *STALENESS,
)
