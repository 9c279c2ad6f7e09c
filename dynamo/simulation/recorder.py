"""Between the simulated clients and the nodes: makes the calls, and writes down what was asked and what came back.

The recorder has the only clock that all agree on, so its history can be judged. It writes a call before the node hears
of it and every return it gets, also a second or a late one, which the checker will hold against the node. When a node
dies, its clients' connections break: those calls return `unknown`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import msgspec

from dynamo.checker.history import Call, History, Outcome, Remark, Return, Run, Sibling, Version
from dynamo.errors import Applied, DynamoError
from dynamo.protocol.commands import ChangeOutcome, ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.simulation.cluster import Cluster, N, Running
from dynamo.simulation.world import WALL_START_MS, Life
from dynamo.versioning.record import Record, decode
from dynamo.versioning.record import Sibling as StoredSibling

PATIENCE_S = 5.0
"""How long after its deadline a client still waits for an answer."""
OVERDUE_S = 0.05
"""How long after its deadline a client waits for a node that was paused meanwhile."""
Kind = Literal["get", "put", "delete"]
Answer = ReadOutcome | WriteOutcome | ChangeOutcome | DynamoError | None
"""What a call brought; None if the connection broke."""


class Reply(msgspec.Struct):
    """What a client learns of one call."""

    outcome: Outcome
    record: Record | None = None
    change: ChangeOutcome | None = None
    """Of a key in a linearizable bucket."""


class _Open(msgspec.Struct):
    """A call that has not returned."""

    call: Call
    future: asyncio.Future[Reply]


class Recorder:
    """One per simulation."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self.history = history
        self._cluster = cluster
        self._world = cluster.world
        self._open: dict[Life, dict[int, _Open]] = {}
        self._ops = 0
        cluster.on_start.append(lambda actor: history.add(Run(self._world.now(), actor)))
        cluster.on_death.append(self._on_death)

    def remark(self, text: str) -> None:
        """Note what happened besides."""
        self._world.note(text)
        self.history.add(Remark(self._world.now(), text))

    def read(
        self, process: str, via: str, command: ReadCommand, needed: int, timeout_s: float
    ) -> asyncio.Future[Reply]:
        """Read through a node. `needed` is what R comes to."""
        call = self._call(process, via, "get", command, needed, timeout_s)
        return self._make(
            call, lambda deadline, done: self._cluster.running[via].node.read(command, deadline, str(call.op), done)
        )

    def write(
        self, process: str, via: str, command: WriteCommand, needed: int, timeout_s: float
    ) -> asyncio.Future[Reply]:
        """Write through a node. `needed` is what W comes to."""
        kind: Kind = "delete" if command.value is None else "put"
        call = self._call(process, via, kind, command, needed, timeout_s)
        value = None if command.value is None else command.value.decode()
        call = msgspec.structs.replace(
            call, value=value, request=command.request.hex(), expires=bool(command.ttl_ms) and value is not None
        )
        return self._make(
            call, lambda deadline, done: self._cluster.running[via].node.write(command, deadline, str(call.op), done)
        )

    def _call(
        self, process: str, via: str, kind: Kind, command: ReadCommand | WriteCommand, needed: int, timeout_s: float
    ) -> Call:
        self._ops += 1
        now = self._world.now()
        return Call(
            op=self._ops,
            at=now,
            process=process,
            kind=kind,
            bucket=command.bucket,
            key=command.key.decode(),
            quorum=needed,
            deadline=now + timeout_s,
            via=via,
            context=command.context,
        )

    def _make(self, call: Call, ask: Callable[[float, Callable[[Answer], None]], None]) -> asyncio.Future[Reply]:
        self.history.add(call)
        asked = f"{call.kind} {call.bucket}/{call.key} {call.value or ''}"
        self._world.note(f"call {call.op} {call.process} at {call.via}: {asked}")
        future: asyncio.Future[Reply] = self._world.loop.create_future()
        self._world.loop.call_at(call.deadline + PATIENCE_S, _give_up, future)
        running = self._cluster.running.get(call.via)
        if running is None:
            self._failed(call, future, "fail", "connection refused")
            return future
        self._open.setdefault(running.life, {})[call.op] = _Open(call, future)
        self._world.loop.call_at(call.deadline + OVERDUE_S, self._hang_up, running.life, call.op)
        running.life.do(self._ask, running, call, future, ask)
        return future

    def _ask(
        self,
        running: Running,
        call: Call,
        future: asyncio.Future[Reply],
        ask: Callable[[float, Callable[[Answer], None]], None],
    ) -> None:
        """The node takes the call."""
        waiting, life = self._open[running.life], running.life
        refused = running.node.admission.enter()
        if refused is not None:
            if waiting.pop(call.op, None) is not None:
                self._failed(call, future, "fail", refused.code)
            return
        left = [running.node.admission.leave]

        def done(answer: Answer) -> None:
            if life.alive:
                if left:
                    left.pop()()
                if waiting.pop(call.op, None) is not None or not life.was_paused_since(call.at):
                    self._take(call, future, answer)

        ask(running.clock.monotonic() + call.deadline - call.at, done)

    def _hang_up(self, life: Life, op: int) -> None:
        """A client does not wait for ever for a node that was paused: it hears nothing more of this call."""
        waiting = self._open.get(life, {}).get(op)
        if waiting is not None and life.was_paused_since(waiting.call.at):
            del self._open[life][op]
            self._take(waiting.call, waiting.future, None)

    def _take(self, call: Call, future: asyncio.Future[Reply], answer: Answer) -> None:
        now = self._world.now()
        if isinstance(answer, ReadOutcome):
            held_by = self._held_by(call, answer.record) if self._is_read_held(call) else None
            values = self._shown(call, answer.record)
            returned = Return(call.op, now, "ok", values=values, held_by=held_by)
            self._returned(call, future, returned, Reply("ok", answer.record))
        elif isinstance(answer, WriteOutcome):
            record = decode(answer.record)
            said = "repeated" if answer.repeated else ""
            held_by = self._held_by(call, record)
            returned = Return(call.op, now, "ok", error=said, held_by=held_by)
            self._returned(call, future, returned, Reply("ok", record))
        elif isinstance(answer, ChangeOutcome):
            raise TypeError("an outcome of a linearizable bucket, of which nobody asked anything here")
        elif answer is not None:
            unknown = call.kind != "get" and answer.applied is not Applied.NO
            self._failed(call, future, "unknown" if unknown else "fail", answer.code)
        else:
            self._failed(call, future, "unknown", "connection broke")

    def _shown(self, call: Call, record: Record | None) -> tuple[str, ...]:
        """What the node that was asked would show a user now."""
        if record is None:
            return ()
        now_ms = self._cluster.running[call.via].clock.wall_ms()
        return tuple(_text(sibling.value) for sibling in record.live(now_ms))

    def _held_by(self, call: Call, record: Record | None) -> int | None:
        if record is None:
            return None
        bucket = self.history.buckets.get(call.bucket)
        sloppy = bucket is not None and not bucket.strict
        return self._cluster.holders(call.bucket, call.key.encode(), record.clock, call.at, hints=sloppy)

    def _is_read_held(self, call: Call) -> bool:
        """Weaker reads merge without repairing; and without syncing, what is read need not be on disk."""
        return call.quorum > N // 2 and self._cluster.shape.durability == "sync"

    def _failed(self, call: Call, future: asyncio.Future[Reply], outcome: Outcome, said: str) -> None:
        self._returned(call, future, Return(call.op, self._world.now(), outcome, error=said), Reply(outcome))

    def _returned(self, call: Call, future: asyncio.Future[Reply], returned: Return, reply: Reply) -> None:
        shown = ""
        if reply.record is not None:
            returned = msgspec.structs.replace(returned, version=version_of(reply.record))
            shown = msgspec.json.encode(returned.version).decode()
        elif reply.change is not None:
            shown = f"{'' if returned.applied else 'not '}applied v{returned.number} {' '.join(returned.values)}"
        self.history.add(returned)
        self._world.note(f"return {call.op} {returned.outcome} {returned.error} {shown}")
        if not future.done():
            future.set_result(reply)

    def _on_death(self, life: Life) -> None:
        for waiting in self._open.pop(life, {}).values():
            self._take(waiting.call, waiting.future, None)


def _give_up(future: asyncio.Future[Reply]) -> None:
    """The node never answered: the client goes on, and the history lacks a return."""
    if not future.done():
        future.set_result(Reply("unknown"))


def version_of(record: Record) -> Version:
    """The record as the checker knows versions."""
    return Version(dict(sorted(record.clock.items())), tuple(map(_shown, record.siblings)))


def _shown(sibling: StoredSibling) -> Sibling:
    value = None if sibling.value is None else _text(sibling.value)
    expires_at = (sibling.expires_ms - WALL_START_MS) / 1000 if sibling.expires_ms else None
    return Sibling(sibling.actor, sibling.counter, value, sibling.request.hex(), sibling.hybrid, expires_at)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
