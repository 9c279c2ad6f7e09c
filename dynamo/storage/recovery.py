"""What a start does with the log that the last run has left, before anything is served.

`look` decides and changes nothing: a log that is damaged is refused, or set aside, together with its LMDB. `replay`
then brings LMDB up to the log's end, in one synced transaction; `begin` begins another log behind that, or `forget`
none. The old files are removed last: until the mark has left their log, they are it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from dynamo.errors import StorageFull, StorageRefused
from dynamo.storage import header
from dynamo.storage.applying import Mark, Outrun, together
from dynamo.storage.directory import NO_ROOM
from dynamo.storage.environment import Environment
from dynamo.storage.frame import BLOCK, Frame
from dynamo.storage.group import no_changes
from dynamo.storage.log import Log
from dynamo.storage.replay import plan
from dynamo.storage.segment import Folder, Header, header_block


class Past(NamedTuple):
    """What the last run has left."""

    mark: Mark
    frames: Sequence[Frame]
    """Of groups that LMDB has not, in order."""


def look(environment: Environment, folder: Folder) -> Past:
    """Raises Damaged, StorageRefused."""
    mark = environment.mark
    try:
        if not mark.log:
            if environment.opened_version == 0 and folder.names():
                raise header.Damaged(folder.path, "it is a log, and the store that it belongs to is missing")
            return Past(mark, ())
        found = plan(folder.segments(mark.log), mark.applied)
    except OSError as problem:
        raise StorageRefused(f"the log in {folder.path} cannot be read: {problem}. Check the disk") from problem
    if found.damage is not None:
        raise header.Damaged(folder.path, found.damage)
    return Past(mark, found.frames)


def replay(environment: Environment, folder: Folder, past: Past) -> Mark:
    """Have LMDB hold everything; the mark then. Raises StorageFull, StorageRefused."""
    if not past.frames:
        return past.mark
    after = Mark(past.mark.log, past.frames[-1].sequence)
    try:
        _advance(environment, past.frames, past.mark, after)
    except Outrun:
        # A checkpoint process that has outlived its node came first, with a part of it.
        return replay(environment, folder, look(environment, folder))
    environment.refresh()
    environment.measure()
    return after


def begin(environment: Environment, folder: Folder, mark: Mark, *, lazy: bool) -> Log:
    """Another log, behind `mark`. Raises StorageFull, StorageRefused."""
    former = folder.names()
    log = int.from_bytes(os.urandom(8), "little") or 1
    try:
        name = folder.make(header_block(Header(log, 1)), BLOCK)
        _advance(environment, (), mark, Mark(log, mark.applied))
        folder.remove(former)
        return Log(folder, log, name, mark.applied, lazy=lazy)
    except OSError as problem:
        raise _no_log(folder, problem) from problem


def forget(environment: Environment, folder: Folder, mark: Mark) -> None:
    """Go on without a log. Raises StorageFull, StorageRefused."""
    if mark.log:
        _advance(environment, (), mark, Mark(0, mark.applied))
    try:
        folder.remove(folder.names())
    except OSError as problem:
        raise _no_log(folder, problem) from problem


def _advance(environment: Environment, frames: Sequence[Frame], before: Mark, after: Mark) -> None:
    """Raises Outrun, StorageFull, StorageRefused."""
    try:
        environment.advance(together(frames) if frames else no_changes(), before, after)
    except Outrun:
        raise
    except Exception as problem:
        raise environment.excused(problem) or environment.given_up(problem) from problem


def _no_log(folder: Folder, problem: OSError) -> StorageFull | StorageRefused:
    if problem.errno in NO_ROOM:
        return StorageFull(f"the log in {folder.path} cannot be made ({problem.strerror}): free space on the disk")
    return StorageRefused(f"the log in {folder.path} cannot be made ({problem.strerror}): check the disk")
