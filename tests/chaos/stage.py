"""Five nodes in namespaces for a short play, and what is noted down while it lasts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from dynamo.checker.history import Remark
from dynamo.config import Config
from tests.chaos import hosts
from tests.chaos.journal import Journal
from tests.chaos.nodes import ChaosNode, wait_ready
from tests.chaos.schedule import Planned, links

NODES = ("node1", "node2", "node3", "node4", "node5")
SETTINGS = "\n[storage]\nmap_size_bytes = 268435456\n"
"""All else as it comes: what finds a cut are the usual timers."""


@dataclass(slots=True)
class Stage:
    """Running nodes, and the links between them."""

    place: hosts.Hosts
    nodes: list[ChaosNode]
    config: Config
    journal: Journal

    @property
    def endpoints(self) -> dict[str, str]:
        """Node to host:port."""
        return {node.id: node.endpoint for node in self.nodes}

    def cut(self, side: tuple[str, ...], other: tuple[str, ...], now: float) -> None:
        """Nothing passes between two sides any more. `halves` wants the smaller side first."""
        fault = Planned(0, 0, "halves", (*side, *other))
        self.place.apply(links(fault, NODES, hosts.CLIENTS), ())
        self.journal.add(Remark(now, f"begins: cut between {' '.join(side)} and {' '.join(other)}"))

    def heal(self, side: tuple[str, ...], other: tuple[str, ...], now: float) -> None:
        """All links are whole again."""
        self.place.apply((), ())
        self.journal.add(Remark(now, f"ends: cut between {' '.join(side)} and {' '.join(other)}"))


@contextlib.asynccontextmanager
async def raised(folder: Path) -> AsyncIterator[Stage]:
    """Five nodes that are up, inside the namespaces that `hosts.enter` made; killed at the end."""
    place = hosts.Namespaces(NODES)
    nodes = [ChaosNode(name, place, folder / "nodes") for name in NODES]
    place.raise_up({node.id: node.disk for node in nodes})
    configured = [node.configure(nodes, SETTINGS) for node in nodes]
    journal = Journal(folder / "history.jsonl")
    try:
        for node in nodes:
            node.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
            await wait_ready(session, nodes)
        yield Stage(place, nodes, configured[0], journal)
    finally:
        for node in nodes:
            node.kill()
        journal.close()
