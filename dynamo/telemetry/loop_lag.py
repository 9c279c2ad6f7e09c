"""How late the event loop runs its timers: the one number that shows a blocked or overloaded Python process."""

from __future__ import annotations

import asyncio

from dynamo.telemetry.exposition import Histogram


async def measure(lag: Histogram, interval_s: float = 0.25) -> None:
    """Observe the delay of one timer per interval, for ever: run as a task, end by cancelling."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        lag.observe(max(0.0, loop.time() - due))
