"""A store under test with its loop, and how a test writes to it and waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, Storage

RECORDS = Keyspace.RECORDS
PATIENCE_S = 20.0


class StorageRig(Protocol):
    """A store under test, and the world around it."""

    loop: asyncio.AbstractEventLoop
    storage: Storage

    def reopen(self) -> None:
        """Stop the store cleanly and open another one on the same data."""

    def fill(self) -> None:
        """From now on no change finds room."""

    def make_room(self) -> None:
        """Changes find room again."""

    def close(self) -> None:
        """Give everything back."""


class Outcome:
    """Stands in for `done`: remembers what it was told, once, and lets the loop return to whoever waits."""

    def __init__(self, rig: StorageRig, then: Callable[[DynamoError | None], None] | None = None) -> None:
        self._loop = rig.loop
        self._then = then
        self.told: list[DynamoError | None] = []

    def __call__(self, error: DynamoError | None) -> None:
        assert error is None or isinstance(error, DynamoError), "whatever failed, it is told as an error of ours"
        self.told.append(error)
        if self._then is not None:
            self._then(error)
        self._loop.stop()

    @property
    def pending(self) -> bool:
        return not self.told

    @property
    def error(self) -> DynamoError | None:
        assert len(self.told) == 1, f"a waiter is told once, not {self.told}"
        return self.told[0]


def write(rig: StorageRig, *changes: Change, durable: bool = True) -> Outcome:
    """Hand over a batch; nothing is told before the loop runs."""
    outcome = Outcome(rig)
    rig.storage.write(changes, durable, outcome)
    assert outcome.pending, "no waiter is called inside write"
    return outcome


def wait(rig: StorageRig, *outcomes: Outcome) -> None:
    """Run the loop until all are told."""
    late = rig.loop.call_later(PATIENCE_S, rig.loop.stop)
    while any(outcome.pending for outcome in outcomes):
        rig.loop.run_forever()
        assert rig.loop.time() < late.when(), "a waiter was never told"
    late.cancel()


def run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until what is awaited stops it, or patience is over."""
    late = loop.call_later(PATIENCE_S, loop.stop)
    loop.run_forever()
    late.cancel()


def step(rig: StorageRig) -> None:
    """Let the loop run what is due now."""
    rig.loop.call_soon(rig.loop.stop)
    rig.loop.run_forever()


def put(rig: StorageRig, *changes: Change) -> None:
    """Write a batch and see it through."""
    outcome = write(rig, *changes)
    wait(rig, outcome)
    assert outcome.error is None


def numbered(count: int) -> list[Change]:
    return [(RECORDS, b"%03d" % number, b"value %d" % number) for number in range(count)]
