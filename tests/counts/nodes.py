"""Three whole nodes in this process, as `dynamo serve` makes them, on wires instead of sockets.

What is left out: the kernel, and what it does for a group (each sync ends at the loop's next turn), the writer's thread
(its work is done where it is asked for), the daemons once all nodes are ready, and the process that takes the log into
LMDB (its time does not come). Clocks are the loop's, and chance is drawn from one seed. All this is set up in the whole
process and not taken back, so it is done in a process that does nothing else: `python -m tests.counts`.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.counts.wires import WiredLoop

NODES = ("node1", "node2", "node3")
CLIENT_PORT, PEER_PORT, OPS_PORT = 1000, 2000, 3000
SEED = 7
_NEVER_S = 1e9


def stand_still(loop: WiredLoop) -> None:
    """Every clock of this process is the loop's from now on, and chance is none. Before anything else is imported."""
    time.monotonic = time.perf_counter = loop.time  # type: ignore[method-assign]
    time.time = lambda: 1_800_000_000 + loop.time()
    time.time_ns = lambda: 1_800_000_000_000_000_000 + int(loop.time() * 1e9)
    os.urandom = random.Random(SEED).randbytes


class Nodes:
    """The running nodes. `noted`, where it is set, is told what peers ask of a node, and says whether the node is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.noted: Callable[[str, tuple[object, ...]], bool] | None = None
        self._servers: list[Any] = []
        self._supervisors: list[Any] = []
        self._handlers: dict[str, Callable[..., None]] = {}

    async def start(self) -> None:
        from dynamo import server
        from dynamo.node.node import Node
        from dynamo.storage import group_commit, log_engine, loop_writer

        whole = Node.handle

        def handle(node: Node, *asked: object) -> None:
            self._handlers[node.id] = lambda *again: whole(node, *again)
            if self.noted is None or self.noted(node.id, asked):
                whole(node, *asked)  # type: ignore[arg-type]

        Node.handle = handle  # type: ignore[method-assign,assignment]
        server.SystemRandomness = SeededRandomness  # type: ignore[misc,assignment]
        group_commit.Writer = writer_in_turn()  # type: ignore[misc]
        loop_writer.KernelSync = SyncInTurn  # type: ignore[misc,assignment]
        server.Supervisor = self._supervisor()  # type: ignore[misc]
        log_engine.CHECKPOINT_S = _NEVER_S
        logging.getLogger().addHandler(logging.NullHandler())
        for name in NODES:
            self._servers.append(server.Server(self._config(name)))
            await self._servers[-1].start()

    def hand_over(self, node: str, messages: Sequence[tuple[object, ...]]) -> None:
        """Ask a node what was asked of it before. Nobody is told what it answers."""
        for *asked, _ in messages:
            self._handlers[node](*asked, lambda _: None)

    async def quieten(self) -> None:
        """End the daemons: what they do from time to time is no part of a request."""
        for each in self._supervisors:
            await each.stop()

    async def stop(self) -> None:
        for each in self._servers:
            await each.stop()

    def _supervisor(self) -> type:
        from dynamo.daemons.supervisor import Supervisor

        kept = self._supervisors

        class Kept(Supervisor):
            def start(self) -> None:
                kept.append(self)
                super().start()

        return Kept

    def _config(self, name: str):
        from dynamo.config import ClusterSection, Config, MemberSection, NodeSection, StorageSection

        members = tuple(
            MemberSection(
                id=node,
                client_port=CLIENT_PORT + number,
                peer_port=PEER_PORT + number,
                ops_port=OPS_PORT + number,
            )
            for number, node in enumerate(NODES)
        )
        return Config(
            node=NodeSection(id=name, data_dir=str(self._folder / name)),
            cluster=ClusterSection(members=members),
            storage=StorageSection(map_size_bytes=2**26),
        )


class SeededRandomness:
    """`ports.Randomness` that is none."""

    def __init__(self) -> None:
        chance = random.Random(SEED)
        self.random, self.token_bytes = chance.random, chance.randbytes


class SyncInTurn:
    """`KernelSync` without the kernel."""

    def __init__(self, loop: WiredLoop, ended: Callable[[Exception | None], None]) -> None:
        self._loop, self._ended = loop, ended

    def begin(self, handle: int) -> None:
        self._loop.call_soon(self._ended, None)

    def close(self) -> None:
        pass


def writer_in_turn() -> type:
    """A writer whose thread ends at once: each group is committed where it is handed over."""
    from dynamo.storage.writer import Writer

    class InTurn(Writer):
        def commit(self, group) -> None:
            self._report(group, self._failure_of(group))

        def _run(self) -> None:
            pass

    return InTurn
