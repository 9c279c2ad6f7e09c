"""The load that shows what R=W=quorum is not: one writer a key, many readers, in a bucket that keeps concurrent writes.

Each writer waits for its answer before it writes again, with the context of that answer; so a key has one value at a
time, and is a register, as far as its clients can tell. After a write of unknown outcome its writer takes another key.
Everything is at R=2 and W=2 of N=3, which overlap; the bucket is otherwise as buckets come, with sloppy quorums.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from dynamo.checker.history import Call, Kind, Outcome, Place, Return
from dynamo.client import answers, wire
from dynamo.client.answer import Answer
from tests.chaos import register_calls
from tests.chaos.clients import PADDING_MAX, padded
from tests.chaos.crowd import Crowd

BUCKET = "quorums"
BUCKETS: dict[str, wire.BucketOptions] = {BUCKET: {"mode": "siblings"}}
WRITERS, READERS = 6, 30
PAUSE_S = 0.15
WINDOW_S = 12.0
QUORUM = 2
TIMEOUT_S = 2.0


@dataclass(slots=True)
class Readers(Crowd):
    """All clients of a run, and the keys that are written just now."""

    current: dict[int, Place] = field(default_factory=dict)
    """By writer."""

    def buckets(self) -> Mapping[str, wire.BucketOptions]:
        return BUCKETS

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(_Client(self, f"w{number + 1}").write(number))
            for number in range(READERS):
                group.create_task(_Client(self, f"r{number + 1}").read())


class _Client:
    """One process that works in sequence."""

    def __init__(self, crowd: Readers, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._dice = Random(f"{crowd.seed}/{name}")

    async def write(self, number: int) -> None:
        """Write to one key after the other."""
        turn = 0
        while not self._crowd.over:
            turn += 1
            place = self._crowd.current[number] = (BUCKET, f"{self._name}-{turn}")
            until = time.monotonic() + WINDOW_S
            outcome: Outcome = "ok"
            context: str | None = None
            while outcome == "ok" and time.monotonic() < until and not self._crowd.over:
                await self._pause()
                outcome, context = await self._put(place, context)

    async def read(self) -> None:
        """Read what is written just now."""
        while not self._crowd.over:
            await self._pause()
            if self._crowd.current:
                call = self._call(self._dice.choice(list(self._crowd.current.values())), "get")
                await self._make(call, register_calls.read(call, {"r": QUORUM}))

    async def _pause(self) -> None:
        await asyncio.sleep(self._dice.expovariate(1 / PAUSE_S))

    async def _put(self, place: Place, context: str | None) -> tuple[Outcome, str | None]:
        call = self._call(place, "put", f"{self._crowd.next_operation()}.{self._dice.randint(0, PADDING_MAX)}")
        options: wire.WriteOptions = {"w": QUORUM, "idempotency_key": call.request}
        data = padded(call.value or "")
        request = wire.write(call.bucket, call.key.encode(), data, context, "text/plain", {}, options)
        self._crowd.written_at[place] = time.monotonic()
        return await self._make(call, request)

    def _call(self, place: Place, kind: Kind, value: str | None = None) -> Call:
        number, now = self._crowd.next_operation(), self._crowd.now()
        return Call(
            op=number,
            at=now,
            process=self._name,
            kind=kind,
            bucket=place[0],
            key=place[1],
            quorum=QUORUM,
            deadline=now + TIMEOUT_S,
            via=self._crowd.node(self._dice),
            value=value,
            request="" if kind == "get" else f"{self._crowd.seed}-{number}",
        )

    async def _make(self, call: Call, request: wire.Call) -> tuple[Outcome, str | None]:
        """Outcome, and the context of the answer."""
        context = None

        def understand(call: Call, answer: Answer, now: float) -> Return:
            nonlocal context
            if call.kind == "get":
                return register_calls.understood(call, answer, now)
            context = answers.written(answer, call.bucket, call.key.encode()).context
            return Return(call.op, now, "ok")

        returned = await self._crowd.ask(call, request, TIMEOUT_S, understand)
        return returned.outcome, context
