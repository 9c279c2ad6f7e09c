"""Brings back what was found damaged: asks the key's other replicas, and stores what they say.

How many must answer: so many that any majority of the N that once acknowledged a write, and of which this node may have
been one, has a member among them: N - N // 2 of the other N - 1. Then nothing that a quorum acknowledged is missing in
the merge, and the doubt ends. Until then the key stays in doubt, which costs this replica's voice and nothing else.

Others may be in doubt themselves. Once all of them have said so or answered, there is nothing more to learn, and what
the sound ones hold is all that is left. Where none is sound, and in a bucket with one replica, the key stays in doubt,
since "nothing" would be a lie, until a client writes it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dynamo.errors import CorruptValue, DynamoError, ReadTimeout
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.node.asking import ask
from dynamo.node.chosen import RESOLVERS
from dynamo.node.node import Node
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Fetch, Fetched, Store
from dynamo.repair.faults import record_fault
from dynamo.replication.read_repair import Reconciled
from dynamo.telemetry.logs import Log

log = Log("daemons")

PATIENCE_S = 2.0
ROUND_MAX = 200
"""Keys a round, so that a disk that falls to pieces does not flood the peers."""
Done = Callable[[DynamoError | None], None]


class Healer:
    """Daemon."""

    name = "healer"
    period_s = 1.0

    def __init__(self, node: Node) -> None:
        self._node = node

    async def run_once(self) -> None:
        """Try some keys in doubt, those first that were not tried for longest."""
        for stored in list(self._node.quarantine.open)[:ROUND_MAX]:
            try:
                await self._heal(stored)
            except DynamoError as error:
                log.debug("a damaged key stays in doubt", problem=error.detail)
            self._node.quarantine.postpone(stored)

    async def _heal(self, stored: bytes) -> None:
        node = self._node
        if stored not in node.quarantine.open or not self._is_out(stored):
            return  # healed by now; or something is being written over it, and the next round sees what came of that
        doubt = node.quarantine.open[stored]
        _, name, key = split_record_key(stored)
        bucket = node.buckets.for_reading(name)
        others = self._others(bucket, key)
        if not others:
            return
        answers = await self._asked(bucket, key, others)
        if answers is None:
            node.quarantine.given_up[stored] = None
            return
        if answers.data:
            await _settled(lambda done: node.replica.store(Store(name, key, answers.data), done))
        if node.quarantine.open.get(stored) is not doubt:
            return  # what was stored meanwhile is damaged as well: the others may have it by now, and are asked again
        await _settled(lambda done: node.quarantine.closed(doubt, done))
        node.metrics.audit_healed["repaired" if answers.data else "nothing"].value += 1
        log.info("a damaged key is whole again", held_elsewhere=bool(answers.data))

    def _is_out(self, stored: bytes) -> bool:
        """Whether the damaged bytes are gone: there may have been no room to take them out, or a write came over."""
        data = self._node.storage.read(Keyspace.RECORDS, stored)
        fault = "" if data is None else record_fault(stored, data, self._node.ring.partitions)
        return data is None or not fault or self._node.quarantine.found(stored, data, fault)

    def _others(self, bucket: BucketProperties, key: bytes) -> list[str]:
        partition = self._node.preference.partition(bucket.name, key)
        return [peer for peer in self._node.preference.primaries(partition, bucket.n) if peer != self._node.id]

    async def _asked(self, bucket: BucketProperties, key: bytes, others: list[str]) -> Reconciled | None:
        """What the other replicas hold, merged; None if it is damaged on all of them.

        Raises ReadTimeout if too few of them say anything.
        """
        needed = max(1, min(len(others), bucket.n - bucket.n // 2))
        deadline = self._node.clock.monotonic() + PATIENCE_S
        answers = Reconciled(RESOLVERS[bucket.mode])
        damaged = 0
        for peer, answer in (await ask(self._node.peers, others, Fetch(bucket.name, key), deadline)).items():
            if isinstance(answer, Fetched):
                _taken(answers, peer, answer)
            elif isinstance(answer, PeerError) and isinstance(answer.error, CorruptValue):
                damaged += 1
        if damaged == len(others):
            return None
        if len(answers) < needed and len(answers) + damaged < len(others):
            raise ReadTimeout(f"{len(answers)} of the {needed} other replicas needed said what they hold")
        return answers


def _taken(answers: Reconciled, peer: str, answer: Fetched) -> None:
    try:
        answers.add(peer, answer.record)
    except CorruptValue as problem:
        log.warning("an answer was damaged", peer=peer, problem=problem.detail)


async def _settled(start: Callable[[Done], None]) -> None:
    """Begin something, and wait until it is on disk. Raises what it met."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: DynamoError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    start(done)
    await future
