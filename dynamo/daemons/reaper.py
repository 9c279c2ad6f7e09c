"""Forgets what has been dead for long enough, once every node of the cluster has agreed twice. Why so:
`repair/tombstones.py`.

Each node looks after the partitions whose first primary it is, page by page, and asks about the dead keys of a page in
one message to every node. While any node is away nothing is asked: the answer would be no.
"""

from __future__ import annotations

import asyncio

from dynamo.daemons.daemon import pause
from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import split_record_key, successor
from dynamo.node.asking import ask
from dynamo.node.node import Node
from dynamo.protocol.messages import DeadKey, MayReap, Reap, ReapVotes
from dynamo.repair.tombstones import Looks, unanimous
from dynamo.versioning.record import digest

PAGE_RECORDS = 200
PAGE_PAUSE_S = 0.1
"""Between two pages: a walk takes little of the node's time, and longer the more it holds."""
BATCH_KEYS = 200
WAITING_MAX = 20_000
"""Keys between their two looks."""
PATIENCE_S = 5.0
"""For the answers to one question."""


class Reaper:
    """Daemon."""

    name = "reaper"

    def __init__(self, node: Node) -> None:
        config = node.config
        self.period_s = config.tombstones.period_s
        self._node = node
        self._members = [m.id for m in node.ring.members]
        self._looks = Looks(node.reaping.settle_s, WAITING_MAX)

    async def run_once(self) -> None:
        """Walk through all that this node looks after; second looks are taken when they are due."""
        started_at = self._node.clock.monotonic()
        for partition in range(self._node.ring.partitions):
            if self._node.preference.primaries(partition, 1)[0] == self._node.id:
                try:
                    await self._walk(partition)
                except CorruptValue as problem:
                    self._node.quarantine.page_damaged(problem)  # the other partitions can be walked all the same
        self._node.metrics.reap_walk_seconds.value = self._node.clock.monotonic() - started_at
        self._node.metrics.reap_walks.value += 1

    async def _walk(self, partition: int) -> None:
        start = b""
        while True:
            if not self._everybody_is_there():
                return
            page = self._node.records.page(partition, start, PAGE_RECORDS)
            await self._first_look(page)
            while due := self._looks.take_due(self._node.clock.monotonic(), BATCH_KEYS):
                await self._second_look(due)
            self._node.metrics.reap_waiting.value = len(self._looks)
            if len(page) < PAGE_RECORDS:
                return
            start = successor(page[-1][0])
            await pause(self._node.clock, PAGE_PAUSE_S)

    async def _first_look(self, page: list[tuple[bytes, bytes]]) -> None:
        old = [stored for stored, data in page if self._node.reaping.is_old_enough(data)]
        found = [key for key in map(self._candidate, old) if key is not None]
        keys = found[: max(0, self._looks.room)]
        if keys:
            self._looks.agreed(await self._agreed(keys), self._node.clock.monotonic())

    async def _second_look(self, due: list[DeadKey]) -> None:
        keys = await self._agreed(due)
        if keys:
            await self._ask(Reap(keys, self._node.store_ages.all()))

    def _candidate(self, stored: bytes) -> DeadKey | None:
        _, bucket, key = split_record_key(stored)
        if self._looks.knows(bucket, key):
            return None
        try:
            base = self._node.records.base(bucket, key)
        except CorruptValue:
            return None  # the auditor finds it
        if not base.data or not self._node.reaping.is_candidate(bucket, key, base):
            return None
        return DeadKey(bucket, key, digest(base.record))

    async def _agreed(self, keys: list[DeadKey]) -> list[DeadKey]:
        """Those of the keys that every node says yes to."""
        answers = await self._ask(MayReap(keys, self._node.store_ages.all()))
        votes = {node: answer.votes for node, answer in answers.items()}
        silent = len(self._members) - len(votes)
        self._node.metrics.reap_votes_against["silent"].value += silent * len(keys)
        verdicts = unanimous(votes, self._members, len(keys))
        return [key for key, agreed in zip(keys, verdicts, strict=True) if agreed]

    async def _ask(self, question: MayReap | Reap) -> dict[str, ReapVotes]:
        """What each node answers, this one among them; those that did not are left out."""
        node = self._node
        mine: asyncio.Future[ReapVotes] = asyncio.get_running_loop().create_future()

        def told(votes: ReapVotes) -> None:
            if not mine.done():  # as it is where the node stops meanwhile
                mine.set_result(votes)

        if isinstance(question, MayReap):
            node.reaping.vote(question, told)
        else:
            node.reaping.remove(question, told)
        others = [member for member in self._members if member != node.id]
        answers = await ask(node.peers, others, question, node.clock.monotonic() + PATIENCE_S)
        found = {peer: answer for peer, answer in answers.items() if isinstance(answer, ReapVotes)}
        node.store_ages.hear(answer.age for answer in found.values() if answer.age is not None)
        found[node.id] = await mine
        return found

    def _everybody_is_there(self) -> bool:
        return all(map(self._node.liveness.is_alive, self._members))
