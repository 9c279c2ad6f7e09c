import asyncio
import logging

import pytest

from dynamo.daemons.daemon import pause, run_forever
from dynamo.errors import QuorumUnavailable
from tests.unit.node.world import Dice, ManualClock


class Counting:
    """A daemon that counts its rounds, and fails in some of them."""

    name = "counting"
    period_s = 10.0

    def __init__(self, **failures: Exception) -> None:
        self.rounds = 0
        self._failures = failures

    async def run_once(self) -> None:
        self.rounds += 1
        failure = self._failures.get(f"round{self.rounds}")
        if failure is not None:
            raise failure


async def ticks(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(task: asyncio.Task) -> None:
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


@pytest.mark.parametrize(("thrown", "pause_s"), [(0.0, 7.5), (0.5, 10.0), (0.999999, 12.5)])
async def test_rounds_come_at_the_daemons_pace(thrown, pause_s):
    """One at once, then one after each period, give or take a quarter by the dice."""
    clock, daemon = ManualClock(), Counting()
    task = asyncio.ensure_future(run_forever(daemon, clock, Dice(thrown)))
    await ticks()
    for rounds in (1, 2, 3):
        assert daemon.rounds == rounds
        clock.turn(pause_s - 0.01)
        await ticks()
        assert daemon.rounds == rounds
        clock.turn(0.02)
        await ticks()
    await ended(task)


async def test_a_round_that_fails_is_not_the_last(caplog):
    """Neither by an error of the catalogue nor by a bug; both are logged, the bug as an error with its traceback."""
    caplog.set_level(logging.INFO, "dynamo.daemons")
    clock = ManualClock()
    daemon = Counting(round1=QuorumUnavailable("too few are alive"), round2=ZeroDivisionError("a bug"))
    task = asyncio.ensure_future(run_forever(daemon, clock, Dice(0.5)))
    await ticks()
    for _ in range(2):
        clock.turn(10.0)
        await ticks()
    assert daemon.rounds == 3
    await ended(task)
    expected, bug = caplog.records
    assert (expected.levelno, expected.exc_info) == (logging.INFO, None)
    assert (bug.levelno, bug.exc_info[0]) == (logging.ERROR, ZeroDivisionError)


async def test_a_pause_is_on_the_nodes_clock():
    """It ends when that clock has come to it, and bears being given up."""
    clock = ManualClock()
    waiting, given_up = (asyncio.ensure_future(pause(clock, 3.0)) for _ in range(2))
    await ticks()
    given_up.cancel()
    clock.turn(2.9)
    await ticks()
    assert not waiting.done()
    clock.turn(0.1)
    await waiting
