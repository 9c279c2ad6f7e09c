"""Rounds of daemons that wait on a clock which stands still unless it is turned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from dynamo.layout.keyspaces import Keyspace
from tests.unit.node.world import World


async def settle() -> None:
    """Let everything happen that waits for no clock."""
    for _ in range(20):
        await asyncio.sleep(0)


async def worked_off(world: World, work: Coroutine[object, object, object], step_s: float = 0.01) -> None:
    """Turn the clock until the work is done."""
    task = asyncio.ensure_future(work)
    for _ in range(5000):
        await settle()
        if task.done():
            return task.result()
        world.clock.turn(step_s)
    raise AssertionError("the work does not end")


async def until(world: World, condition: Callable[[], bool], step_s: float = 0.01) -> None:
    """Turn the clock until something is so."""
    for _ in range(5000):
        await settle()
        if condition():
            return
        world.clock.turn(step_s)
    raise AssertionError("it never came to that")


async def written(world: World, at: str, key: bytes, value: bytes | None, **more) -> None:
    """A write, and all that follows from it."""
    world[at].write(world.command(key, value, **more), world.clock.now + 2, "t", lambda _: None)
    await settle()


def harm(world: World, at: str, key: bytes) -> bytes:
    """Flip a bit in a node's record of a key; its stored key."""
    held = world.storage[at].durable[Keyspace.RECORDS]
    stored = next(s for s in held if s.endswith(b"\0" + key))
    bad = bytearray(held[stored])
    bad[-1] ^= 1
    held[stored] = bytes(bad)
    return stored
