"""The power goes between any two calls of the log, and of what was not synced the disk has any part."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import replay
from dynamo.storage.frame import BLOCK, changes_of, every
from dynamo.storage.group import Changes
from dynamo.storage.log import Log
from dynamo.storage.segment import Folder, Header, epoch, header_block, header_of
from tests.unit.storage.powered_disk import Fault, PoweredDisk

ID = 5


class Broken(Exception):
    """A sync has failed: nothing is written any more."""


class Group(NamedTuple):
    """One that is written."""

    size_bytes: int
    has_spare: bool
    """Whether another segment is made before it."""
    by_loop: bool
    """Whether it is first tried without the thread, as `LoopWriter` does."""


class Run:
    """A log on such a disk, and what its users were told."""

    def __init__(self, folder: Folder, patched: pytest.MonkeyPatch, fault: Fault | None, *, lazy: bool) -> None:
        first = folder.make(header_block(Header(ID, 1)), BLOCK)
        self.disk = PoweredDisk(patched, fault)
        self.disk.add(folder.file(first))
        self.disk.before_each = self.check
        self.log = Log(folder, ID, first, 0, lazy=lazy)
        self.there: list[bytes] = []
        """Acknowledged."""
        self.durable = 0
        """How many of them must be there after a cut."""
        self.open: list[bytes] = []
        """Of which nobody was told anything, or that it is unknown."""

    def check(self) -> None:
        """Nothing durable is lost, nothing refused is there, no group without those before; and none is damage."""
        for files in self.disk.after_a_cut():
            found = keys(files)
            assert found == (self.there + self.open)[: len(found)]
            assert len(found) >= self.durable

    def spare(self, blocks: int) -> None:
        name = self.log.folder.make(b"", blocks * BLOCK)
        self.disk.add(self.log.folder.file(name))
        self.log.spares.append(name)

    def commit(self, key: bytes, group: Group) -> bool:
        """Whether the log goes on."""
        if group.has_spare:
            self.spare(4)
        self.open = [key]
        try:
            self._write({Keyspace.RECORDS: {key: bytes(group.size_bytes)}}, group)
        except OSError as problem:
            if self.log.excused(problem) is None:
                return False
        except Broken:
            return False
        else:
            self.there.append(key)
            self.durable = self.durable if self.log.lazy else len(self.there)
        self.open = []
        self.check()
        return True

    def _write(self, changes: Changes, group: Group) -> None:
        if group.by_loop and not self.log.lazy and self._begun(changes):
            self.log.ended()
        else:
            self.log.commit(changes)

    def _begun(self, changes: Changes) -> bool:
        try:
            handle = self.log.begin(changes)
        except OSError:
            return False
        if handle is not None:
            try:
                os.fdatasync(handle)
            except OSError as problem:
                raise Broken from problem
        return handle is not None

    def sync(self) -> bool:
        """As the thread does behind an async log. Whether the log goes on."""
        try:
            self.log.sync()
        except OSError:
            return False
        self.durable = len(self.there)
        self.check()
        return True


def keys(files: Mapping[str, bytes]) -> list[bytes]:
    """What a start would replay of files with this content."""
    found = []
    for name, data in files.items():
        header = header_of(data[:BLOCK])
        if header is not None and header.log == ID:
            frames = tuple(every(memoryview(data), epoch(ID, header.number)))
            found.append(replay.Found(name, header.number, frames))
    made = replay.plan(found, 0)
    assert made.damage is None, made.damage
    return [key for frame in made.frames for key in changes_of(frame)[Keyspace.RECORDS]]


faults = st.builds(Fault, st.integers(0, 30), st.sampled_from((0, 40, BLOCK, BLOCK + 40)), st.booleans())
steps = st.none() | st.builds(Group, st.sampled_from((10, 5000)), st.booleans(), st.booleans())


@pytest.mark.parametrize("lazy", [False, True], ids=["sync", "async"])
@given(groups=st.lists(steps, max_size=10), fault=st.none() | faults)
@example(groups=[Group(10, has_spare=True, by_loop=False)], fault=None)
@example(groups=[Group(10, has_spare=True, by_loop=False)], fault=Fault(3, 0, loses=False))
@example(groups=[Group(10, has_spare=False, by_loop=False)], fault=Fault(1, 0, loses=False))
def test_a_cut_at_any_moment(lazy, groups, fault):
    """With and without another segment at hand, and a call that fails for want of room. None: a sync."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        run = Run(Folder(Path(folder)), patched, fault, lazy=lazy)
        try:
            for number, group in enumerate(groups):
                if not (run.sync() if group is None else run.commit(b"%d" % number, group)):
                    break
            run.check()
        finally:
            run.log.close()
