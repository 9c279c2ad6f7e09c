"""What our HTTP API costs over the library it stands on: one node's GET at R=1 beside a bare aiohttp handler.

Both servers run on the same one core with the same event loop, and the client on another, so the ratio of their rates
is that of their work per request. Both answer the same number of bytes of body; ours parses a key and a query, finds
bucket, replicas and record, checks the record, and says context, ETag and the rest in its header.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.cpu import cores
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Fixed, Get, Put
from dynamo.workload.processes import pinned
from dynamo.workload.report import Section, ratio, work_ratio
from dynamo.workload.systems import BUCKET, BareServer, DynamoCluster

BODY_BYTES = 100
GOAL = 1.5
"""The bare server's rate, so many times, is what a node should reach: it goes round what that server stands on."""


def front(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Measure both. Raises ServerFailed."""
    server_core, client_core = _placement()
    keys = KeySpace(settings.seed, settings.keys, BODY_BYTES)
    bare = BareServer(folder, keys.values[0], server_core)
    node = DynamoCluster(folder, nodes=1, n=1, core=server_core)
    with bare, node, pinned(client_core):
        fill(Put(keys, BUCKET, w=1), node.endpoints, settings, loop)
        rows = interleaved(
            [Contender(bare, Fixed(keys, "/", keys.values[0])), Contender(node, Get(keys, BUCKET, r=1))],
            settings,
            loop,
            progress,
        )
    pinning = "not pinned: there is only one core" if server_core is None else "servers on one core, client on another"
    return Section(
        title=f"Front: one node (N=1) beside a bare aiohttp handler, {BODY_BYTES} bytes of body",
        notes=[f"{settings.connections} connections, closed loop; {pinning}"],
        rows=rows,
        ratios=[
            ratio("requests/s, dynamo GET R=1 / bare aiohttp", rows[1], rows[0], GOAL),
            work_ratio("processor time per request, bare aiohttp / dynamo GET R=1", rows[1], rows[0]),
        ],
    )


def _placement() -> tuple[int | None, int | None]:
    """Core of the servers and core of the client; nobody is pinned where there is only one."""
    here = cores()
    return (here[0], here[1]) if len(here) > 1 else (None, None)
