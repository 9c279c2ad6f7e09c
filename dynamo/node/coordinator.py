"""Turns a client's command into a machine: which replicas, how many, in which order; then lets the driver run it.

Reads may be coordinated by any node. Writes are coordinated by a replica of the key, because only a replica can mint a
dot without guessing; a node that is none forwards. Only where no replica is alive, and the write is sloppy, a fallback
coordinates instead (`node/stand_in.py`). Nothing here lowers R or W: too few nodes alive is an error before anything is
sent.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dynamo.config import Config
from dynamo.errors import (
    CorruptValue,
    DynamoError,
    NotReady,
    QuorumUnavailable,
    ReadTimeout,
    WrongEpoch,
)
from dynamo.node.buckets import BucketBook
from dynamo.node.choosing import Chooser, Chosen
from dynamo.node.chosen import RESOLVERS, check_plain
from dynamo.node.driver import Driver, Run
from dynamo.node.judging import Judge
from dynamo.node.replica import Replica
from dynamo.node.stand_in import StandIn
from dynamo.ports import Randomness
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import ListCommand, ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Forward, Scan, Store, Stored
from dynamo.replication.forward import Forwarding
from dynamo.replication.hedge import Hedging
from dynamo.replication.legs import Legs
from dynamo.replication.quorum import ReadQuorum, WriteQuorum, read_quorum, write_quorum
from dynamo.replication.read import QuorumRead
from dynamo.replication.read_repair import Resolve
from dynamo.replication.scan import QuorumScan, ScanPage
from dynamo.replication.sources import Sources
from dynamo.replication.staleness import Evidence
from dynamo.replication.write import Acks, Handoff, QuorumWrite
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.hybrid_time import wall_ms
from dynamo.versioning.siblings import EMPTY

ReadDone = Callable[[ReadOutcome | DynamoError], None]
WriteDone = Callable[[WriteOutcome | DynamoError], None]
ScanDone = Callable[[ScanPage | DynamoError], None]


class Coordinator:
    """One per node. All methods call `done` exactly once, possibly before they return, and raise nothing."""

    def __init__(
        self,
        config: Config,
        chooser: Chooser,
        buckets: BucketBook,
        replica: Replica,
        stand_in: StandIn,
        driver: Driver,
        randomness: Randomness,
        metrics: Metrics,
    ) -> None:
        self._node = config.node.id
        self._read_all_share = config.requests.read_all_share
        self._hints = config.hints
        self._reap_age_ms = int(config.tombstones.age_min_s * 1000)
        self._chooser = chooser
        self._buckets = buckets
        self._replica = replica
        self._stand_in = stand_in
        self._driver = driver
        others = [m.id for m in config.cluster.members if m.id != self._node]
        self.legs = Legs(others) if config.pbs.enabled else None
        """What messages took, for predictions of staleness."""
        self._hedging = Hedging(others, config.requests.hedge_share, self.legs)
        self._randomness = randomness
        self._metrics = metrics
        self._last_quorums: dict[str, tuple[BucketProperties, tuple[object, ...], ReadQuorum]] = {}
        self.judge = Judge(config, driver, metrics)

    def read(self, command: ReadCommand, deadline: float, trace: str, done: ReadDone) -> None:
        """A quorum read."""
        preference = self._chooser.preference
        try:
            bucket = self._buckets.for_reading(command.bucket)
            quorum = self._read_quorum(bucket, command)
            partition = preference.partition(command.bucket, command.key)
            is_lone = quorum.needed == 1 and self._node in preference.primaries(partition, bucket.n)
            # A replica that needs no other one has what it needs, whoever else is alive.
            thrown = self._randomness.random()
            evidence = Evidence(self._driver.clock.monotonic()) if thrown < self.judge.share(bucket) else None
            asks_all = (evidence is not None or thrown < self._read_all_share) and bucket.n > 1
            if is_lone and evidence is None and not asks_all and command.context is None:
                outcome = self._read_here(command, partition, bucket)
                if outcome is not None:
                    done(outcome)
                    return
            chosen = self._chooser.choose(partition, bucket.n, fallbacks=quorum.sloppy)
            chosen.check(quorum.needed, quorum.primaries, sloppy=quorum.sloppy)
        except DynamoError as error:
            done(error)
            return
        live = chosen.live
        asks_all = asks_all and len(live) > 1
        if len(live) > quorum.needed:
            live = self.nearest_first(live)
        machine = QuorumRead(
            Sources(Fetch(command.bucket, command.key), live, chosen.away, chosen.spare),
            quorum,
            _resolver(bucket),
            deadline,
            ask_all=asks_all,
            context=command.context,
            forgettable=self._is_forgettable(command),
            hedging=self._hedging,
        )
        machine.evidence = evidence

        def drained() -> None:
            self._account_read(machine)
            if evidence is not None:
                self.judge.read(command, quorum.level, machine.outcome, evidence, chosen.primaries, _resolver(bucket))
            if command.context and (machine.fell_short is not None or isinstance(machine.outcome, ReadOutcome)):
                self.judge.session(command, quorum.level, machine.fell_short)

        self._driver.run(machine, deadline, trace, done, drained)

    def _read_quorum(self, bucket: BucketProperties, command: ReadCommand) -> ReadQuorum:
        """The one that the last read of the bucket had, if it was asked for in the same words. Raises as there."""
        words = (command.consistency, command.r, command.pr, command.sloppy)
        known = self._last_quorums.get(bucket.name)
        if known is not None and known[0] is bucket and known[1] == words:
            return known[2]
        quorum = read_quorum(bucket, command)
        if self._buckets.knows(bucket.name):
            self._last_quorums[bucket.name] = (bucket, words, quorum)
        return quorum

    def repair(self, bucket: str, key: bytes, peer: str, deadline: float, done: ReadDone) -> None:
        """Bring this node and a peer to the same version of a key: a read of both that repairs before it ends."""
        machine = QuorumRead(
            Sources(Fetch(bucket, key, for_repair=True), (self._node, peer)),
            ReadQuorum(2, 2, 2),
            _resolver(self._buckets.placed(bucket)),
            deadline,
        )
        self._driver.run(machine, deadline, "", done)

    def write(
        self, command: WriteCommand, deadline: float, trace: str, done: WriteDone, *, forwarded: bool = False
    ) -> None:
        """A quorum write; forwarded, once, if this node may not coordinate it."""
        try:
            bucket = self._buckets.for_reading(command.bucket)
            check_plain(bucket)
            quorum = write_quorum(bucket, command)
            partition = self._chooser.preference.partition(command.bucket, command.key)
            chosen = self._chooser.choose(partition, bucket.n, fallbacks=True)
            chosen.check(quorum.needed, quorum.primaries, sloppy=quorum.sloppy)
            target = self._target(chosen)
            if target is None:
                _refuse_second_hop(self._node, forwarded=forwarded)
                self._forward(command, chosen.live or chosen.spare, deadline, trace, done)
                return
            if _deletes_blindly(command, bucket) and quorum.needed > 1:
                self._look_first(command, quorum, deadline, trace, done, live=chosen.live, forwarded=forwarded)
                return
            # Only now: a request that is refused makes no bucket.
            bucket = self._buckets.for_writing(command.bucket)
            self._replica.refuse_when_deep()
            if target == self._node:
                minted = self._replica.write(command, bucket, durable=quorum.durable > 0)
            else:
                minted = self._stand_in.write(command, bucket, target)
        except CorruptValue as damage:
            # A dot minted here could hide what the others still have; each of them can mint one that does not.
            others = tuple(node for node in chosen.live if node != self._node)
            if forwarded or not others:
                done(damage)
            else:
                self._forward(command, others, deadline, trace, done)
            return
        except DynamoError as error:
            done(error)
            return
        store = Store(command.bucket, command.key, minted.data, quorum.durable > 0)
        handoff = self._handoff(chosen, target)
        machine = QuorumWrite(self._node, chosen.primaries, store, quorum, deadline, handoff, self.legs)
        machine.ack_times = self.judge.watched(command, bucket, minted)

        def decided(outcome: Acks | DynamoError) -> None:
            if isinstance(outcome, DynamoError):
                done(outcome)
                return
            self.judge.recent.acknowledged(minted.dot, outcome.primaries)
            if outcome.primaries < quorum.needed:
                self._metrics.sloppy_writes.value += 1
            done(WriteOutcome(minted.data, outcome.primaries, outcome.fallbacks, self._node, minted.repeated))

        run = self._driver.run(machine, deadline, trace, decided, lambda: self._account_write(machine))
        minted.on_settled = _settling(self._node, run)

    def _target(self, chosen: Chosen) -> str | None:
        """Whose share of a write this node stores when it coordinates: its own, or, where no primary is alive, that of
        the one that it stands in for. None if others are to coordinate.
        """
        if self._node in chosen.primaries:
            return self._node
        if chosen.live or self._node not in chosen.spare:
            return None
        place = chosen.spare.index(self._node)
        return chosen.away[place] if place < len(chosen.away) else None

    def _handoff(self, chosen: Chosen, target: str) -> Handoff | None:
        """What is done for primaries that do not take their share."""
        if not self._hints.enabled:
            return None
        if target == self._node:
            return Handoff(chosen.spare, chosen.away, self._hints.after_s)
        spare = tuple(node for node in chosen.spare if node != self._node)
        others = tuple(node for node in chosen.away if node != target)
        return Handoff(spare, (target, *others), self._hints.after_s)

    def _look_first(
        self,
        command: WriteCommand,
        quorum: WriteQuorum,
        deadline: float,
        trace: str,
        done: WriteDone,
        *,
        live: tuple[str, ...],
        forwarded: bool,
    ) -> None:
        """A delete whose client names no context means what is there: read as many replicas as are to be written.

        Otherwise it would leave standing an acknowledged value that this replica has missed.
        """

        def seen(outcome: ReadOutcome | DynamoError) -> None:
            if isinstance(outcome, ReadTimeout) and not live:
                done(_nobody_knows(quorum.needed))
                return
            if isinstance(outcome, DynamoError):
                done(outcome)
                return
            record = outcome.record or EMPTY
            aware = msgspec.structs.replace(command, context=record.clock, context_hybrid=record.hybrid_max())
            self.write(aware, deadline, trace, done, forwarded=forwarded)

        look = ReadCommand(bucket=command.bucket, key=command.key, r=quorum.needed, pr=0, sloppy=quorum.sloppy)
        self.read(look, deadline, trace, seen)

    def scan(
        self,
        command: ListCommand,
        partition: int,
        start: bytes,
        limit: int,
        deadline: float,
        trace: str,
        done: ScanDone,
    ) -> None:
        """One partition's page of a listing."""
        try:
            bucket = self._buckets.for_reading(command.bucket)
            needed = read_quorum(bucket, command).needed
            chosen = self._chooser.choose(partition, bucket.n, fallbacks=False)
            chosen.check(needed, needed, sloppy=False)
        except DynamoError as error:
            done(error)
            return
        message = Scan(command.bucket, partition, start, command.end, command.prefix, limit, command.values)
        machine = QuorumScan(chosen.live, message, needed, _resolver(bucket), deadline)
        self._driver.run(machine, deadline, trace, done)

    def _read_here(self, command: ReadCommand, partition: int, bucket: BucketProperties) -> ReadOutcome | None:
        """What the machine would decide from this node's answer alone; None if that is damaged, or not to be had.

        One answer leaves nothing to wait for or to repair, and the machine would cost a sixth of the request. Nor is it
        decoded here: whoever has shown the same bytes before need not look into them.
        """
        try:
            data = self._replica.fetch(command.bucket, command.key, partition=partition)
        except (CorruptValue, NotReady):
            return None
        return ReadOutcome(None, 1, 0, data, _resolver(bucket))

    def nearest_first(self, live: tuple[str, ...]) -> tuple[str, ...]:
        """By how fast they answered lately; this node, which needs no asking, first. Equals keep their order."""
        own = live[:1] if live[:1] == (self._node,) else ()
        return (*own, *sorted(live[len(own) :], key=self._hedging.latencies.ranks.__getitem__))

    def _is_forgettable(self, command: ReadCommand) -> bool:
        """Whether a key may have been deleted and reaped since its context was given out."""
        if not command.context_hybrid:
            return False
        return wall_ms(command.context_hybrid) + self._reap_age_ms <= self._driver.clock.wall_ms()

    def _forward(
        self, command: WriteCommand, live: tuple[str, ...], deadline: float, trace: str, done: WriteDone
    ) -> None:
        self._metrics.forwarded_requests.value += 1
        self._driver.run(Forwarding(live, Forward(command), deadline), deadline, trace, done)

    def _account_read(self, machine: QuorumRead) -> None:
        if machine.hedge:
            self._metrics.hedges["sent" if machine.hedge == "won" else machine.hedge].value += 1
            if machine.hedge == "won":
                self._metrics.hedges["won"].value += 1
        if machine.mismatched:
            self._metrics.replica_mismatches.value += 1
            if isinstance(machine.outcome, ReadOutcome):
                self._metrics.repairs_before_answer.value += machine.outcome.repaired
            self._metrics.repairs_after_answer.value += machine.repaired_later

    def _account_write(self, machine: QuorumWrite) -> None:
        for reason in machine.hints:
            self._metrics.write_hints[reason].value += 1
        self._metrics.unkept_shares.value += machine.unkept
        if machine.ack_times is not None:
            self.judge.acknowledged(machine.ack_times)


def _settling(node: str, run: Run[Acks]) -> Callable[[DynamoError | None], None]:
    """Feeds the coordinator's own storing to the machine like any other answer."""

    def settled(error: DynamoError | None) -> None:
        if error is None:
            run.on_reply(node, Stored())
        else:
            run.on_failure(node, PeerError(PeerFailure.REFUSED, error))

    return settled


def _deletes_blindly(command: WriteCommand, bucket: BucketProperties) -> bool:
    return command.value is None and command.context is None and bucket.mode is Mode.SIBLINGS


def _nobody_knows(needed: int) -> QuorumUnavailable:
    return QuorumUnavailable(
        "no replica of the key is alive to say what there is to delete; nothing was written. Retry later, or send the "
        "Dynamo-Context of what you have read",
        required=needed,
        alive=0,
    )


def _refuse_second_hop(node: str, *, forwarded: bool) -> None:
    if forwarded:
        raise WrongEpoch("a write was forwarded to a node that is no replica of its key", node=node)


def _resolver(bucket: BucketProperties) -> Resolve:
    return RESOLVERS[bucket.mode]
