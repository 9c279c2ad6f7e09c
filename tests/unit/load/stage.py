"""What tests of the load generator share: small plans, and a store in memory that listens in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from dynamo.load.levels import weighted
from dynamo.load.memory_store import Store, serve
from dynamo.load.plan import Plan
from dynamo.workload.mixes import PRESETS
from dynamo.workload.stages import Stage


def plan(**more: Any) -> Plan:
    """A small plan; `more` takes the place of what it says."""
    given: dict[str, Any] = {
        "run": 7,
        "seed": 1,
        "endpoints": [("127.0.0.1", 1)],
        "bucket": "load",
        "mode": "lww",
        "n": 3,
        "records": 50,
        "mix": PRESETS["a"],
        "reads": weighted("one,quorum"),
        "writes": weighted("one,quorum"),
        "stages": (Stage(0.5, 400.0, 400.0),),
        "connections": 8,
    }
    return Plan(**{**given, **more})


@contextlib.contextmanager
def listening(store: Store) -> Iterator[int]:
    """The port of a store that serves until the block ends."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve(store, 0))
    store.server = server
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_end(server, store))
        loop.close()


async def _end(server: asyncio.Server, store: Store) -> None:
    server.close()
    # A connection that is just being taken is not yet among the open ones.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    while store.open:
        for each in store.open:
            each.abort()
        await asyncio.sleep(0)
