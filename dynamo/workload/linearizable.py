"""Linearizable keys: changes and reads of many keys beside etcd's put and linearizable range, and one key for all.

Here like stands against like: a majority has synced a write before it is acknowledged, and a read shows every write
that was acknowledged before it began, on both sides. What an operation costs inside is read from the nodes' own
counters, over everything that ran while they were looked at: round trips of a change, transactions of all stores (each
is one sync), and how many reads were settled by one question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from dynamo.client import answers
from dynamo.client.answer import Answer
from dynamo.client.routing import Routing
from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.keys import KeySpace, RoutedKeys
from dynamo.workload.operations import EtcdPut, EtcdRange, Operation
from dynamo.workload.register_operations import OneKeyAdd, OneKeyCas, RegisterCas, RegisterGet, RegisterPut
from dynamo.workload.report import Ratio, Row, Section, Table, ratio
from dynamo.workload.systems import ETCD_INSTALL, DynamoCluster, EtcdCluster, asked, etcd_version

NODES = 3
BUCKET = "registers"
ANYWHERE = ", any node"
RATE_GOAL = 1.0
P50_GOAL = 1.5
"""Most that the p50 of a compare-and-set may be, as a multiple of that of etcd's put."""
_HEADINGS = [
    "",
    "changes",
    "applied",
    "trips/round",
    "rounds",
    "changes/round",
    "syncs",
    "batches",
    "reads in one trip",
]


class Counts(msgspec.Struct):
    """Sums over all nodes, and what is made of them."""

    changes: float = 0.0
    applied: float = 0.0
    rounds: float = 0.0
    trips: float = 0.0
    commits: float = 0.0
    batches: float = 0.0
    reads: float = 0.0
    fast_reads: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return _each(self, other, 1.0)

    def __sub__(self, other: Counts) -> Counts:
        return _each(self, other, -1.0)


def _each(one: Counts, other: Counts, factor: float) -> Counts:
    names = Counts.__struct_fields__
    return Counts(**{name: getattr(one, name) + factor * getattr(other, name) for name in names})


class RegisterCluster(DynamoCluster):
    """Three nodes with a linearizable bucket."""

    def start(self) -> None:
        super().start()
        asked(self.endpoints[0][1], "PUT", f"/v1/buckets/{BUCKET}", {"mode": "linearizable", "n": NODES})

    def routed(self, keys: KeySpace, bucket: str = BUCKET) -> RoutedKeys:
        """The keys of a bucket, each at its first replica: where our client asks for it."""
        nodes = [f"{host}:{port}" for host, port in self.endpoints]
        routing = Routing(nodes, lambda: 0.0)
        routing.install(answers.ring(Answer(200, {}, asked(self.endpoints[0][1], "GET", "/v1/ring", None))))
        first = [routing.order(bucket, key.encode(), 0.0)[0] for key in keys.keys]
        return RoutedKeys(keys, [nodes.index(node) for node in first], len(nodes))

    def counts(self) -> Counts:
        """What all nodes together have counted so far. Raises ServerFailed."""
        total = Counts()
        for _, _, ops_port in self.members.values():
            total += counts_of(asked(ops_port, "GET", "/metrics", None).decode())
        return total


def counts_of(page: str) -> Counts:
    """The counts on one page of metrics."""
    series: dict[str, dict[str, float]] = {}
    for line in page.splitlines():
        if line.startswith(("dynamo_paxos", "dynamo_storage")):
            name, _, value = line.rpartition(" ")
            bare, _, label = name.partition("{")
            series.setdefault(bare, {})[label] = float(value)

    def total(name: str, label: str = "") -> float:
        return sum(value for labels, value in series.get(name, {}).items() if label in labels)

    return Counts(
        changes=total("dynamo_paxos_changes_total"),
        applied=total("dynamo_paxos_changes_total", '"applied"'),
        rounds=total("dynamo_paxos_rounds_total"),
        trips=total("dynamo_paxos_round_trips_sum"),
        commits=total("dynamo_storage_commits_total"),
        batches=total("dynamo_storage_batch_size_sum"),
        reads=total("dynamo_paxos_reads_total"),
        fast_reads=total("dynamo_paxos_reads_total", '"fast"'),
    )


def linearizable(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Our cluster, beside etcd where it is installed. Raises ServerFailed."""
    version, keys = etcd_version(), KeySpace(settings.seed, settings.keys, settings.value_bytes)
    section = Section(title=f"Linearizable: {NODES} nodes, N={NODES}", skipped="" if version else ETCD_INSTALL)
    with ExitStack() as stack:
        ours = stack.enter_context(RegisterCluster(folder, NODES, NODES))
        routed = ours.routed(keys)
        put = RegisterPut(routed, BUCKET)
        fill(put, ours.endpoints, settings, loop)
        cas, get = RegisterCas(routed, BUCKET, put.versions), RegisterGet(routed, BUCKET)
        anywhere = RegisterPut(keys, BUCKET, put.versions, ANYWHERE)
        mine: list[Operation] = [cas, put, get, anywhere, OneKeyCas(keys, BUCKET), OneKeyAdd(keys, BUCKET)]
        contenders = [Contender(ours, each) for each in mine]
        if version:
            theirs = stack.enter_context(EtcdCluster(folder, NODES))
            etcd_put, etcd_range = EtcdPut(keys), EtcdRange(keys, serializable=False)
            fill(etcd_put, theirs.endpoints, settings, loop)
            # Each next to what it is compared with: what drifts within a round drifts for both.
            contenders.insert(contenders.index(Contender(ours, put)), Contender(theirs, etcd_put))
            contenders.insert(contenders.index(Contender(ours, get)), Contender(theirs, etcd_range))
        counted: dict[str, Counts] = {each.name: Counts() for each in mine}

        @contextmanager
        def counting(contender: Contender) -> Iterator[None]:
            before = ours.counts()
            yield
            if contender.system is ours:
                counted[contender.operation.name] += ours.counts() - before

        section.rows = interleaved(contenders, settings, loop, progress, counting)
        section.notes = _notes(settings, ours, version)
    lines = [_line(name, counts) for name, counts in counted.items()]
    section.tables.append(Table(headings=_HEADINGS, lines=lines))
    section.details = {name: msgspec.to_builtins(counts) for name, counts in counted.items()}
    section.ratios = ratios(section.rows)
    return section


def ratios(rows: list[Row]) -> list[Ratio]:
    """Ours beside etcd's; none where it was not measured."""
    found = {f"{row.system} {row.operation}": row for row in rows}
    theirs = found.get(f"etcd {EtcdPut.name}")
    if theirs is None:
        return []
    ranges = next(row for name, row in found.items() if name.startswith("etcd range"))
    cas = found[f"dynamo {RegisterCas.name}"]
    slower = [mine.p50_ms / other.p50_ms for mine, other in zip(cas.samples, theirs.samples, strict=True)]
    return [
        ratio(f"dynamo {RegisterCas.name} / etcd put", cas, theirs, RATE_GOAL),
        Ratio(name="their p50", values=slower, goal=P50_GOAL, at_most=True),
        ratio("dynamo PUT, linearizable / etcd put", found["dynamo PUT, linearizable"], theirs),
        ratio("dynamo GET, linearizable / etcd range, linearizable", found["dynamo GET, linearizable"], ranges),
    ]


def _line(name: str, counts: Counts) -> list[str]:
    """One operation in the table of what the nodes counted."""
    each = counts.changes or counts.reads
    return [
        name,
        f"{counts.changes:,.0f}",
        _share(counts.applied, counts.changes),
        _per(counts.trips, counts.rounds),
        f"{counts.rounds:,.0f}",
        _per(counts.changes, counts.rounds),
        _per(counts.commits, each),
        _per(counts.batches, each),
        _share(counts.fast_reads, counts.reads),
    ]


def _per(amount: float, of: float) -> str:
    return f"{amount / of:.2f}" if of else ""


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _notes(settings: Settings, ours: RegisterCluster, version: str) -> list[str]:
    keys = f"{settings.keys:,} keys, values of {settings.value_bytes} bytes"
    inside = (
        "syncs, batches: of all three stores together, for each change or read; trips of a round, for all its changes"
    )
    notes = [
        f"{settings.connections} connections, closed loop; {keys}; client and all nodes share the machine",
        "dynamo: a majority of the replicas has synced a change; asked at each key's first replica, as our client does",
        inside,
    ]
    return [*notes, f"etcd {version}: a majority synced its log; asked at its leader"] if version else notes
