"""Time under test. A busy machine may stall any step for seconds, so no test counts on being quick.

Where time does not matter, limits are wide. Where a call is to end without an answer, it runs out of retries, which
are counted, instead of time. Where time is the claim itself, the loop's clock stands still and the test moves it.
"""

from __future__ import annotations

import asyncio

import pytest

from dynamo.client import caller, connection, retry

WIDE_S = 60.0


class Clock:
    """The time of the running loop: it stands still, so no deadline passes, until the test moves it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._now = loop.time()
        loop.time = lambda: self._now  # type: ignore[method-assign]

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def resume(self) -> None:
        del self._loop.time


def widen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are no part of a call's own deadline."""
    monkeypatch.setattr(caller, "REFRESH_TIMEOUT_S", WIDE_S)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", WIDE_S)


def allow_retries(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """All that a client may retry from now on, its free moves to another node aside."""
    monkeypatch.setattr(retry, "BUDGET_MAX", float(count))
    monkeypatch.setattr(retry, "BUDGET_PER_CALL", 0.0)
    monkeypatch.setattr(retry, "BUDGET_PER_S", 0.0)
