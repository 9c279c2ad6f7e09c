"""How late the event loop runs its timers: the one number that shows a blocked, overloaded or stopped process."""

from __future__ import annotations

import asyncio

from dynamo.telemetry.exposition import Histogram
from dynamo.telemetry.stall import Stall


async def measure(lag: Histogram, stall: Stall, interval_s: float = 0.25) -> None:
    """Observe the delay of one timer per interval, for ever: run as a task, end by cancelling."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        now = loop.time()
        stall.beat(now)
        lag.observe(max(0.0, now - due))
