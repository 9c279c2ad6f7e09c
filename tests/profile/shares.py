"""Samples and processor time put together: what each room used of it.

The kernel says how much processor time the loop's thread, the other threads and the children of a node have used
between two looks; the samples of the loop say where. So the rooms of a node add up to its time, however many samples
there are. The other threads are the store's, and so is the one process that a node starts: they count as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dynamo.workload.cpu import TICKS_PER_S, Meter, Reading, process_s
from tests.profile.rooms import CHILD, WRITER, room
from tests.profile.stacks import Frame, Stack, read

NOWHERE = Frame("", "(outside of Python)")


class Used(NamedTuple):
    """Seconds of processor time of one process, so far or between two looks."""

    loop_s: float
    threads_s: float
    """All threads but the first, the ended ones too."""
    children_s: float
    system_s: float
    """What of loop and threads was the kernel's."""

    def since(self, earlier: Used) -> Used:
        return Used(*(now - then for now, then in zip(self, earlier, strict=True)))


class Mark(NamedTuple):
    """One look at all processes: what each has used, and how long its file of samples is."""

    used: list[Used]
    sizes: list[int]


class Marking(Meter):
    """A meter that keeps a mark of each reading. A measurement reads twice: when it begins, and when it ends."""

    def __init__(self, pids: Sequence[int], files: Sequence[Path]) -> None:
        super().__init__(pids)
        self._files = files
        self.marks: list[Mark] = []

    def read(self) -> Reading:
        self.marks.append(Mark([used(pid) for pid in self._pids], [file.stat().st_size for file in self._files]))
        return super().read()

    def samples(self) -> list[list[Stack]]:
        """What each process noted between the last two marks."""
        return [
            read(file.read_bytes()[:end], begin)
            for file, begin, end in zip(self._files, self.marks[-2].sizes, self.marks[-1].sizes, strict=True)
        ]

    def used(self) -> list[Used]:
        """What each process used between the last two marks."""
        return [now.since(then) for now, then in zip(self.marks[-1].used, self.marks[-2].used, strict=True)]


class Shares(NamedTuple):
    """Seconds of processor time over all processes, and the number of samples behind them."""

    rooms: Counter[str]
    own: Counter[Frame]
    """By file and function, what it calls in C included, what it calls in Python not."""
    stacks: Counter[Stack]
    samples: int
    system_s: float

    @property
    def total_s(self) -> float:
        return sum(self.rooms.values())


def used(pid: int) -> Used:
    """Raises ProcessLookupError if the process is gone."""
    whole_user, whole_system, *_ = _ticks(Path(f"/proc/{pid}/stat"))
    loop_user, loop_system, *_ = _ticks(Path(f"/proc/{pid}/task/{pid}/stat"))
    own_s = (whole_user + whole_system) / TICKS_PER_S
    loop_s = (loop_user + loop_system) / TICKS_PER_S
    return Used(loop_s, own_s - loop_s, process_s(pid) - own_s, whole_system / TICKS_PER_S)


def shared(samples: Sequence[Sequence[Stack]], times: Sequence[Used]) -> Shares:
    """Processor time of processes by room, function and stack."""
    count, system_s = sum(map(len, samples)), sum(each.system_s for each in times)
    found = Shares(Counter(), Counter(), Counter(), count, system_s)
    for stacks, spent in zip(samples, times, strict=True):
        found.rooms[WRITER] += spent.threads_s
        found.rooms[CHILD] += spent.children_s
        # Too little time for a sample is nobody's: the loop's.
        for stack in stacks or [()]:
            share = spent.loop_s / (len(stacks) or 1)
            found.rooms[room(stack)] += share
            found.own[stack[-1] if stack else NOWHERE] += share
            found.stacks[stack] += share
    return found


def _ticks(file: Path) -> list[int]:
    """User and system time, then those of ended children."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        raise ProcessLookupError(f"{file} is gone") from None
    return [int(field) for field in text.rsplit(")", 1)[1].split()[11:15]]
