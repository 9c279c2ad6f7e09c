"""Merkle anti-entropy: compares this node's partitions with their other replicas, and repairs the keys that differ.

Three kinds of work, in this order. A node that began with an empty store is rebuilt, as fast as it can take it. What an
operator asked for is done next. And a sweep over all pairs of a partition and another replica takes `repair.period_s`,
spread evenly, one exchange at a time. Keys are repaired at a bounded rate, which falls when the node is busy.

A key is repaired by a read of both replicas that repairs before it ends: there is one way to repair, used everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from dynamo.daemons.pace import Pace
from dynamo.errors import DynamoError
from dynamo.node.node import Node
from dynamo.node.repairs import Run, Tally
from dynamo.protocol.commands import ReadOutcome
from dynamo.repair.exchange import START, Differences, Exchange, Position
from dynamo.repair.schedule import Pair, Sweep, pairs_of
from dynamo.telemetry.logs import Log
from dynamo.versioning.record import encode

log = Log("repair")

TICK_S = 0.2
"""Longest pause: an operator does not wait for the sweep's next turn."""
REPAIR_S = 5.0
KEYS_MAX = 1024
"""Found by one exchange; it goes on where it stopped."""
WINDOW = 32
"""Keys under repair at a time."""
REBUILD_HASTE = 10.0
"""Times `repair.keys_per_s_max`: until it is rebuilt, a node is no help to readers."""
AT_ONCE = 16
"""Exchanges of an operator's run: nearly all of their time they wait for differences to settle."""
AVOID_S = 1.0
"""Pause after a failure before the same peer is asked to help to rebuild."""
STUBBORN_S = 30.0
"""After so long a key that cannot be repaired no longer keeps its partition from being called rebuilt."""


class Repairer:
    """Daemon."""

    name = "repairer"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._settings = node.config.repair
        self._board = node.repairs
        self._pace = Pace(node)
        self._sweep: Sweep | None = None
        self._avoided: dict[str, float] = {}
        self._started_at = node.clock.monotonic()

    @property
    def period_s(self) -> float:
        """Until the next pair of the sweep is due, and never long."""
        wait_s = TICK_S if self._sweep is None else self._sweep.wait_s(self._node.clock.monotonic())
        return min(TICK_S, wait_s)

    async def run_once(self) -> None:
        """Rebuild what can be rebuilt now; then an operator's run, or one exchange of the sweep."""
        if len(self._node.rebuilding) and self._node.buckets.compared:
            # Of which buckets two nodes are replicas is known only with all buckets; an empty store knows none.
            await self._rebuild()
        if self._board.requested:
            await self._run(self._board.requested.pop(0))
        elif self._settings.enabled:
            await self._sweep_on()

    # --- rebuilding

    async def _rebuild(self) -> None:
        node = self._node
        for partition in node.rebuilding.left():
            others = tuple(home for home in node.replicas(partition) if home != node.id)
            is_home = len(others) < len(node.replicas(partition))
            for peer in node.rebuilding.owed(partition, others) if is_home else []:
                if self._may_ask(peer):
                    await self._rebuild_from(Pair(partition, peer))
            alive = [peer for peer in others if node.liveness.is_alive(peer)]
            node.rebuilding.settle(partition, others if is_home else (), alive)
        node.rebuilding.save()

    def _may_ask(self, peer: str) -> bool:
        now = self._node.clock.monotonic()
        return self._node.liveness.is_alive(peer) and self._avoided.get(peer, now) <= now

    async def _rebuild_from(self, pair: Pair) -> None:
        tally = await self._compare(pair, "", settle_s=0.0, haste=REBUILD_HASTE)
        now = self._node.clock.monotonic()
        if tally.failed or (tally.keys_failed and now < self._started_at + STUBBORN_S):
            self._avoided[pair.peer] = now + AVOID_S
        else:
            self._node.rebuilding.compared(pair.partition, pair.peer)

    # --- sweeps and runs

    async def _sweep_on(self) -> None:
        now = self._node.clock.monotonic()
        if self._sweep is None or (self._sweep.is_over and now >= self._sweep.ends_at()):
            pairs = pairs_of(self._homes(range(self._node.ring.partitions)), self._node.id)
            self._sweep = Sweep(pairs, self._settings.period_s, now, self._node.randomness.random())
            self._board.sweep = Run(number=self._board.sweep.number + 1, exchanges_due=len(pairs), started=True)
        pair = self._sweep.due(now)
        if pair is None:
            return
        run = self._board.sweep
        run.tally.add(await self._compare(pair, "", settle_s=self._settings.settle_s))
        if self._sweep.is_over:
            run.finished = True
            if not run.tally.failed:
                self._swept()

    async def _run(self, run: Run) -> None:
        node = self._node
        wanted = range(node.ring.partitions) if run.partition < 0 else range(run.partition, run.partition + 1)
        pairs = pairs_of(self._homes(wanted), node.id)
        run.peers_away = sorted({pair.peer: None for pair in pairs if not node.liveness.is_alive(pair.peer)})
        alive = [pair for pair in pairs if pair.peer not in run.peers_away]
        run.exchanges_due = len(alive)
        run.started = True
        log.info("run", number=run.number, exchanges=len(alive), away=run.peers_away)
        # Peer by peer: what is being repaired with one of them would be found to differ from the next as well.
        left = iter(sorted(alive, key=lambda pair: pair.peer))

        async def work() -> None:
            for pair in left:
                run.tally.add(await self._compare(pair, run.bucket, settle_s=self._settings.settle_s))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work(), name=self.name)
        finally:
            run.finished = True
        if not run.tally.failed and not run.peers_away and not run.bucket and run.partition < 0:
            self._swept()

    def _swept(self) -> None:
        self._board.swept()
        self._node.metrics.repair_last_sweep.value = self._node.clock.wall_ms() / 1000

    def _homes(self, partitions: range) -> dict[int, tuple[str, ...]]:
        return {partition: self._node.replicas(partition) for partition in partitions}

    # --- one exchange

    async def _compare(self, pair: Pair, bucket: str, *, settle_s: float, haste: float = 1.0) -> Tally:
        """Compare and repair, to the end of the partition."""
        tally = Tally(exchanges=1)
        resume: Position | None = START
        while resume is not None:
            resume = await self._compare_from(pair, bucket, resume, tally, settle_s, haste)
        self._account(tally, pair.peer)
        return tally

    async def _compare_from(
        self, pair: Pair, bucket: str, resume: Position, tally: Tally, settle_s: float, haste: float
    ) -> Position | None:
        """Where to go on; None at the end, or after a failure."""
        node = self._node
        exchange = Exchange(
            node.id,
            pair.peer,
            pair.partition,
            lambda name: (not bucket or name == bucket) and self._is_shared(name, pair),
            settle_s=settle_s,
            keys_max=KEYS_MAX,
            resume=resume,
        )
        outcome = await self._outcome(exchange)
        tally.bytes_sent += sum(len(msgspec.msgpack.encode(question)) for question in exchange.asked)
        if isinstance(outcome, DynamoError):
            log.info("not compared", partition=pair.partition, peer=pair.peer, problem=outcome.detail)
            tally.failed += 1
            return None
        tally.keys_compared += outcome.keys_compared
        tally.keys_differing += len(outcome.keys)
        await self._repair_all(outcome.keys, pair.peer, tally, haste)
        return outcome.resume if outcome.more else None

    def _is_shared(self, bucket: str, pair: Pair) -> bool:
        primaries = self._node.preference.primaries(pair.partition, self._node.buckets.placed(bucket).n)
        return self._node.id in primaries and pair.peer in primaries

    async def _outcome(self, exchange: Exchange) -> Differences | DynamoError:
        future: asyncio.Future[Differences | DynamoError] = asyncio.get_running_loop().create_future()
        self._node.compare(exchange, lambda outcome: None if future.done() else future.set_result(outcome))
        return await future

    def _account(self, tally: Tally, peer: str) -> None:
        metrics = self._node.metrics
        result = "failed" if tally.failed else "differed" if tally.keys_differing else "equal"
        metrics.repair_exchanges[result].value += 1
        if not tally.failed:
            metrics.antientropy_last_success[peer].value = self._node.clock.wall_ms() / 1000
        metrics.repair_keys_compared.value += tally.keys_compared
        metrics.repair_keys_repaired.value += tally.keys_repaired
        metrics.repair_keys_failed.value += tally.keys_failed
        metrics.repair_bytes_sent.value += tally.bytes_sent
        self._board.total.add(tally)

    # --- repairing keys

    async def _repair_all(self, keys: list[Position], peer: str, tally: Tally, haste: float) -> None:
        for first in range(0, len(keys), WINDOW):
            batch = keys[first : first + WINDOW]
            await self._pace.wait(len(batch), haste)
            await _Batch(self._node, peer, batch, tally).repair()


class _Batch:
    """Some keys repaired at the same time."""

    def __init__(self, node: Node, peer: str, keys: list[Position], tally: Tally) -> None:
        self._node = node
        self._peer = peer
        self._keys = keys
        self._tally = tally
        self._left = len(keys)
        self._all_done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def repair(self) -> None:
        """Returns when each has its outcome, which is in the tally."""
        deadline = self._node.clock.monotonic() + REPAIR_S
        for bucket, key in self._keys:
            self._node.repair(bucket, key, self._peer, deadline, self._noting(bucket, key))
        await self._all_done

    def _noting(self, bucket: str, key: bytes) -> Callable[[ReadOutcome | DynamoError], None]:
        before = _held(self._node, bucket, key)

        def done(outcome: ReadOutcome | DynamoError) -> None:
            if isinstance(outcome, DynamoError):
                self._tally.keys_failed += 1
            elif outcome.repaired and outcome.record is not None:
                self._tally.keys_repaired += 1
                data = encode(outcome.record)
                self._tally.bytes_sent += len(data) * (outcome.repaired - (data != before))
            self._one_less()

        return done

    def _one_less(self) -> None:
        self._left -= 1
        if self._left == 0 and not self._all_done.done():
            self._all_done.set_result(None)


def _held(node: Node, bucket: str, key: bytes) -> bytes:
    """What this node holds; empty where that is damaged, which its healer sees to."""
    try:
        return node.replica.fetch(bucket, key, for_repair=True)
    except DynamoError:
        return b""
