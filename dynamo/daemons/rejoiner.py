"""Lets a node that began with an empty store vote again on linearizable keys, once it knows what its old self may have
said. What it must know, and why: `consensus/recovery.py`.

For each partition, and each number of replicas that a bucket may have: if no other primary ever knew this node by
another store, there is nothing to learn. Otherwise enough of the others are asked for all their acceptor states, page
by page, at the pace at which an empty store is rebuilt; what they amount to is durable here before the partition is
marked. A partition in which somebody fails is begun anew in a later round: nothing that was learned is lost by that.
"""

from __future__ import annotations

import asyncio

from dynamo.consensus.recovery import Gathering, answers_needed, suffices, taken_over
from dynamo.daemons.pace import Pace
from dynamo.daemons.repairer import REBUILD_HASTE
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.asking import ask
from dynamo.node.node import Node
from dynamo.ports import Change
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import AskBallots, Ballots
from dynamo.telemetry.logs import Log

log = Log("rejoin")

PERIOD_S = 0.1
IDLE_S = 1.0
PATIENCE_S = 5.0
"""For one page."""
AVOID_S = 1.0
"""Pause after a failure before the same peer is asked the same again."""
SAVE_EVERY = 16
"""Partitions."""
REMIND_S = 30.0
"""Between two lines in the log that say who is missing."""


class Rejoiner:
    """Daemon."""

    name = "rejoiner"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._voting = node.voting
        self._pace = Pace(node)
        self._avoided: dict[tuple[str, int, int], float] = {}
        self._said_at = node.clock.monotonic()

    @property
    def period_s(self) -> float:
        """Pause between rounds."""
        return PERIOD_S if len(self._voting) else IDLE_S

    async def run_once(self) -> None:
        """Learn what can be learned now."""
        voting = self._voting
        self._show()
        needed = self._node.buckets.copies()
        for n in [*needed, *(n for n in voting.copies if n not in needed)]:
            for place, partition in enumerate(voting.left(n)):
                await self._rejoin(partition, n)
                if place % SAVE_EVERY == SAVE_EVERY - 1:
                    voting.save()
                    self._show()
        voting.save()

    def _show(self) -> None:
        self._node.metrics.rejoin_partitions.value = self._voting.waiting()

    async def _rejoin(self, partition: int, n: int) -> None:
        """Learn what is to be known of one partition's keys with `n` replicas, if that is possible now."""
        others = self._voting.others(partition, n)
        first = self._node.store_ages.first
        if suffices(n, others, (), first):
            self._voting.rejoined(partition, n)
            return
        sources = [peer for peer in others if self._may_ask(peer, partition, n)][: answers_needed(n, len(others))]
        if not suffices(n, others, sources, first):
            self._remind(partition, [peer for peer in others if peer not in sources])
            return
        try:
            if await self._ask_all(partition, n, sources):
                self._voting.rejoined(partition, n)
        except CorruptValue as problem:
            self._remind(partition, [problem.detail])

    def _may_ask(self, peer: str, partition: int, n: int) -> bool:
        now = self._node.clock.monotonic()
        return self._node.liveness.is_alive(peer) and self._avoided.get((peer, partition, n), now) <= now

    def _remind(self, partition: int, missing: list[str]) -> None:
        now = self._node.clock.monotonic()
        if now >= self._said_at + REMIND_S:
            self._said_at = now
            log.warning("cannot vote yet: replicas do not answer", partition=partition, missing=missing)

    async def _ask_all(self, partition: int, n: int, sources: list[str]) -> bool:
        """Take over what all of the sources tell; whether that is done, durably."""
        gathering = Gathering(sources)
        while not gathering.is_over:
            if not await self._ask_on(gathering, partition, n):
                return False
            ready = gathering.ready()
            if ready:
                await self._pace.wait(len(ready), REBUILD_HASTE)
                if not await self._take_over(ready, n):
                    return False
        floors = self._node.floors
        if floors.of(partition).raised(gathering.floor) == floors.of(partition):
            return True
        return await self._keep([floors.raised(partition, gathering.floor)])

    async def _ask_on(self, gathering: Gathering, partition: int, n: int) -> bool:
        """The next page of each source that has more; whether all gave it."""
        node = self._node
        wanted = gathering.wanted()
        store = node.store_ages.mine.store
        questions = [
            ask(
                node.peers,
                [peer],
                AskBallots(partition, start, n, node.id, store),
                node.clock.monotonic() + PATIENCE_S,
            )
            for peer, start in wanted.items()
        ]
        for answers in await asyncio.gather(*questions):
            for peer, answer in answers.items():
                if not self._add(gathering, peer, answer):
                    self._avoided[peer, partition, n] = node.clock.monotonic() + AVOID_S
                    self._remind(partition, [peer])
                    return False
        return True

    def _add(self, gathering: Gathering, peer: str, answer: Message | PeerError) -> bool:
        """Whether the answer is a page that can be read."""
        try:
            if isinstance(answer, Ballots):
                gathering.add(peer, answer)
                return True
            problem = str(answer.error or answer.failure.value) if isinstance(answer, PeerError) else str(answer)
        except CorruptValue as damage:
            problem = damage.detail
        log.debug("a replica did not say what it knows", peer=peer, problem=problem)
        return False

    async def _take_over(self, ready: list[tuple[bytes, list[bytes]]], n: int) -> bool:
        storage, store = self._node.storage, self._node.store_ages.mine.store
        changes: list[Change] = []
        for stored, told in ready:
            own = storage.latest(Keyspace.BALLOTS, stored)
            changes.append((Keyspace.BALLOTS, stored, taken_over(told, own, n, store)))
        self._node.metrics.rejoin_keys.value += len(changes)
        return await self._keep(changes)

    async def _keep(self, changes: list[Change]) -> bool:
        """Whether they are on disk."""
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settled(error: DynamoError | None) -> None:
            if not kept.done():  # as it is where the node stops meanwhile
                kept.set_result(error is None)

        self._node.storage.write(changes, True, settled)
        return await kept
