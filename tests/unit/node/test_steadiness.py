"""A process that was stopped, or whose clock has jumped, knows it."""

from __future__ import annotations

import pytest

from dynamo.node.steadiness import PAUSE_S, PERIOD_S, Steadiness
from tests.unit.node.world import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def steadiness(clock: ManualClock) -> Steadiness:
    watching = Steadiness(clock, jump_max_ms=5000)
    watching.watch()
    return watching


def passes(clock: ManualClock, seconds: float) -> None:
    """Time goes by as it should."""
    for _ in range(int(seconds / PERIOD_S)):
        clock.turn(PERIOD_S)
        clock.wall += int(PERIOD_S * 1000)


def test_a_start_is_no_pause(clock: ManualClock, steadiness: Steadiness):
    """A process that has just begun has no old requests."""
    assert steadiness.lasts(90.0)
    passes(clock, 30.0)
    assert steadiness.lasts(90.0)


def test_a_pause_is_noticed_before_the_timer_has_its_turn(clock: ManualClock, steadiness: Steadiness):
    """Whatever is done first after a pause is done as after one."""
    passes(clock, 10.0)
    clock.now += PAUSE_S + 2 * PERIOD_S
    assert not steadiness.lasts(90.0)


def test_a_pause_is_over_after_a_while(clock: ManualClock, steadiness: Steadiness):
    """Once the time that was asked for has passed without another one."""
    clock.now += 3600.0
    clock.wall += 3_600_000
    passes(clock, 89.0)
    assert not steadiness.lasts(90.0)
    passes(clock, 3.0)
    assert steadiness.lasts(90.0)


@pytest.mark.parametrize("jump_ms", [-6000, 6000])
def test_a_jump_of_the_clock_is_noticed(clock: ManualClock, steadiness: Steadiness, jump_ms: int):
    """In either direction."""
    passes(clock, 10.0)
    clock.wall += jump_ms
    passes(clock, 1.0)
    assert not steadiness.lasts(90.0)


def test_small_corrections_are_no_jump(clock: ManualClock, steadiness: Steadiness):
    """Clocks are slewed and stepped a little all the time."""
    passes(clock, 10.0)
    clock.wall += 4000
    passes(clock, 10.0)
    assert steadiness.lasts(90.0)
