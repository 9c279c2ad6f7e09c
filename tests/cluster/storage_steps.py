"""Ends the process at a chosen step of the log's life: before it, after it, or in the middle.

    frame      a group is written to the log
    header     the next segment is given its header
    seal       the one before is sealed
    make       a segment is made
    remove     segments are removed
    advance    LMDB is taken forward by the node itself: at a start, and for the mark
    ask        LMDB is taken forward by the child
    child      the same, and in the middle of it the child is killed, not the node

Segments and memtables are made so small that all of it happens within a second.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from dynamo.storage import keeper, log, log_engine, recovery
from dynamo.storage.environment import Environment
from dynamo.storage.frame import SEAL
from dynamo.storage.keeper import Child
from dynamo.storage.segment import Folder

STEPS = ("frame", "header", "seal", "make", "remove", "advance", "ask", "child")
MOMENTS = ("before", "middle", "after")
_MAGIC_OF_HEADERS = b"DKVlog"
_KIND_AT = 32


def die() -> None:
    """As by `kill -9`, from whatever thread."""
    os.kill(os.getpid(), signal.SIGKILL)


def smaller() -> None:
    """A few dozen groups to a memtable, a few to a segment."""
    log_engine.COUNT_MAX = 150
    log_engine.CHECKPOINT_S = 0.1
    log.SEGMENT_BYTES = keeper.SEGMENT_BYTES = 128 * 1024
    log.SPARES_MAX = 2


class Trap:
    """Counts a step, and springs at the given one of it."""

    def __init__(self, step: str, moment: str, count: int) -> None:
        self._step, self._moment, self._left = step, moment, count
        self._write = log.write_all
        log.write_all = self._writing
        self._wrap(Folder, "make", "make")
        self._wrap(Folder, "remove", "remove")
        self._wrap(Environment, "advance", "advance")
        self._wrap(Child, "ask", "child" if step == "child" else "ask")
        assert recovery.Folder is Folder

    def _springs(self, step: str) -> bool:
        if step == self._step:
            self._left -= 1
        return step == self._step and self._left == 0

    def _wrap(self, owner: type, name: str, step: str) -> None:
        real: Callable[..., object] = getattr(owner, name)

        def wrapped(target: object, *args: object, **options: object) -> object:
            springs = self._springs(step)
            if springs and step == "child":
                pid = target.pid
                threading.Timer({"before": 0.0, "middle": 0.003, "after": 0.01}[self._moment], kill, [pid]).start()
            elif springs and self._moment == "before":
                die()
            elif springs and self._moment == "middle":
                threading.Timer(0.002, die).start()
            result = real(target, *args, **options)
            if springs and step != "child":
                die()
            return result

        setattr(owner, name, wrapped)

    def _writing(self, handle: int, data: memoryview, place: int) -> None:
        springs = self._springs(kind_of(data))
        if springs and self._moment == "before":
            die()
        if springs and self._moment == "middle":
            self._write(handle, data[: len(data) // 2 + 1], place)
            die()
        self._write(handle, data, place)
        if springs:
            die()


def kill(pid: int) -> None:
    """Of the child that this process has started and not yet waited for."""
    os.kill(pid, signal.SIGKILL)


def kind_of(data: memoryview) -> str:
    if data[:6] == _MAGIC_OF_HEADERS:
        return "header"
    return "seal" if data[_KIND_AT] == SEAL else "frame"
