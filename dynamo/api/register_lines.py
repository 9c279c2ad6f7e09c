"""What an answer says of a linearizable key, told straight from the register that an outcome carries.

Such a key has one value and one line of versions. So its context and its entity tag need no record: the tag follows
from the version and whether it is a deletion, and the context from these, the key and the time of the change. Nor do
the header fields need a dictionary. This is for changes that were made and values that are shown as they are; every
other answer is made of a `Shown` (`registers.py`), and says the same in the same order, which a test compares.
"""

from __future__ import annotations

from functools import lru_cache

from dynamo.api.answer import http_date, lines_of
from dynamo.consensus.record import CHOSEN, as_record
from dynamo.layout.register import Face, face
from dynamo.protocol.commands import ChangeOutcome
from dynamo.protocol.http_fields import (
    CONTEXT,
    COORDINATOR,
    DEFAULT_CONTENT_TYPE,
    EPOCH,
    REPEATED,
    REQUEST_ID,
    SIBLINGS,
    VERSION,
)
from dynamo.ring.token import key_hash
from dynamo.versioning.context import token
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import etag

_TAGS_MAX = 4096


class Told:
    """The words for the key as an outcome shows it, which has been changed at least once."""

    __slots__ = ("context", "exists", "shown", "tag", "version")

    def __init__(self, bucket: str, key: bytes, outcome: ChangeOutcome) -> None:
        version = outcome.version
        assert version > 0, "what was never written has other words"
        self.version = version
        self.shown = face(outcome.register) if outcome.register else None
        """None: the version was replaced since, and only that it was made is known."""
        self.exists = not outcome.deleted
        self.tag = tag_of(version, outcome.deleted)
        stamped = 0 if self.shown is None else stamp(self.shown.counter)
        self.context = token(key_hash(bucket, key), stamped, [(CHOSEN, version)])


def lines_of_change(told: Told, outcome: ChangeOutcome, trace: str, epoch: int) -> bytes:
    """The header fields of the answer to a change that was made."""
    text = (
        f"{REQUEST_ID}: {trace}\r\n{place_lines(outcome.coordinator, epoch)}{CONTEXT}: {told.context}\r\n"
        f"{VERSION}: {told.version}\r\n{SIBLINGS}: {'1' if told.exists else '0'}\r\n"
        f'ETag: "{told.tag}"\r\n'
    )
    if outcome.repeated:
        text += f"{REPEATED}: true\r\n"
    return text.encode()


def lines_of_value(told: Told, coordinator: str, trace: str, epoch: int) -> bytes | None:
    """The header fields of the answer to a read that shows the value; None if it has unusual ones."""
    shown = told.shown
    if shown is None or shown.meta or not shown.content_type.isprintable():
        return None
    text = (
        f"{REQUEST_ID}: {trace}\r\n{place_lines(coordinator, epoch)}Cache-Control: no-cache\r\n"
        f'{CONTEXT}: {told.context}\r\n{VERSION}: {told.version}\r\nETag: "{told.tag}"\r\n'
        f"Content-Type: {shown.content_type or DEFAULT_CONTENT_TYPE}\r\n"
        f"Last-Modified: {http_date(shown.counter // 1000)}\r\n{SIBLINGS}: 1\r\n"
    )
    return text.encode()


@lru_cache(maxsize=_TAGS_MAX)
def tag_of(version: int, deleted: bool) -> str:  # noqa: FBT001  # positional, as all that is passed for each request
    """The entity tag of a version: records of the same version have the same one, whatever their values."""
    return etag(as_record(Face(version, None if deleted else b"")))


@lru_cache(maxsize=64)
def place_lines(coordinator: str, epoch: int) -> str:
    """Who answers, and under which ring. Raises ValueError as `lines_of`."""
    return lines_of({COORDINATOR: coordinator, EPOCH: str(epoch)}).decode()
