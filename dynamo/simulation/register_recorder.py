"""Records what is asked of a linearizable bucket, and what came back: conditions, versions, what was there instead.

Each answer is held against the disks at that moment: the version that it speaks of is chosen, so a majority of the
key's replicas has accepted it, or a later one, durably.
"""

from __future__ import annotations

import asyncio

import msgspec

from dynamo.checker import history
from dynamo.checker.history import Call, Return
from dynamo.layout.register import Register, decode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.simulation.recorder import Answer, Recorder, Reply
from dynamo.simulation.register_disks import MAJORITY, holders

_KINDS: dict[Action, history.Kind] = {Action.SET: "put", Action.DELETE: "delete", Action.ADD: "add"}


class RegisterRecorder(Recorder):
    """One per simulation. A store that forgets deleted keys says version 0 of them, which then counts nothing."""

    forgets = False

    def is_up(self, node: str) -> bool:
        """Whether a client could connect."""
        return node in self._cluster.running

    def look(self, process: str, via: str, bucket: str, key: bytes, timeout_s: float) -> asyncio.Future[Reply]:
        """A linearizable read through a node."""
        call = self._begin(process, via, "get", bucket, key, timeout_s)
        return self._make(
            call,
            lambda deadline, done: self._cluster.running[via].node.read_register(
                bucket, key, deadline, str(call.op), done
            ),
        )

    def change(self, process: str, via: str, command: ChangeCommand, timeout_s: float) -> asyncio.Future[Reply]:
        """A change, or a RESOLVE, through a node."""
        call = self._begin(process, via, _kind(command), command.bucket, command.key, timeout_s)
        call = msgspec.structs.replace(call, **_asked(command))
        return self._make(
            call, lambda deadline, done: self._cluster.running[via].node.change(command, deadline, str(call.op), done)
        )

    def wall_ms(self, node: str) -> int:
        """What time it is there; 0 while it does not run."""
        running = self._cluster.running.get(node)
        return 0 if running is None else running.clock.wall_ms()

    def _begin(self, process: str, via: str, kind: history.Kind, bucket: str, key: bytes, timeout_s: float) -> Call:
        self._ops += 1
        now = self._world.now()
        return Call(self._ops, now, process, kind, bucket, key.decode(), MAJORITY, now + timeout_s, via)

    def _take(self, call: Call, future: asyncio.Future[Reply], answer: Answer) -> None:
        if not isinstance(answer, ChangeOutcome):
            super()._take(call, future, answer)
            return
        is_told = bool(answer.register) or not answer.version
        returned = Return(
            call.op,
            self._world.now(),
            "ok",
            values=_values(decode(answer.register)),
            error="repeated" if answer.repeated else "",
            held_by=holders(self._cluster, call.bucket, call.key.encode(), answer.version),
            applied=answer.applied,
            number=None if self.forgets and not answer.version else answer.version,
            told=is_told,
        )
        self._returned(call, future, returned, Reply("ok", change=answer))


def _kind(command: ChangeCommand) -> history.Kind:
    if command.action is Action.RESOLVE:
        return "resolve"
    if command.condition is not None:
        return "cas"
    return _KINDS[command.action]


def _asked(command: ChangeCommand) -> dict[str, object]:
    """What the history says of a change besides its kind."""
    if command.action is Action.RESOLVE:
        return {"request": command.target.hex()}
    return {
        "request": command.request.hex(),
        "value": command.value.decode() if command.action is Action.SET else None,
        "amount": command.amount,
        "then": command.action.value,
        "condition": None if command.condition is None else _condition(command.condition),
    }


def _condition(condition: Condition) -> history.Condition:
    if condition.version is not None:
        return history.Condition("version", number=condition.version)
    if condition.value is not None:
        return history.Condition("value", condition.value.decode())
    return history.Condition("absent")


def _values(register: Register) -> tuple[str, ...]:
    return () if register.value is None else (register.value.decode(),)
