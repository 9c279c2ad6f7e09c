"""Histories by hand: one key, told step by step, each step a second after the last."""

from __future__ import annotations

from math import inf

from dynamo.checker.history import Bucket, Call, Clock, History, Outcome, Place, Return, Sibling, Version, Violation
from dynamo.checker.operation import Op

PLACE: Place = ("b", "k")


def sibling(
    value: str | None, actor: str, counter: int, *, request: str = "", stamp: int = 0, expires_at: float | None = None
) -> Sibling:
    """A value `v` was written by request `r-v` unless said otherwise."""
    return Sibling(actor, counter, value, request or f"r-{value}", stamp, expires_at)


def version(clock: Clock, *siblings: Sibling) -> Version:
    return Version(clock, siblings)


class Story:
    """Writes a history."""

    def __init__(self, mode: str = "siblings") -> None:
        self.history = History([Bucket("b", mode, 3)])
        self._now = 0.0
        self._ops = 0

    def call(
        self,
        kind: str,
        *,
        value: str | None = None,
        request: str = "",
        seen: Clock | None = None,
        quorum: int = 2,
        expires: bool = False,
    ) -> int:
        """Somebody asks for something; the number of the operation."""
        self._ops += 1
        self._now += 1
        self.history.add(
            Call(
                op=self._ops,
                at=self._now,
                process="c1",
                kind=kind,
                bucket="b",
                key="k",
                quorum=quorum,
                deadline=self._now + 2,
                via="n1",
                value=value,
                request=request,
                context=seen,
                expires=expires,
            )
        )
        return self._ops

    def answer(self, op: int, outcome: Outcome = "ok", shown: Version | None = None, error: str = "") -> int:
        """The operation returns. A get shows the values of its version."""
        self._now += 1
        values: tuple[str, ...] = ()
        if self.history.operations[op].call.kind == "get" and shown is not None:
            values = tuple(dict.fromkeys(s.value for s in shown.siblings if s.value is not None))
        self.history.add(Return(op, self._now, outcome, shown, values, error))
        return op

    def put(
        self,
        value: str,
        *,
        seen: Clock | None = None,
        shown: Version | None,
        quorum: int = 2,
        expires: bool = False,
    ) -> int:
        """A write that was acknowledged."""
        op = self.call("put", value=value, request=f"r-{value}", seen=seen, quorum=quorum, expires=expires)
        return self.answer(op, "ok", shown)

    def delete(self, name: str, *, seen: Clock | None = None, shown: Version) -> int:
        """A delete that was acknowledged; its tombstone carries the request `r-name`."""
        op = self.call("delete", request=f"r-{name}", seen=seen)
        return self.answer(op, "ok", shown)

    def get(self, shown: Version | None, *, seen: Clock | None = None, quorum: int = 2) -> int:
        """A read that was answered."""
        return self.answer(self.call("get", seen=seen, quorum=quorum), "ok", shown)


def rules(found: list[Violation]) -> list[str]:
    """Which rules were broken, each once, in order."""
    return sorted({violation.rule for violation in found})


def op(
    index: int,
    kind: str,
    called: float,
    returned: float = inf,
    *,
    key: str = "b/k",
    outcome: Outcome = "ok",
    **more: object,
) -> Op:
    """An operation by hand. `seen` given means that it was told; a get without `seen` saw nothing."""
    told = "seen" in more or (kind == "get" and outcome == "ok")
    return Op(index, f"c{index}", kind, key, called, returned, outcome, told=told, **more)


class Calls:
    """Writes a history of a linearizable key, event by event, each a second after the last."""

    def __init__(self) -> None:
        self.history = History([Bucket("b", "linearizable", 3)])
        self._now = 0.0
        self._ops = 0

    def call(self, kind: str, key: str = "k", **more: object) -> int:
        """Somebody asks for something; the number of the operation."""
        self._ops += 1
        self._now += 1
        more.setdefault("process", f"c{self._ops}")
        self.history.add(
            Call(op=self._ops, at=self._now, kind=kind, bucket="b", key=key, quorum=2, deadline=self._now + 5, **more)
        )
        return self._ops

    def answer(self, op: int, *values: str, outcome: Outcome = "ok", **more: object) -> int:
        """It returns."""
        self._now += 1
        self.history.add(Return(op, self._now, outcome, values=values, **more))
        return op
