"""`python -m tests.counts.ageing`: what a compare-and-set takes of the processor as a cluster grows old.

Three whole nodes in this process (`nodes.py`), 60 changes at a time, each key in turn. A line for every 24,000 changes:
the median of runs of 600, in us of processor for each, the clients' share and the store's writes included. Pin it to
one processor (`taskset -c 1`), and compare only with what runs beside it: see decision 0024.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.counts.__main__ import MEMORY
from tests.counts.nodes import Nodes, stand_still
from tests.counts.wires import WiredLoop

CLIENTS, EACH = 60, 10
PAUSE_S = 0.04
"""Between two runs, of the clock that stands still meanwhile: some 2,500 changes a second, as old entries see it."""


async def grow_old(folder: Path, changes: int, keys: int, shown_every: int) -> None:
    """Change and show."""
    from dynamo.workload.register_operations import RegisterCas
    from tests.counts import measure
    from tests.counts.clients import steps, wave

    measure.CLIENTS, measure.EACH, measure.KEYS = CLIENTS, EACH, keys
    nodes = Nodes(folder)
    await nodes.start()
    stage = measure.Stage(nodes, lambda _: "")
    await stage.prepare()
    operation = RegisterCas(stage._routed, measure.REGISTERS, stage._registers.versions)
    clients = await stage._clients(operation)
    run = len(clients) * EACH
    took: list[float] = []
    for made in range(run, changes + 1, run):
        began = time.thread_time()
        for step in steps(clients):
            await wave(operation, clients, step)
        took.append((time.thread_time() - began) * 1e6 / run)
        await asyncio.sleep(PAUSE_S)
        if made % shown_every == 0:
            sys.stdout.write(f"after {made:9,} changes {statistics.median(took):6.1f} us\n")
            sys.stdout.flush()
            took.clear()
    await nodes.stop()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.counts.ageing", description=__doc__)
    parser.add_argument("--changes", type=int, default=192_000, metavar="N", help="how many are made (default 192000)")
    parser.add_argument("--keys", type=int, default=20_000, metavar="N", help="on so many keys (default 20000)")
    parser.add_argument("--every", type=int, default=24_000, metavar="N", help="changes of a line (default 24000)")
    options = parser.parse_args(arguments)
    loop = WiredLoop()
    stand_still(loop)
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        loop.run_until_complete(grow_old(Path(folder), options.changes, options.keys, options.every))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
