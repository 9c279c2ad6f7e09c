"""What the clients did and saw, in the checker's own format, and one more thing: what contexts had shown.

Over HTTP a node tells clocks (in the context tokens) but not the dots of the values it shows. So a write is known by
its value, which is unique, and what a writer had seen by the values that it was shown: those of the answer
that its context came from, and for the answer to a write its own value and what that write had seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from dynamo.checker.history import Bucket, Call, Event, History, Operation, Place, Return


class Asked(Call, tag_field="event", tag="call", frozen=True, omit_defaults=True):
    """A call, with the values that its context stands for."""

    seen: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    """Values that it may stand for: the answer to a write beside others cannot always cover that write itself."""


_encoder = msgspec.json.Encoder()


class Journal:
    """Writes the history to a file as it happens, and keeps it."""

    def __init__(self, file: Path) -> None:
        self.history = History()
        self._file: TextIO = file.open("w", encoding="utf-8")

    def add(self, event: Event) -> None:
        """Append an event."""
        self.history.add(event)
        self._file.write(_encoder.encode(event).decode() + "\n")

    def close(self) -> None:
        self._file.close()


def only(history: History, buckets: Iterable[str]) -> History:
    """The part of a history that is about these buckets."""
    wanted = set(buckets)
    kept = History()
    for event in history.events:
        if isinstance(event, Bucket):
            fits = event.name in wanted
        elif isinstance(event, Call):
            fits = event.bucket in wanted
        elif isinstance(event, Return):
            fits = history.operations[event.op].call.bucket in wanted
        else:
            fits = True
        if fits:
            kept.add(event)
    return kept


def by_place(history: History) -> dict[Place, list[Operation]]:
    """Operations by key, in the order of their calls."""
    found: dict[Place, list[Operation]] = {}
    for operation in history.operations.values():
        found.setdefault(operation.call.place, []).append(operation)
    return found


def seen_by(operation: Operation, *, for_certain: bool) -> tuple[str, ...]:
    """The values that the operation's context stands for, or may stand for."""
    call = operation.call
    if not isinstance(call, Asked):
        return ()
    return call.seen if for_certain else (*call.seen, *call.maybe)


def writes(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Puts and deletes."""
    return (operation for operation in operations if operation.call.kind != "get")
