"""The history of a run, in the form that `dynamo check` reads: each worker writes its own, and they are merged.

A line costs several microseconds, so it is written only where somebody wants it. Lines are kept and written in blocks.
All workers of a host read one clock (Linux's monotonic clock), so their lines can be put in order by time; nothing of
one key is in two files.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from dynamo.checker.history import Bucket, Call, Condition, Event, Kind, Outcome, Remark, Return
from dynamo.load.plan import Plan
from dynamo.version import VERSION

BLOCK = 2000
"""Lines that are kept before they are written."""
_AT = re.compile(rb'"at":([-+.0-9e]+)')
_encode = msgspec.json.Encoder().encode


class Change(NamedTuple):
    """What a call would change."""

    value: str | None = None
    request: str = ""
    version: int | None = None
    """Of a compare-and-set: the version that must be there."""
    amount: int = 0


NO_CHANGE = Change()


class HistoryFile:
    """One worker's part. Operation numbers of several workers are told apart by their remainder."""

    def __init__(self, file: BinaryIO, plan: Plan, part: int, parts: int, via: list[str]) -> None:
        self._file = file
        self._plan = plan
        self._via = via
        self._step = parts
        self._op = part
        self._lines: list[bytes] = []

    def call(
        self, at: float, process: str, kind: Kind, key: str, quorum: int, endpoint: int, change: Change = NO_CHANGE
    ) -> int:
        """A request is about to be sent; the number of the operation."""
        self._op += self._step
        condition = None if change.version is None else Condition("version", number=change.version)
        call = Call(
            self._op,
            at,
            process,
            kind,
            self._plan.bucket,
            key,
            quorum,
            at + self._plan.timeout_s,
            via=self._via[endpoint],
            value=change.value,
            request=change.request,
            condition=condition,
            amount=change.amount,
        )
        self._add(call)
        return self._op

    def returned(
        self, op: int, at: float, outcome: Outcome, values: tuple[str, ...] = (), *,
        applied: bool = True, number: int | None = None, told: bool = True, error: str = "",
    ) -> None:  # fmt: skip
        """It has ended. A call that is never followed by this has an outcome that nobody knows."""
        self._add(Return(op, at, outcome, values=values, applied=applied, number=number, told=told, error=error))

    def _add(self, event: Event) -> None:
        self._lines.append(_encode(event) + b"\n")
        if len(self._lines) >= BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        self._file.write(b"".join(self._lines))
        self._lines.clear()

    def close(self) -> None:
        """Write what is kept, and close; a second time changes nothing."""
        if not self._file.closed:
            self.flush()
            self._file.close()


def merge(into: Path, parts: Iterable[Path], plan: Plan, remarks: Iterable[Remark]) -> None:
    """One file of the workers' files, in the order of time, under a head that says what the run was. Removes them."""
    parts = list(parts)
    described = f"dynamo {VERSION} bench run: seed {plan.seed}, run {plan.run}, {plan.records} records, monotonic clock"
    head: list[Event] = [
        msgspec.convert({"event": "bucket", "name": plan.bucket, "mode": plan.mode, "n": plan.n}, Bucket),
        Remark(0.0, described),
    ]
    files = [part.open("rb") for part in parts]
    lines: list[Iterable[bytes]] = [*files]
    try:
        said = (_encode(each) + b"\n" for each in sorted(remarks, key=lambda remark: remark.at))
        with into.open("wb") as out:
            out.writelines(_encode(event) + b"\n" for event in head)
            merged: Iterator[bytes] = heapq.merge(said, *lines, key=_when)
            out.writelines(merged)
    finally:
        for file in files:
            file.close()
    for part in parts:
        part.unlink()


def _when(line: bytes) -> float:
    found = _AT.search(line)
    return float(found[1]) if found else 0.0
