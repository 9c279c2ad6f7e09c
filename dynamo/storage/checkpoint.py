"""One checkpoint: a stretch of the log goes into LMDB. Who does it, the child or the node itself, does not matter.

A job names the stretch by files and offsets, so that nothing of it has to be handed over: the log lies in the page
cache, and is read there. Every frame is checked again on the way.
"""

from __future__ import annotations

import os
import struct
from typing import IO, TypeVar

import msgspec

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.storage import frame
from dynamo.storage.applying import Mark, together
from dynamo.storage.frame import CHANGES, Frame
from dynamo.storage.group import Changes
from dynamo.storage.segment import Folder, epoch

_LENGTH = struct.Struct("<I")
T = TypeVar("T")


class Piece(msgspec.Struct, frozen=True):
    """A part of one segment."""

    name: str
    number: int
    start: int
    end: int


class Job(msgspec.Struct, frozen=True):
    """What lies in `pieces` takes LMDB from the mark `before` to the mark `after`."""

    before: Mark
    after: Mark
    pieces: list[Piece]


class Answer(msgspec.Struct, frozen=True):
    """How a job ended. `full`: it may succeed later; `refused`: the disk can no longer be trusted."""

    outcome: str
    detail: str = ""


class Missing(Exception):
    """The log does not hold what was written to it."""


def changes_of(folder: Folder, job: Job) -> Changes:
    """The last change of each key. Raises Missing, OSError."""
    frames: list[Frame] = []
    for piece in job.pieces:
        data = memoryview(_read(folder, piece))
        frames += [f for f in frame.every(data, epoch(job.before.log, piece.number), 0) if f.kind == CHANGES]
    found = [f.sequence for f in frames]
    if found != list(range(job.before.applied + 1, job.after.applied + 1)):
        raise Missing(
            f"the log should have groups {job.before.applied + 1} to {job.after.applied}, and has {found[:9]}"
        )
    return together(frames)


def _read(folder: Folder, piece: Piece) -> bytes:
    handle = os.open(folder.file(piece.name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, piece.end - piece.start, piece.start)
    finally:
        os.close(handle)


def answer_of(failure: DynamoError | None) -> Answer:
    """For the way back from the child."""
    if failure is None:
        return Answer("done")
    return Answer("full" if isinstance(failure, StorageFull) else "refused", failure.detail)


def failure_of(answer: Answer) -> DynamoError | None:
    """The other way round."""
    if answer.outcome == "done":
        return None
    return StorageFull(answer.detail) if answer.outcome == "full" else StorageRefused(answer.detail)


def send(file: IO[bytes], message: Job | Answer) -> None:
    """Write a message to a pipe. Raises OSError."""
    data = msgspec.msgpack.encode(message)
    file.write(_LENGTH.pack(len(data)) + data)
    file.flush()


def receive(file: IO[bytes], kind: type[T]) -> T | None:
    """Read a message from a pipe; None if the other side has gone."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    data = file.read(size)
    return msgspec.msgpack.decode(data, type=kind) if len(data) == size else None
