import asyncio

import pytest

from dynamo.workload import linearizable as room
from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.linearizable import Counts, counts_of, linearizable, ratios
from dynamo.workload.report import Row
from dynamo.workload.runner import Sample
from dynamo.workload.systems import ETCD_INSTALL

SETTINGS = Settings(seconds=0.3, rounds=1, connections=6, keys=30, value_bytes=32, warm_up_s=0.05)
OURS = [
    "CAS, version",
    "PUT, linearizable",
    "GET, linearizable",
    "PUT, linearizable, any node",
    "CAS, version, one key",
    "add, one key",
]


@pytest.mark.cluster
def test_our_cluster_alone(tmp_path, monkeypatch):
    """Rows without a fault; each change of a key of its own is one, in one round trip or two; reads cost no sync."""
    monkeypatch.setattr(room, "etcd_version", lambda: "")
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        section = linearizable(tmp_path, SETTINGS, loop, print)
    assert section.skipped == ETCD_INSTALL
    assert [row.operation for row in section.rows] == OURS
    assert [row.faults for row in section.rows] == [0] * 6
    counts = {name: Counts(**told) for name, told in section.details.items()}
    alone = counts["CAS, version"]
    assert alone.applied == alone.changes == alone.rounds
    assert alone.rounds <= alone.trips <= 2 * alone.rounds
    assert counts["GET, linearizable"].reads > counts["GET, linearizable"].changes == 0
    assert 0 < counts["CAS, version, one key"].applied < counts["CAS, version, one key"].changes
    assert counts["add, one key"].rounds < counts["add, one key"].changes
    assert section.ratios == []


def test_counts_are_sums_over_labels():
    page = (
        'dynamo_paxos_changes_total{result="applied"} 7\ndynamo_paxos_changes_total{result="unchanged"} 2\n'
        'dynamo_paxos_rounds_total{kind="lead"} 4\ndynamo_paxos_rounds_total{kind="full"} 1\n'
        "dynamo_paxos_round_trips_sum 6\ndynamo_storage_commits_total 3\ndynamo_storage_batch_size_sum 20\n"
        'dynamo_paxos_reads_total{way="fast"} 9\ndynamo_paxos_reads_total{way="round"} 1\n# HELP dynamo_paxos_x y\n'
    )
    counts = counts_of("".join(line + "\n" for line in page.splitlines() if not line.startswith("#")))
    assert counts == Counts(changes=9, applied=7, rounds=5, trips=6, commits=3, batches=20, reads=10, fast_reads=9)
    assert counts - counts == Counts()
    assert (counts + counts).changes == 18


def row(system: str, operation: str, rate: float, p50_ms: float) -> Row:
    rest = dict.fromkeys(("p99_ms", "max_ms", "server_cpu_us", "client_cpu_us", "others_cores"), 0.0)
    sample = Sample(requests=1, seconds=1, rate=rate, p50_ms=p50_ms, faults=0, first_fault="", **rest)
    return Row(system=system, operation=operation, samples=[sample])


def test_like_is_set_beside_like():
    """A compare-and-set beside a put, in rate and p50, with the goals; a read beside a linearizable range."""
    rows = [row("dynamo", name, 100.0, 3.0) for name in OURS]
    rows += [row("etcd", "put", 80.0, 1.0), row("etcd", "range, linearizable", 200.0, 1.0)]
    found = {each.name: (each.median, each.met) for each in ratios(rows)}
    assert found == {
        "dynamo CAS, version / etcd put": (1.25, True),
        "their p50": (3.0, False),
        "dynamo PUT, linearizable / etcd put": (1.25, True),
        "dynamo GET, linearizable / etcd range, linearizable": (0.5, True),
    }
    assert ratios(rows[: len(OURS)]) == []
