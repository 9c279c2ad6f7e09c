"""What every daemon is: `run_once` does one round, `run_forever` repeats it, with jitter, and survives failures."""

from __future__ import annotations

import asyncio
import traceback
from typing import Protocol

from dynamo.errors import DynamoError
from dynamo.ports import Clock, Randomness
from dynamo.telemetry.logs import Log

log = Log("daemons")

_JITTER = 0.25


class Daemon(Protocol):
    """One kind of background work."""

    name: str
    period_s: float
    """Pause between rounds, give or take a quarter."""

    async def run_once(self) -> None:
        """One round. A DynamoError ends the round, not the daemon."""


async def run_forever(daemon: Daemon, clock: Clock, randomness: Randomness) -> None:
    """Rounds until cancelled. An unexpected exception is logged with its traceback; the next round comes anyway."""
    while True:
        try:
            await daemon.run_once()
        except DynamoError as error:
            log.info("round failed", daemon=daemon.name, problem=error.detail)
        except Exception as bug:
            log.error("round broke", daemon=daemon.name, problem=repr(bug), traceback=traceback.format_exc())
        await pause(clock, daemon.period_s * (1 - _JITTER + 2 * _JITTER * randomness.random()))


async def pause(clock: Clock, seconds: float) -> None:
    """Wait on the node's clock."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock.call_at(clock.monotonic() + seconds, lambda: None if over.done() else over.set_result(None))
    await over
