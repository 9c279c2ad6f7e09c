"""Carries out the planned faults, and undoes each of them: when its time is over, and all of them in the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynamo.checker.history import Remark
from tests.chaos import schedule
from tests.chaos.hosts import CLIENTS, Hosts
from tests.chaos.journal import Journal
from tests.chaos.nodes import ChaosNode
from tests.chaos.schedule import Planned

WATCH_S = 0.5


@dataclass(slots=True)
class Band:
    """A fault as it happened, in seconds of the history."""

    fault: Planned
    began_s: float
    ended_s: float


class Faults:
    """One per run."""

    def __init__(self, hosts: Hosts, nodes: Sequence[ChaosNode], journal: Journal, now: Callable[[], float]) -> None:
        self.bands: list[Band] = []
        self._hosts = hosts
        self._nodes = {node.id: node for node in nodes}
        self._journal = journal
        self._now = now
        self._lasting: list[Planned] = []
        self._turn = asyncio.Lock()

    async def run(self, plan: Sequence[Planned]) -> None:
        """All of them, each at its time; heals everything in the end, also when it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._revive(max((fault.ends_s for fault in plan), default=0.0)))
                for fault in plan:
                    group.create_task(self._carry_out(fault))
        finally:
            self.heal()

    def heal(self) -> None:
        """Links whole, disks with room, clocks right, every node running."""
        self._lasting.clear()
        self._hosts.apply((), ())
        for node in self._nodes.values():
            node.signal(signal.SIGCONT)
            self._hosts.free(node.id, node.pid)
            node.set_clock(0)
            node.start()
        self.remark("all faults have ended")

    def remark(self, text: str) -> None:
        """Note for the reader of the history."""
        self._journal.add(Remark(self._now(), text))

    async def _carry_out(self, fault: Planned) -> None:
        await asyncio.sleep(fault.at_s - self._now())
        band = Band(fault, self._now(), self._now())
        self.bands.append(band)
        self.remark(f"begins: {fault}")
        await self._change(fault, begins=True)
        await asyncio.sleep(fault.ends_s - self._now())
        await self._change(fault, begins=False)
        band.ended_s = self._now()
        self.remark(f"ends: {fault}")

    async def _change(self, fault: Planned, *, begins: bool) -> None:
        async with self._turn:
            if begins:
                self._lasting.append(fault)
            elif fault in self._lasting:
                self._lasting.remove(fault)
            if fault.kind in schedule.NETWORK:
                await asyncio.to_thread(self._set_links)
            else:
                for name in fault.nodes:
                    await asyncio.to_thread(self._set_node, self._nodes[name])

    def _set_links(self) -> None:
        cut: set[tuple[str, str]] = set()
        lossy: set[tuple[str, str]] = set()
        for fault in self._lasting:
            concerned = schedule.links(fault, list(self._nodes), CLIENTS)
            (lossy if fault.kind == "lossy" else cut).update(concerned)
        self._hosts.apply(cut, lossy)

    def _set_node(self, node: ChaosNode) -> None:
        """Make the node what the faults that last together make of it."""
        on_it = {fault.kind: fault for fault in self._lasting if node.id in fault.nodes}
        if on_it.keys() & {"kill", "blackout", "wipe"}:
            node.kill()
            if "wipe" in on_it:
                node.wipe()
        else:
            node.start()
        node.signal(signal.SIGSTOP if "stop" in on_it else signal.SIGCONT)
        if "disk" in on_it:
            self._hosts.fill(node.id, node.pid)
        else:
            self._hosts.free(node.id, node.pid)
        node.set_clock(on_it["clock"].amount if "clock" in on_it else 0)

    async def _revive(self, until_s: float) -> None:
        """Start nodes again that ended by themselves, as a service manager would; each is held against them later."""
        while self._now() < until_s:
            await asyncio.sleep(WATCH_S)
            # Not while a fault starts or ends nodes: one could be started twice.
            async with self._turn:
                for node in self._nodes.values():
                    if node.notice_exit():
                        self.remark(node.exits[-1])
                        node.start()
