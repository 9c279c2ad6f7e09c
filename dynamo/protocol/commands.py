"""One client request, after the api has checked its words: what a coordinator works on and what it answers.

A command is what is forwarded when the node asked is no replica of the key; an outcome is what comes back.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dynamo.versioning.clock import Clock
from dynamo.versioning.record import Record


class Consistency(StrEnum):
    """The consistency names of the API, weakest first."""

    ONE = "one"
    QUORUM = "quorum"
    ALL = "all"
    LINEARIZABLE = "linearizable"


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
    """What a read found. `record` is None if no replica that answered has ever heard of the key."""

    record: Record | None
    replicas: int
    """How many replicas the answer was merged from."""
    repaired: int = 0
    """How many replicas were brought up to date before the answer."""


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
