"""The writes of a history, and every dot that anybody was shown.

A write is a request: all its calls, through whatever nodes, are one. It took effect for certain if one call returned
`ok`, certainly not if all returned `fail`. A repeat through another node may mint a second dot for it; that is one
write with two dots, and users must see one value.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import msgspec

from dynamo.checker.clocks import covers
from dynamo.checker.history import Clock, Dot, History, Operation, Outcome, Place, Sibling, Version


class Write(msgspec.Struct):
    """One request to put or delete."""

    place: Place
    request: str
    value: str | None
    context: Clock | None
    calls: list[Operation]

    @property
    def outcome(self) -> Outcome:
        """Of the request as a whole."""
        outcomes = [operation.outcome for operation in self.calls]
        if "ok" in outcomes:
            return "ok"
        return "fail" if all(outcome == "fail" for outcome in outcomes) else "unknown"

    @property
    def called_at(self) -> float:
        """When it was first asked for: it cannot have been seen before."""
        return min(operation.call.at for operation in self.calls)

    @property
    def over_at(self) -> float:
        """When the last of its calls had ended for certain: it cannot have started to take effect later."""
        ends = [operation.last.at for operation in self.calls if operation.last and operation.outcome != "unknown"]
        return max(ends) if len(ends) == len(self.calls) else inf

    @property
    def is_blind_delete(self) -> bool:
        """A delete that names no context removes what its coordinator knows, and only that node can say what it was."""
        return self.value is None and self.context is None

    @property
    def is_fleeting(self) -> bool:
        """Deletes and values that expire: they may go without having been superseded, once a later write is there."""
        return self.value is None or self.calls[0].call.expires

    @property
    def ops(self) -> tuple[int, ...]:
        return tuple(operation.call.op for operation in self.calls)


class Sighting(msgspec.Struct, frozen=True):
    """A version that was shown to a client, and by what operation."""

    version: Version
    operation: Operation


class Ledger:
    """All writes by request, and all versions and dots by key."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.writes: dict[str, Write] = {}
        self.sightings: dict[Place, list[Sighting]] = {}
        self.dots: dict[Place, dict[Dot, Sibling]] = {}
        """The first sibling that was shown under a dot."""
        self.shown_by: dict[tuple[Place, Dot], Operation] = {}
        self._fleeting: dict[Place, list[Write]] = {}
        for operation in history.operations.values():
            self._enter_write(operation)
            self._enter_version(operation)

    def write_of(self, sibling: Sibling) -> Write | None:
        """The write that a sibling came from; None if nobody ever asked for it."""
        return self.writes.get(sibling.request)

    def fleeting(self, place: Place) -> list[Write]:
        """Fleeting writes of a key that took effect, or may have: under dots that perhaps nobody was shown."""
        return [write for write in self._fleeting.get(place, []) if write.outcome != "fail"]

    def supersedes(self, newer: Write, older: Sibling) -> bool:
        """Whether a write took the place of a sibling: by its context, or by a delete that names none."""
        if newer.is_blind_delete:
            origin = self.write_of(older)
            return origin is not None and origin.called_at <= newer.over_at
        return newer.context is not None and covers(newer.context, older.dot)

    def mode(self, place: Place) -> str:
        """The mode of a key's bucket; siblings if the history does not say."""
        bucket = self.history.buckets.get(place[0])
        return "siblings" if bucket is None else bucket.mode

    def places(self) -> Iterator[Place]:
        """Every key that was touched, in order."""
        yield from self.history.places()

    def _enter_write(self, operation: Operation) -> None:
        call = operation.call
        if call.kind == "get":
            return
        known = self.writes.get(call.request)
        if known is None:
            write = Write(call.place, call.request, call.value, call.context, [operation])
            self.writes[call.request] = write
            if write.is_fleeting:
                self._fleeting.setdefault(call.place, []).append(write)
        else:
            known.calls.append(operation)

    def _enter_version(self, operation: Operation) -> None:
        place = operation.call.place
        for returned in operation.returns:
            if returned.version is not None:
                self.sightings.setdefault(place, []).append(Sighting(returned.version, operation))
                for sibling in returned.version.siblings:
                    self._enter_dot(place, sibling, operation)

    def _enter_dot(self, place: Place, sibling: Sibling, operation: Operation) -> None:
        known = self.dots.setdefault(place, {})
        if sibling.dot not in known:
            known[sibling.dot] = sibling
            self.shown_by[place, sibling.dot] = operation
