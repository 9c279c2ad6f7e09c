"""The load on linearizable buckets: clients that change keys under conditions, and want to know what became of it.

Values are unique, sums apart. A change of unknown outcome is asked for again through other nodes with the same
Idempotency-Key, or resolved, or left as it is; some are asked for twice at the same time, and some again although they
were answered. That a condition does not hold is what became of that attempt; an earlier one that nobody has heard of
may be on its way still, and make the change when the condition holds again. Only a resolve rules that out.

Three families of keys: few that live as long as the run and are never deleted, many that live for seconds and are
deleted, too, and counters, on five replicas each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from dynamo.checker.history import Call, Condition, Kind, Outcome, Place, Return
from dynamo.client import wire
from dynamo.client.answer import Answer
from tests.chaos import register_calls
from tests.chaos.clients import PADDING_MAX
from tests.chaos.crowd import Crowd
from tests.chaos.register_calls import Wish

REGISTERS, COUNTERS = "registers", "counters"
BUCKETS: dict[str, wire.BucketOptions] = {
    REGISTERS: {"mode": "linearizable"},
    COUNTERS: {"mode": "linearizable", "n": 5},
}
REPLICAS = {COUNTERS: 5}
"""Of buckets that have not the usual number."""
CLIENTS = 40
PAUSE_S = 0.2
"""Mean pause between two operations of a client."""
WINDOW_S = 10.0
LONG_KEYS, SHORT_KEYS, SUMS = 5, 6, 3
TIMEOUT_S = 2.0
ATTEMPTS_MAX = 4
READ_SHARE = 0.4
BY_CHANCE = 0.03
"""Of changes: asked for twice at once; asked for again after their answer."""
CONCLUDED_S = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """The newest that anybody was told of a key."""

    number: int
    value: str | None


@dataclass(slots=True)
class Officials(Crowd):
    """The clients of a run, and what they have told each other."""

    known: dict[Place, Known] = field(default_factory=dict)
    clients: int = CLIENTS

    def buckets(self) -> Mapping[str, wire.BucketOptions]:
        return BUCKETS

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(_Client(self, f"c{number + 1}").run())

    async def conclude(self) -> None:
        """Read every key once, when all faults have ended: what was acknowledged must be there. Gives up in time."""
        client, deadline = _Client(self, "last"), time.monotonic() + CONCLUDED_S
        for place in sorted(self.written_at):
            while await client.read(place) != "ok" and time.monotonic() < deadline:
                await asyncio.sleep(0.1)

    def learn(self, call: Call, returned: Return) -> None:
        """Let all know what an answer said."""
        if returned.outcome != "ok" or returned.number is None or not returned.told or call.kind == "resolve":
            return
        value = returned.values[0] if returned.values else None
        if call.value is not None and returned.applied:
            value = call.value
        if returned.number > self.known.get(call.place, Known(-1, None)).number:
            self.known[call.place] = Known(returned.number, value)


class _Client:
    """One process that works in sequence, but for changes that it asks for twice at once."""

    def __init__(self, crowd: Officials, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._dice = Random(f"{crowd.seed}/{name}")

    async def run(self) -> None:
        while not self._crowd.over:
            await asyncio.sleep(self._dice.expovariate(1 / PAUSE_S))
            place = self._place()
            if self._dice.random() < READ_SHARE:
                await self.read(place)
            else:
                await self._change(place)

    async def read(self, place: Place) -> Outcome:
        """One linearizable read."""
        call = self._call(place, "get")
        return (await self._make(call, register_calls.read(call, {}))).outcome

    def _place(self) -> Place:
        window = int(self._crowd.now() / WINDOW_S)
        family = self._dice.choices(("long", "short", "sum"), (4, 6, 2))[0]
        if family == "sum":
            return (COUNTERS, f"sum-{window}-{self._dice.randint(1, SUMS)}")
        if family == "long":
            return (REGISTERS, f"long-{self._dice.randint(1, LONG_KEYS)}")
        return (REGISTERS, f"short-{window}-{self._dice.randint(1, SHORT_KEYS)}")

    async def _change(self, place: Place) -> None:
        """A change, until it is known what became of it, or its client has lost interest."""
        wish = self._wish(place)
        request = f"{self._crowd.seed}-{self._crowd.next_operation()}"
        is_open = self._dice.random() < BY_CHANCE
        if is_open:
            one, other = (self._attempt(place, wish, request, beside=True) for _ in range(2))
            returned = min(
                await asyncio.gather(one, other), key=lambda each: ("ok", "unknown", "fail").index(each.outcome)
            )
        else:
            returned = await self._attempt(place, wish, request)
        for _ in range(ATTEMPTS_MAX - 1):
            if not self._goes_on(returned):
                return
            is_open = is_open or returned.outcome == "unknown"
            if returned.outcome == "unknown" and self._dice.random() < 0.35:
                returned = await self._resolve(place, request)
            else:
                returned = await self._attempt(place, wish, request, beside=is_open)

    def _goes_on(self, returned: Return) -> bool:
        """Whether the same is asked again."""
        if returned.outcome == "ok":
            # What was not applied may be applied the next time: nobody remembers a condition that did not hold.
            return returned.applied and self._dice.random() < BY_CHANCE
        return self._dice.random() < (0.8 if returned.outcome == "unknown" else 0.2)

    async def _attempt(self, place: Place, wish: Wish, request: str, *, beside: bool = False) -> Return:
        """One attempt. `beside`: another one may still be under way somewhere, so that a refusal decides nothing."""
        kind: Kind = "cas"
        if wish.condition is None:
            kind = {"set": "put", "delete": "delete", "add": "add"}[wish.action]  # type: ignore[assignment]
        call = self._call(place, kind, wish, request)
        return await self._make(call, register_calls.change(call, wish), beside=beside)

    async def _resolve(self, place: Place, request: str) -> Return:
        call = self._call(place, "resolve", None, request)
        return await self._make(call, register_calls.resolve(call))

    def _wish(self, place: Place) -> Wish:
        """What to change, given what is known of the key."""
        known = self._crowd.known.get(place, Known(0, None))
        is_sum = place[0] == COUNTERS
        condition = None if is_sum else self._condition(known)
        if is_sum:
            return Wish("add", amount=self._dice.choice((-2, 1, 1, 3, 10)), condition=condition)
        if place[1].startswith("short") and self._dice.random() < 0.25:
            return Wish("delete", condition=condition)
        return Wish("set", self._new_value(), condition=condition)

    def _condition(self, known: Known) -> Condition | None:
        word = self._dice.choices(("none", "value", "version", "absent"), (3, 3, 3, 1))[0]
        if word == "none":
            return None
        if word == "version" and known.number:
            return Condition("version", number=known.number)
        if word == "absent" or known.value is None:
            return Condition("absent")
        return Condition("value", known.value)

    def _new_value(self) -> str:
        return f"{self._crowd.next_operation()}.{self._dice.randint(0, PADDING_MAX)}"

    def _call(self, place: Place, kind: Kind, wish: Wish | None = None, request: str = "") -> Call:
        number, now = self._crowd.next_operation(), self._crowd.now()
        wished = wish or Wish("set")
        return Call(
            op=number,
            at=now,
            process=self._name,
            kind=kind,
            bucket=place[0],
            key=place[1],
            quorum=0,
            deadline=now + TIMEOUT_S,
            via=self._crowd.node(self._dice),
            value=wished.value,
            request=request,
            condition=wished.condition,
            then=wished.action,
            amount=wished.amount,
        )

    async def _make(self, call: Call, request: wire.Call, *, beside: bool = False) -> Return:
        def understand(call: Call, answer: Answer, now: float) -> Return:
            returned = register_calls.understood(call, answer, now)
            if beside and not returned.applied:
                return Return(call.op, now, "unknown", error="precondition-failed")
            return returned

        crowd = self._crowd
        if call.kind != "get":
            crowd.written_at[call.place] = time.monotonic()
        returned = await crowd.ask(call, request, TIMEOUT_S, understand)
        crowd.learn(call, returned)
        if call.kind != "get":
            crowd.written_at[call.place] = time.monotonic()
        return returned
