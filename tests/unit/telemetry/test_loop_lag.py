import asyncio
import time

from dynamo.telemetry.exposition import Histogram
from dynamo.telemetry.loop_lag import measure
from dynamo.telemetry.stall import Stall


async def test_a_blocked_loop_shows():
    """While the loop is blocked for 200 ms, a timer is observed at least that late less its own interval."""
    lag = Histogram((0.05, 0.1))
    stall = Stall(0.1)
    task = asyncio.create_task(measure(lag, stall, 0.01))
    await asyncio.sleep(0)
    time.sleep(0.2)
    deadline = time.monotonic() + 5
    while lag.count == 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    task.cancel()
    assert lag.buckets[2] >= 1
    assert lag.sum >= 0.15


async def test_a_stopped_loop_is_noticed():
    """A loop that stood still between two beats for longer than a request waits."""
    stall = Stall(0.1)
    task = asyncio.create_task(measure(Histogram((1.0,)), stall, 0.01))
    deadline = time.monotonic() + 5
    while stall.doubts(time.monotonic() + 0.05) and time.monotonic() < deadline:
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    assert not stall.doubts(time.monotonic())
    time.sleep(0.2)
    assert stall.doubts(time.monotonic())
    task.cancel()
