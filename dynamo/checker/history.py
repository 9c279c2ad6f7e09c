"""What happened, as the clients saw it: calls, returns and what they said, one JSON object a line.

A call is written before the request is sent, a return when its outcome is known; so a call without a return is one
whose outcome nobody knows. Times are seconds on one clock, that of whoever recorded. Values are unique: a value names
the write that it came from. A request (its identity) may be made several times; all its calls are one write.

`ok` means that the operation took effect, `fail` that it never did and never will, `unknown` that it may have. A
compare-and-set whose condition did not hold is `ok` and not `applied`: it changed nothing, and says what it saw.
`operation.py` makes of these events what a check of linearizability works on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Dot = tuple[str, int]
Clock = dict[str, int]
Place = tuple[str, str]
"""Bucket and key."""
Outcome = Literal["ok", "fail", "unknown"]
Kind = Literal["get", "put", "delete", "cas", "add", "resolve", "acquire", "release"]
"""`cas` changes under a condition, `add` adds to an integer. `resolve` asks what became of the request that it names.
`acquire` and `release` are those of a lock."""


class Sibling(msgspec.Struct, frozen=True, array_like=True):
    """One value of a version; `value` None is a tombstone."""

    actor: str
    counter: int
    value: str | None
    request: str
    stamp: int = 0
    expires_at: float | None = None
    """When it ceases to be shown, in seconds of the history's clock; None is never."""

    @property
    def dot(self) -> Dot:
        return (self.actor, self.counter)

    @property
    def rank(self) -> tuple[int, bool, str, int]:
        """Order in an lww bucket, newest last; of equal stamps a tombstone wins, then the greater dot."""
        return (self.stamp, self.value is None, self.actor, self.counter)


class Version(msgspec.Struct, array_like=True):
    """All that was known of a key: a clock, and the siblings under it."""

    clock: Clock
    siblings: tuple[Sibling, ...]


class Clocks(msgspec.Struct, tag_field="event", tag="clocks", frozen=True):
    """How wrong the clocks of the nodes may be, seconds: an expiry may be seen so much too early or too late."""

    error_s: float


class Forgets(msgspec.Struct, tag_field="event", tag="forgets", frozen=True):
    """The store forgets keys that have been dead (deleted or expired) for so long, seconds, by the nodes' clocks."""

    after_s: float


class Bucket(msgspec.Struct, tag_field="event", tag="bucket", frozen=True):
    """How a bucket of this history treats concurrent writes, and on how many replicas."""

    name: str
    mode: Literal["siblings", "lww", "linearizable"]
    n: int
    strict: bool = True
    """Whether only the N replicas of a key count; where fallbacks do, quorums need not overlap."""


class Run(msgspec.Struct, tag_field="event", tag="run", frozen=True):
    """A node begins a run as that actor of dots. What it only kept in memory in an earlier run is gone."""

    at: float
    actor: str


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must hold of a key for a `cas` to change it: that it has no value, that value, or that version number."""

    of: Literal["absent", "value", "version"]
    value: str | None = None
    number: int | None = None


# Calls and returns hold nothing that leads back to them, and there may be millions: the collector can leave them alone.
class Call(msgspec.Struct, tag_field="event", tag="call", frozen=True, omit_defaults=True, gc=False):
    """A client asks for something."""

    op: int
    at: float
    process: str
    kind: Kind
    bucket: str
    key: str
    quorum: int
    """Replicas that must take part before the answer: R or W."""
    deadline: float
    via: str = ""
    """The node that was asked."""
    value: str | None = None
    request: str = ""
    context: Clock | None = None
    """What the client had seen; None if it did not say."""
    expires: bool = False
    """Whether the value is to live for a time only."""
    condition: Condition | None = None
    """Of a `cas`."""
    then: Literal["set", "delete", "add"] = "set"
    """What a `cas` does if its condition holds: set `value`, delete the key, or add `amount`."""
    amount: int = 0

    @property
    def place(self) -> Place:
        return (self.bucket, self.key)


class Return(msgspec.Struct, tag_field="event", tag="return", frozen=True, omit_defaults=True, gc=False):
    """What came of a call."""

    op: int
    at: float
    outcome: Outcome
    version: Version | None = None
    """Of a get: what it found. Of a write: the coordinator's version after it."""
    values: tuple[str, ...] = ()
    """Of a get: the values that a user would be shown. Of a condition that did not hold: the value there was.
    Of an addition: the sum."""
    error: str = ""
    held_by: int | None = None
    """On how many replicas' disks all of `version` lay at that moment, where somebody could look."""
    applied: bool = True
    """False: the condition did not hold (of a `resolve`: the request has changed nothing, and never will)."""
    number: int | None = None
    """The version number of a linearizable key: of a change the one it made, else the one that was seen."""
    told: bool = True
    """Whether `values` says what there was (no value: nothing), where nothing was changed or something was added."""


class Remark(msgspec.Struct, tag_field="event", tag="remark", frozen=True):
    """What happened besides, for the reader: faults, phases, the seed."""

    at: float
    text: str


Event = Clocks | Forgets | Bucket | Run | Call | Return | Remark
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


class Operation(msgspec.Struct):
    """A call with its returns: one, if all is well."""

    call: Call
    returns: list[Return] = []

    @property
    def last(self) -> Return | None:
        """The return that counts, None while there is none."""
        return self.returns[0] if self.returns else None

    @property
    def outcome(self) -> Outcome:
        return self.returns[0].outcome if self.returns else "unknown"


class History:
    """Events in the order in which they were recorded."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = []
        self.clock_error_s = 0.0
        self.forgets_after_s: float | None = None
        """None for a store that keeps its tombstones for ever."""
        self.buckets: dict[str, Bucket] = {}
        self.runs: dict[str, int] = {}
        """How often each actor began a run."""
        self.operations: dict[int, Operation] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Append an event. Raises ValueError for a return without its call, or a call number used twice."""
        if isinstance(event, Clocks):
            self.clock_error_s = event.error_s
        elif isinstance(event, Forgets):
            self.forgets_after_s = event.after_s
        elif isinstance(event, Bucket):
            self.buckets[event.name] = event
        elif isinstance(event, Run):
            self.runs[event.actor] = self.runs.get(event.actor, 0) + 1
        elif isinstance(event, Call):
            if event.op in self.operations:
                raise ValueError(f"operation {event.op} is called twice")
            self.operations[event.op] = Operation(event)
        elif isinstance(event, Return):
            if event.op not in self.operations:
                raise ValueError(f"operation {event.op} returns and was never called")
            self.operations[event.op].returns.append(event)
        self.events.append(event)

    def is_linearizable(self, bucket: str) -> bool:
        """Whether keys of this bucket have version numbers in place of clocks."""
        described = self.buckets.get(bucket)
        return described is not None and described.mode == "linearizable"

    def at(self, place: Place) -> list[Operation]:
        """Operations on one key, in the order of their calls."""
        return [operation for operation in self.operations.values() if operation.call.place == place]

    def places(self) -> list[Place]:
        """Every key that was touched, in order."""
        return sorted({operation.call.place for operation in self.operations.values()})


def to_lines(history: History) -> str:
    """The history as JSON lines."""
    return "".join(_encoder.encode(event).decode() + "\n" for event in history.events)


def from_lines(text: str) -> History:
    """The history of such lines. Raises ValueError for a line that is none, naming it."""
    return History(events_of(text))


def events_of(text: str) -> list[Event]:
    """The events of such lines. Raises ValueError for a line that is none, naming it."""
    try:
        return _decoder.decode_lines(text)
    except msgspec.DecodeError:
        return _events_one_by_one(text)


def _events_one_by_one(text: str) -> list[Event]:
    """The same, slowly: it knows which line it is at."""
    events: list[Event] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                events.append(_decoder.decode(line))
            except msgspec.DecodeError as problem:
                raise ValueError(f"line {number} is no event of a history: {problem}") from problem
    return events


class Violation(msgspec.Struct, frozen=True):
    """A rule that a history breaks, said so that a person can find the place."""

    rule: str
    place: Place
    text: str
    operations: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = "/".join(self.place) or "cluster"
        named = f" (operations {', '.join(map(str, self.operations))})" if self.operations else ""
        return f"{self.rule}: {where}: {self.text}{named}"
