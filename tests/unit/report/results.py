"""A result for tests of the report: three nodes, two levels of reads, two of writes, a node away for a while."""

import random
from typing import Any

from dynamo.report.counts import Checks, Counts, Probed, Promise, Requests
from dynamo.report.result import Agreement, Moment, Result, Slice
from dynamo.workload.hlog import counts_of

MS = 1_000_000


def requests(chance: random.Random, count: int, median_ms: float, failed: int = 0) -> Requests:
    service = [int(median_ms * MS * chance.lognormvariate(0, 0.4)) for _ in range(count)]
    response = [value + chance.randrange(MS) for value in service]
    return Requests([count - failed, 0, failed, 0, 0, 0], _counted(response), _counted(service))


def _counted(values: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for value in values:
        for bucket in counts_of({value: 1}):
            found[bucket] = found.get(bucket, 0) + 1
    return found


def second(seed: int, *, slower: float = 1.0, stale: int = 6, down: bool = False) -> Counts:
    """What ends in one second."""
    chance = random.Random(seed)
    return Counts(
        requests={
            "get one": requests(chance, 100, 1.0 * slower),
            "get all": requests(chance, 80, 3.0 * slower, failed=80 if down else 0),
            "put quorum": requests(chance, 60, 5.0 * slower),
        },
        checks={
            "one one": Checks([100 - stale, stale, 0, 0], counts_of({30 * MS: stale}), {1: stale - 1, 3: 1}),
            "one quorum": Checks([99, 0, 1, 0]),
            "one any": Checks([100 - stale, stale, 0, 0]),
            "all one": Checks([0 if down else 80, 0, 0, 2]),
            "all quorum": Checks([0 if down else 80, 0, 0, 2]),
            "all any": Checks([0 if down else 80, 0, 0, 2]),
        },
        probes={
            "one one 0": Probed([3, 2, 0, 0], 0.001, 3),
            "one one 50": Probed([5, 0, 0, 0], 0.26, 0),
            "all quorum 50": Probed([5, 0, 0, 0], 0.26, 0),
        },
        promises={"one monotonic_reads": Promise(20, 1)},
        send_delay=counts_of({MS // 10: 240}),
        arrived=240,
        client_s=0.01,
    )


def result(seconds: int = 10, **more: Any) -> Result:
    """`more` is for `second`, or takes the place of a part of the result."""
    shaped = {name: more.pop(name) for name in ("slower", "stale") if name in more}
    slices = [Slice(float(at), 1.0, second(at, down=3 <= at < 6, **shaped)) for at in range(seconds)]
    totals = Counts()
    for each in slices:
        totals.add(each.counts)
    given: dict[str, Any] = {
        "taken": "2026-11-26T04:00:00+00:00",
        "began_s": 1_795_000_000.0,
        "plan": {"mode": "lww", "spacing": "poisson", "bucket": "load", "closed": False, "seed": 1},
        "n": 3,
        "reads": ["one", "all"],
        "writes": ["one", "quorum"],
        "nodes": ["node1", "node2", "node3"],
        "seconds": float(seconds),
        "totals": totals,
        "slices": slices,
        "moments": [Moment(3.0, "kill", "node2"), Moment(6.0, "start", "node2")],
        "agreements": [
            Agreement(6.5, 40, 10, {"read repair": 1.0, "hints": 20.0, "anti-entropy": 0.0}, 0.5),
            Agreement(7.0, 40, 40, {"read repair": 2.0, "hints": 50.0, "anti-entropy": 8.0}),
        ],
        "hints": [(at + 0.5, 10.0 * (3 <= at < 6)) for at in range(seconds)],
    }
    return Result(**{**given, **more})
