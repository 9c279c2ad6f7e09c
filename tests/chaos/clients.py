"""The load: clients with keys of their own and shared ones, each call at one node, once, and written down.

Levels are mixed, writes are blind or name what their client (or another one) has seen, reads may demand a context. The
keys in use change every few seconds: a key that nobody writes any more can only be mended by the store itself. No call
is repeated, so that each has one meaning; a client leaves a node that did not answer alone for a while, as ours does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from dynamo.checker.history import Place, Return, Version
from dynamo.client import answers, wire
from dynamo.client.answers import Answer
from dynamo.client.results import ConnectionLost, NodeUnreachable, Siblings, Value
from dynamo.errors import DynamoError
from dynamo.ring.token import key_hash
from dynamo.versioning.context import NOTHING, Context, from_token
from tests.chaos.crowd import Crowd, failed
from tests.chaos.journal import Asked
from tests.chaos.nodes import N

CARTS, NAMES, LEDGER = "carts", "names", "ledger"
"""Siblings with sloppy quorums; last-write-wins with sloppy quorums; siblings with strict quorums, and no deletes."""
BUCKETS: dict[str, wire.BucketOptions] = {
    CARTS: {"mode": "siblings"},
    NAMES: {"mode": "lww"},
    LEDGER: {"mode": "siblings", "sloppy": False},
}
WINDOW_S = 15.0
SHARED_KEYS = 6
OWN_KEYS = 1
OLD_SHARE = 0.1
"""Of reads: of a key of some earlier window, or of whatever it was."""
TIMEOUT_S = 2.0
PADDING_MAX = 600
REMEMBERED = 6
Kind = Literal["get", "put", "delete"]


@dataclass(slots=True)
class Habits:
    """How the clients behave. Shares are probabilities."""

    clients: int = 36
    """So many that a node which does not answer holds up few of them."""
    pause_s: float = 0.27
    """Mean pause between two calls of a client."""
    write_share: float = 0.55
    delete_share: float = 0.12
    context_share: float = 0.65
    borrow_share: float = 0.2
    demand_share: float = 0.15
    level_weights: tuple[int, int, int] = (2, 6, 1)
    bucket_weights: tuple[int, int, int] = (5, 2, 4)


@dataclass(slots=True)
class Token:
    """What a client got with an answer, and may hand on."""

    text: str
    context: Context
    seen: tuple[str, ...]
    maybe: tuple[str, ...] = ()


@dataclass(slots=True)
class Shoppers(Crowd):
    """Clients of buckets that keep concurrent writes, or the newest."""

    habits: Habits = field(default_factory=Habits)
    _tokens: dict[Place, list[Token]] = field(default_factory=dict)

    def buckets(self) -> Mapping[str, wire.BucketOptions]:
        return BUCKETS

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.habits.clients):
                group.create_task(_Client(self, f"c{number + 1}").run())

    def publish(self, place: Place, token: Token) -> None:
        """Let others know a context."""
        tokens = self._tokens.setdefault(place, [])
        tokens.append(token)
        del tokens[:-REMEMBERED]

    def anyones(self, place: Place) -> list[Token]:
        """Contexts that anybody got for a key lately."""
        return self._tokens.get(place, [])


class _Client:
    """One process that works in sequence."""

    def __init__(self, crowd: Shoppers, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._dice = Random(f"{crowd.seed}/{name}")
        self._last: dict[Place, Token] = {}

    async def run(self) -> None:
        while not self._crowd.over:
            await asyncio.sleep(self._dice.expovariate(1 / self._crowd.habits.pause_s))
            if self._dice.random() < self._crowd.habits.write_share:
                await self._write(self._place(self._window()))
            else:
                await self._read(self._place(self._any_window()))

    def _window(self) -> int:
        return int(self._crowd.now() / WINDOW_S)

    def _any_window(self) -> int:
        window = self._window()
        return self._dice.randint(0, window) if self._dice.random() < OLD_SHARE else window

    def _place(self, window: int) -> Place:
        bucket = self._dice.choices(tuple(BUCKETS), self._crowd.habits.bucket_weights)[0]
        if self._dice.random() < 0.5:
            return (bucket, f"{self._name}-{window}-{self._dice.randint(1, OWN_KEYS)}")
        return (bucket, f"shared-{window}-{self._dice.randint(1, SHARED_KEYS)}")

    async def _read(self, place: Place) -> None:
        level = self._level()
        token = self._token(place) if self._dice.random() < self._crowd.habits.demand_share else None
        request = wire.read(place[0], place[1].encode(), None if token is None else token.text, {"r": level})
        clock = None if token is None else token.context.clock
        await self._make(request, self._asked(place, "get", level, clock))

    async def _write(self, place: Place) -> None:
        level = self._level()
        token = self._token(place) if self._dice.random() < self._crowd.habits.context_share else None
        deletes = place[0] != LEDGER and self._dice.random() < self._crowd.habits.delete_share
        asked = self._asked(
            place,
            "delete" if deletes else "put",
            level,
            None if token is None else token.context.superseded,
            token,
        )
        text, key = None if token is None else token.text, place[1].encode()
        if asked.value is None:
            request = wire.delete(place[0], key, text, {"w": level, "idempotency_key": asked.request})
        else:
            data = padded(asked.value)
            options: wire.WriteOptions = {"w": level, "idempotency_key": asked.request}
            request = wire.write(place[0], key, data, text, "text/plain", {}, options)
        self._crowd.written_at[place] = time.monotonic()
        await self._make(request, asked)

    def _asked(
        self, place: Place, kind: Kind, level: int, clock: dict[str, int] | None, token: Token | None = None
    ) -> Asked:
        number, now = self._crowd.next_operation(), self._crowd.now()
        return Asked(
            op=number,
            at=now,
            process=self._name,
            kind=kind,
            bucket=place[0],
            key=place[1],
            quorum=level,
            deadline=now + TIMEOUT_S,
            via=self._crowd.node(self._dice),
            value=f"{number}.{self._dice.randint(0, PADDING_MAX)}" if kind == "put" else None,
            request="" if kind == "get" else f"{self._crowd.seed}-{number}",
            context=clock,
            seen=() if token is None else token.seen,
            maybe=() if token is None else token.maybe,
        )

    async def _make(self, request: wire.Call, asked: Asked) -> None:
        crowd = self._crowd
        crowd.journal.add(asked)
        try:
            answer = await crowd.connections.exchange(crowd.endpoints[asked.via], request, TIMEOUT_S)
            returned, token = _understood(asked, answer, crowd.now())
        except DynamoError as error:
            if isinstance(error, NodeUnreachable | ConnectionLost):
                crowd.avoid(asked.via)
            returned, token = failed(asked, error, crowd.now()), None
        crowd.journal.add(returned)
        if asked.kind != "get":
            crowd.written_at[asked.place] = time.monotonic()
        if token is not None:
            self._last[asked.place] = token
            crowd.publish(asked.place, token)

    def _token(self, place: Place) -> Token | None:
        others = self._crowd.anyones(place)
        if others and self._dice.random() < self._crowd.habits.borrow_share:
            return self._dice.choice(others)
        return self._last.get(place)

    def _level(self) -> int:
        return self._dice.choices((1, 2, N), self._crowd.habits.level_weights)[0]


def padded(name: str) -> bytes:
    """The value that a name stands for: it says its own length, so that half a value is not taken for a whole one."""
    length = int(name.rpartition(".")[2])
    return f"{name} ".encode() + b"x" * length


def name_of(value: bytes) -> str:
    """The name of a value; of bytes that no client wrote, a text that no write has."""
    text = value.decode(errors="replace")
    name = text.partition(" ")[0]
    try:
        return name if padded(name) == value else f"garbled {text[:40]!r}"
    except ValueError:
        return f"garbled {text[:40]!r}"


def _understood(asked: Asked, answer: Answer, now: float) -> tuple[Return, Token | None]:
    """The answer of a node. Raises DynamoError for one that says no."""
    values: tuple[str, ...] = ()
    if asked.kind == "get":
        found = answers.found(answer, asked.bucket, asked.key.encode())
        values = _names(found.values if isinstance(found, Siblings) else (found,) if isinstance(found, Value) else ())
        text = found.context
    else:
        text = answers.written(answer, asked.bucket, asked.key.encode()).context
    context = NOTHING if text is None else from_token(text, key_hash(asked.bucket, asked.key.encode()))
    returned = Return(asked.op, now, "ok", version=Version(context.clock, ()), values=values)
    return returned, None if text is None else _token(asked, values, text, context)


def _token(asked: Asked, values: tuple[str, ...], text: str, context: Context) -> Token:
    if asked.kind == "get":
        return Token(text, context, values)
    own = (*asked.seen, *((asked.value,) if asked.value else ()))
    if context.seen is None:
        return Token(text, context, own, asked.maybe)
    return Token(text, context, (), (*own, *asked.maybe))


def _names(values: Sequence[Value]) -> tuple[str, ...]:
    return tuple(name_of(value.value) for value in values)
