"""Resident memory of processes over time, read from Linux's /proc a few times a second in a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PERIOD_S = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Samples the processes while the `with` block runs. `samples`: seconds since its begin, bytes of each process."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = tuple(pids)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)
        self._began = 0.0
        self.samples: list[tuple[float, list[int]]] = []

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def largest(self, begin_s: float, end_s: float) -> int:
        """Most bytes that one of the processes had in a stretch of time; 0 if there was no sample in it."""
        return max((max(sizes) for at, sizes in self.samples if begin_s <= at < end_s), default=0)

    def _run(self) -> None:
        while True:
            sizes = [resident_bytes(pid) for pid in self._pids]
            self.samples.append((time.monotonic() - self._began, sizes))
            if self._ended.wait(PERIOD_S):
                return


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in use and in place; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


def anonymous_bytes(pid: int) -> int:
    """Memory that is the process's own: in place, and no page of a file; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # In kB. A process that has ended and was not waited for has no memory, and no such line.
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)
