"""One client request, after the api has checked its words: what a coordinator works on and what it answers.

A command is what is forwarded when the node asked is no replica of the key; an outcome is what comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from dynamo.versioning.clock import Clock
from dynamo.versioning.record import Record, decode


class Consistency(StrEnum):
    """The consistency names of the API, weakest first."""

    ONE = "one"
    QUORUM = "quorum"
    ALL = "all"
    LINEARIZABLE = "linearizable"

    # As equal texts hash, and without a call in Python.
    __hash__ = str.__hash__


class ReadCommand(msgspec.Struct, gc=False, kw_only=True):
    """A GET or HEAD of one key. `r` and `pr` are None where the client did not say (the bucket decides)."""

    bucket: str
    key: bytes
    consistency: Consistency | None = None
    r: int | str | None = None
    pr: int | str | None = None
    sloppy: bool | None = None
    """Whether fallbacks answer for replicas that cannot; None takes the bucket's."""
    context: Clock | None = None
    """Answer nothing that has not seen this clock."""
    context_hybrid: int = 0
    """Newest stamp that the context has seen; 0 if it names none."""
    context_wrote: Clock = {}
    """What of the context its holder wrote itself."""


class WriteCommand(msgspec.Struct, gc=False, kw_only=True, array_like=True):
    """A PUT, POST or DELETE of one key. `value` None deletes. Quorums are None where the client did not say."""

    bucket: str
    key: bytes
    value: bytes | None
    request: bytes
    """16 bytes that name the client's request: a repeat is the same write."""
    content_type: str = ""
    meta: dict[str, str] = {}
    context: Clock | None = None
    context_hybrid: int = 0
    consistency: Consistency | None = None
    w: int | str | None = None
    dw: int | str | None = None
    pw: int | str | None = None
    sloppy: bool | None = None
    ttl_ms: int | None = None
    """Time to live; None takes the bucket's, 0 is for ever."""


class ReadOutcome(msgspec.Struct, gc=False):
    """What a read found."""

    found: Record | None
    replicas: int
    """How many replicas the answer was merged from."""
    repaired: int = 0
    """How many replicas were brought up to date before the answer."""
    data: bytes = b""
    """The record in byte form, its checksum verified, where that is at hand."""
    resolve: Callable[[Record, Record], Record] | None = None
    """How the record of `data` is reconciled, where that was not done."""

    @property
    def record(self) -> Record | None:
        """None if no replica that answered has ever heard of the key.

        Read by this node alone, it is decoded when it is asked for. Raises CorruptValue.
        """
        if self.found is None and self.data:
            record = decode(self.data)
            self.found = record if self.resolve is None else self.resolve(record, record)
        return self.found


class WriteOutcome(msgspec.Struct, gc=False, array_like=True):
    """What a write did. The record is sent without its values unless the client wants them."""

    record: bytes
    """The coordinator's record after the write, in its byte form."""
    primaries: int
    """Durable acknowledgements by primaries, the coordinator included."""
    fallbacks: int
    coordinator: str
    repeated: bool = False
    """The request had been applied before; no second dot was minted."""


class Condition(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What must hold of a key for its change to be made. All that is given must hold; nothing given always holds."""

    exists: bool | None = None
    """True: it has a value. False: it has none (never written, or deleted)."""
    version: int | None = None
    """Its version is this one; 0 is that of a key that was never written."""
    etags: list[str] = []
    """Its entity tag is one of these; empty does not ask."""
    value: bytes | None = None
    """It has exactly these bytes."""


class Action(StrEnum):
    """What a change does to a key of a linearizable bucket."""

    SET = "set"
    DELETE = "delete"
    ADD = "add"
    """Add `amount` to the decimal integer that the value is; a key without value counts as 0."""
    READ = "read"
    """Nothing; the answer is the key's state at one instant."""
    RESOLVE = "resolve"
    """Say what became of request `target`; if it was not applied, see to it that it never will be."""


class ChangeCommand(msgspec.Struct, gc=False, kw_only=True, array_like=True):
    """A conditional change of one key in a linearizable bucket."""

    bucket: str
    key: bytes
    action: Action
    request: bytes
    """16 bytes that name the client's request: however often it comes, it takes effect once (`layout/register.py`)."""
    condition: Condition | None = None
    value: bytes = b""
    content_type: str = ""
    meta: dict[str, str] = {}
    amount: int = 0
    target: bytes = b""
    named: bool = True
    """Whether somebody may repeat it, or ask what became of it: its client gave it a name, or another node was asked
    for it. If not, it need not be remembered for long (`consensus/requests.py`).
    """
    repeated: bool = False
    """Whether its client knows of an attempt before this one, which may have been made or may still be."""
    born: int = 0
    """No attempt was made before this moment (about milliseconds since 1970); 0 if nobody knows. A RESOLVE says it of
    its target.
    """


class ChangeOutcome(msgspec.Struct, gc=False, array_like=True):
    """What became of a change."""

    applied: bool
    """False: the condition did not hold; or, of a RESOLVE, its target was not applied and never will be."""
    version: int
    """The version that the change made; of one that made none, the version that it saw."""
    register: bytes
    """What it left, or saw, in the byte form of `layout/register.py`, without its list of requests. A repeated change
    whose version was replaced since has an empty one.
    """
    coordinator: str
    repeated: bool = False
    """The request had been applied before; this is what it did then."""
    rounds: int = 1
    """Ballots that it took, by whatever coordinator answers."""
    deleted: bool = False
    """Whether `version` is a deletion."""


class ListCommand(msgspec.Struct, gc=False, kw_only=True):
    """A page of a bucket's keys, in partition order, ordered inside a partition key."""

    bucket: str
    prefix: bytes = b""
    start: bytes = b""
    end: bytes = b""
    """First key not wanted; empty for no end."""
    limit: int = 1000
    values: bool = False
    consistency: Consistency | None = None
    r: int | str | None = None
    after: tuple[int, bytes] | None = None
    """(partition, last key) of the page before."""


class ListOutcome(msgspec.Struct, gc=False):
    """Live entries of a page and where the next one begins (None: this was the last)."""

    entries: list[tuple[bytes, Record]]
    after: tuple[int, bytes] | None
