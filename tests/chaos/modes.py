"""The kinds of run: which load, who judges it, and what a report says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dynamo.checker.history import Operation
from tests.chaos import judge, judge_registers, quorum_clients, register_clients
from tests.chaos.clients import LEDGER, Shoppers
from tests.chaos.crowd import Crowd
from tests.chaos.journal import Journal
from tests.chaos.watch import EVENTS, PAXOS_EVENTS


@dataclass(frozen=True, slots=True)
class Mode:
    """One kind of run."""

    name: str
    crowd: Callable[[Journal, Mapping[str, str], int], Crowd]
    """From journal, endpoints and seed."""
    judge: Callable[[judge.Evidence], judge.Verdict]
    promises: Mapping[str, str]
    facts: Sequence[tuple[str, str]]
    """What a reader wants to know first: a name in `Verdict.checked`, and the words for it."""
    columns: Mapping[str, Callable[[Operation], bool]]
    """Parts of the operations whose share of answers is told for each fault."""
    unfit: tuple[str, ...] = ()
    """Faults that break more than the mode promises."""
    strict: tuple[str, ...] = ()
    """Buckets with strict quorums."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Of buckets that have not the usual number."""
    events: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EVENTS)
    """What the nodes count that a reader wants to know."""


def _is_read(operation: Operation) -> bool:
    return operation.call.kind == "get"


def _is_write_to(operation: Operation, *buckets: str) -> bool:
    return operation.call.kind != "get" and operation.call.bucket in buckets


MIXED = Mode(
    name="mixed",
    crowd=Shoppers,
    judge=judge.judge,
    promises=judge.PROMISES,
    facts=(
        ("writes acknowledged", "writes acknowledged"),
        ("lost", "of them lost"),
        ("reads answered", "reads answered"),
        ("keys", "keys"),
        ("writes of unknown outcome", "writes of unknown outcome"),
        ("writes refused", "writes refused"),
    ),
    columns={
        "reads ok": _is_read,
        "sloppy writes ok": lambda o: not _is_read(o) and o.call.bucket != LEDGER,
        "strict writes ok": lambda o: _is_write_to(o, LEDGER),
    },
    # What W=1 has acknowledged is on one disk only.
    unfit=("wipe",),
    strict=(LEDGER,),
)
_REGISTER_FACTS = (
    ("operations judged legal", "operations judged legal"),
    ("writes acknowledged", "writes acknowledged"),
    ("reads answered", "reads answered"),
    ("keys", "keys"),
    ("writes of unknown outcome", "writes of unknown outcome"),
    ("writes refused", "writes refused"),
)
LINEARIZABLE = Mode(
    name="linearizable",
    crowd=register_clients.Officials,
    judge=judge_registers.judge,
    promises=judge_registers.PROMISES,
    facts=_REGISTER_FACTS,
    columns={
        "reads ok": _is_read,
        "writes ok, N=3": lambda o: _is_write_to(o, register_clients.REGISTERS),
        "writes ok, N=5": lambda o: _is_write_to(o, register_clients.COUNTERS),
    },
    replicas=register_clients.REPLICAS,
    events=EVENTS | PAXOS_EVENTS,
)
QUORUM = Mode(
    name="quorum",
    crowd=quorum_clients.Readers,
    judge=judge_registers.judge_quorums,
    promises={"linearizable": judge_registers.PROMISES["linearizable"]},
    facts=_REGISTER_FACTS,
    columns={"reads ok": _is_read, "writes ok": lambda o: not _is_read(o)},
    unfit=("wipe",),
)
MODES = {mode.name: mode for mode in (MIXED, LINEARIZABLE, QUORUM)}
