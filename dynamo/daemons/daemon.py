"""What every daemon is: `run_once` does one round, `run_forever` repeats it, with jitter, and survives failures."""

from __future__ import annotations

import asyncio
from typing import Protocol

from dynamo.errors import DynamoError
from dynamo.ports import Clock, Randomness
from dynamo.telemetry.logs import Log

journal = Log("daemons")

_JITTER = 0.25


class Daemon(Protocol):
    """One kind of background work."""

    name: str

    @property
    def period_s(self) -> float:
        """Pause between rounds, give or take a quarter."""

    async def run_once(self) -> None:
        """One round. A DynamoError ends the round, not the daemon."""


async def run_forever(daemon: Daemon, clock: Clock, randomness: Randomness) -> None:
    """Rounds until cancelled. An unexpected exception is logged with its traceback; the next round comes anyway."""
    while True:
        try:
            await daemon.run_once()
        except DynamoError as error:
            journal.info("round failed", daemon=daemon.name, problem=error.detail)
        except Exception as bug:  # noqa: BLE001  # one bad round must not end the daemon; it is logged in full
            journal.bug("round broke", bug, daemon=daemon.name)
        await pause(clock, daemon.period_s * (1 - _JITTER + 2 * _JITTER * randomness.random()))


async def pause(clock: Clock, seconds: float) -> None:
    """Wait on the node's clock."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock.call_at(clock.monotonic() + seconds, lambda: None if over.done() else over.set_result(None))
    await over
