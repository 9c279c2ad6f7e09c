"""Processor time, read from Linux's /proc: of the servers, of this client, and of everybody else on the machine.

Time per request survives a noisy machine better than requests per second do, so each measurement carries it. What
others used says how noisy it was. The kernel counts in ticks of 10 ms: over seconds that is exact enough. Network
interrupts are left out, since the kernel books them to whoever happens to run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7


class Reading(msgspec.Struct, frozen=True):
    """Seconds of processor time since some point in the past; only differences mean anything."""

    servers_s: float
    client_s: float
    machine_s: float
    """All processes together, and what the host took away."""

    def since(self, earlier: Reading) -> Reading:
        """What was used between two readings."""
        return Reading(
            self.servers_s - earlier.servers_s, self.client_s - earlier.client_s, self.machine_s - earlier.machine_s
        )

    @property
    def others_s(self) -> float:
        """What neither servers nor client used."""
        return max(0.0, self.machine_s - self.servers_s - self.client_s)


class Meter:
    """Reads the time of the given processes, of this one and of the machine."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = tuple(pids)

    def read(self) -> Reading:
        """Raises ProcessLookupError if one of the processes is gone."""
        return Reading(sum(process_s(pid) for pid in self._pids), time.process_time(), machine_s())


def process_s(pid: int) -> float:
    """Processor time that a process has used, with its ended threads and its children, running and ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        raise ProcessLookupError(f"process {pid} is gone") from None
    # The name stands in brackets and may hold spaces. Fields 14 to 17 of the line: user and system time, and those of
    # children that were waited for.
    fields = text.rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_S + sum(map(_child_s, children(pid)))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are not waited for yet."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _child_s(pid: int) -> float:
    try:
        return process_s(pid)
    except ProcessLookupError:
        return 0.0


def machine_s() -> float:
    """Processor time that all processes have used, and what the host of a virtual machine took."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[place]) for place in (_USER, _NICE, _SYSTEM, _STEAL)) / TICKS_PER_S


def cores() -> list[int]:
    """The cores that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def placement() -> tuple[int | None, int | None]:
    """Core of the servers and core of a load generator; nobody is pinned (None) where there is only one."""
    here = cores()
    return (here[0], here[-1]) if len(here) > 1 else (None, None)
