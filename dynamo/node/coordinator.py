"""Turns a client's command into a machine: which replicas, how many, in which order; then lets the driver run it.

Reads may be coordinated by any node. Writes are coordinated by a replica of the key, because only a replica can mint a
dot without guessing; a node that is none forwards. Nothing here lowers R or W: too few replicas alive is an error
before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dynamo.config import Config
from dynamo.errors import CorruptValue, DynamoError, NotImplementedYet, QuorumUnavailable, WrongEpoch
from dynamo.node.buckets import BucketBook
from dynamo.node.driver import Driver, Run
from dynamo.node.liveness import Liveness
from dynamo.node.replica import Replica
from dynamo.ports import Randomness
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import ListCommand, ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Forward, Scan, Store, Stored
from dynamo.replication.forward import Forwarding
from dynamo.replication.quorum import read_quorum, write_quorum
from dynamo.replication.read import QuorumRead
from dynamo.replication.read_repair import Reconciled, Resolve, keep_newest, keep_siblings
from dynamo.replication.scan import QuorumScan, ScanPage
from dynamo.replication.write import Acks, QuorumWrite
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.siblings import EMPTY

ReadDone = Callable[[ReadOutcome | DynamoError], None]
WriteDone = Callable[[WriteOutcome | DynamoError], None]
ScanDone = Callable[[ScanPage | DynamoError], None]


class Coordinator:
    """One per node. All methods call `done` exactly once, possibly before they return, and raise nothing."""

    def __init__(
        self,
        config: Config,
        preference: PreferenceLists,
        buckets: BucketBook,
        replica: Replica,
        driver: Driver,
        liveness: Liveness,
        randomness: Randomness,
        metrics: Metrics,
    ) -> None:
        self._node = config.node.id
        self._read_all_share = config.requests.read_all_share
        self._preference = preference
        self._buckets = buckets
        self._replica = replica
        self._driver = driver
        self._liveness = liveness
        self._randomness = randomness
        self._metrics = metrics

    def read(self, command: ReadCommand, deadline: float, trace: str, done: ReadDone) -> None:
        """A quorum read."""
        try:
            bucket = _plain(self._buckets.for_reading(command.bucket))
            quorum = read_quorum(bucket, command)
            partition = self._preference.partition(command.bucket, command.key)
            replicas = self._live(self._primaries(partition, bucket), quorum.needed)
        except DynamoError as error:
            done(error)
            return
        ask_all = self._randomness.random() < self._read_all_share and len(replicas) > 1
        if quorum.needed == 1 and not ask_all and command.context is None and replicas[0] == self._node:
            outcome = self._read_here(command, _resolver(bucket))
            if outcome is not None:
                done(outcome)
                return
        machine = QuorumRead(
            replicas,
            Fetch(command.bucket, command.key),
            quorum,
            _resolver(bucket),
            deadline,
            ask_all=ask_all,
            context=command.context,
        )
        self._driver.run(machine, deadline, trace, done, lambda: self._account(machine))

    def write(
        self, command: WriteCommand, deadline: float, trace: str, done: WriteDone, *, forwarded: bool = False
    ) -> None:
        """A quorum write; forwarded, once, to a replica if this node is none."""
        try:
            bucket = _plain(self._buckets.for_reading(command.bucket))
            quorum = write_quorum(bucket, command)
            partition = self._preference.partition(command.bucket, command.key)
            primaries = self._primaries(partition, bucket)
            live = self._live(primaries, quorum.needed)
            if self._node not in primaries:
                _refuse_second_hop(self._node, forwarded=forwarded)
                self._forward(command, live, deadline, trace, done)
                return
            if _deletes_blindly(command, bucket) and quorum.needed > 1:
                self._look_first(command, quorum.needed, deadline, trace, done, forwarded=forwarded)
                return
            # Only now: a request that is refused makes no bucket.
            bucket = self._buckets.for_writing(command.bucket)
            minted = self._replica.write(command, bucket, durable=quorum.durable > 0)
        except CorruptValue as damage:
            # A dot minted here could hide what the others still have; each of them can mint one that does not.
            others = tuple(node for node in live if node != self._node)
            if forwarded or not others:
                done(damage)
            else:
                self._forward(command, others, deadline, trace, done)
            return
        except DynamoError as error:
            done(error)
            return
        store = Store(command.bucket, command.key, minted.data, quorum.durable > 0)
        machine = QuorumWrite(self._node, primaries, store, quorum, deadline)

        def decided(outcome: Acks | DynamoError) -> None:
            if isinstance(outcome, DynamoError):
                done(outcome)
            else:
                done(WriteOutcome(minted.data, outcome.primaries, outcome.fallbacks, self._node, minted.repeated))

        run = self._driver.run(machine, deadline, trace, decided)
        minted.on_settled = _settling(self._node, run)

    def _look_first(
        self, command: WriteCommand, replicas: int, deadline: float, trace: str, done: WriteDone, *, forwarded: bool
    ) -> None:
        """A delete whose client names no context means what is there: read as many replicas as are to be written.

        Otherwise it would leave standing an acknowledged value that this replica has missed.
        """

        def seen(outcome: ReadOutcome | DynamoError) -> None:
            if isinstance(outcome, DynamoError):
                done(outcome)
                return
            record = outcome.record or EMPTY
            aware = msgspec.structs.replace(command, context=record.clock, context_hybrid=record.hybrid_max())
            self.write(aware, deadline, trace, done, forwarded=forwarded)

        self.read(ReadCommand(bucket=command.bucket, key=command.key, r=replicas, pr=0), deadline, trace, seen)

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
            bucket = _plain(self._buckets.for_reading(command.bucket))
            needed = read_quorum(bucket, command).needed
            replicas = self._live(self._primaries(partition, bucket), needed)
        except DynamoError as error:
            done(error)
            return
        message = Scan(command.bucket, partition, start, command.end, command.prefix, limit, command.values)
        machine = QuorumScan(replicas, message, needed, _resolver(bucket), deadline)
        self._driver.run(machine, deadline, trace, done)

    def _read_here(self, command: ReadCommand, resolve: Resolve) -> ReadOutcome | None:
        """What the machine would decide from this node's answer alone; None if that is damaged.

        One answer leaves nothing to wait for, to merge or to repair, and the machine would cost a sixth of the request.
        """
        answers = Reconciled(resolve)
        try:
            answers.add(self._node, self._replica.fetch(command.bucket, command.key))
        except CorruptValue:
            return None
        return ReadOutcome(answers.record if answers.data else None, 1)

    def _primaries(self, partition: int, bucket: BucketProperties) -> tuple[str, ...]:
        primaries = self._preference.primaries(partition, bucket.n)
        assert len(dict.fromkeys(primaries)) == len(primaries), "a preference list names N distinct nodes"
        return primaries

    def _live(self, primaries: tuple[str, ...], needed: int) -> tuple[str, ...]:
        """The primaries that can be reached now, this node first. Raises QuorumUnavailable if they are too few."""
        is_alive = self._liveness.is_alive
        live = tuple(node for node in primaries if node != self._node and is_alive(node))
        if self._node in primaries:
            live = (self._node, *live)
        if len(live) < needed:
            raise QuorumUnavailable(
                f"{len(live)} of the key's {len(primaries)} replicas are alive and {needed} are needed; nothing was "
                "sent. Retry later, or ask for fewer",
                required=needed,
                alive=len(live),
            )
        return live

    def _forward(
        self, command: WriteCommand, live: tuple[str, ...], deadline: float, trace: str, done: WriteDone
    ) -> None:
        self._metrics.forwarded_requests.value += 1
        self._driver.run(Forwarding(live, Forward(command), deadline), deadline, trace, done)

    def _account(self, machine: QuorumRead) -> None:
        if machine.mismatched:
            self._metrics.replica_mismatches.value += 1
            if isinstance(machine.outcome, ReadOutcome):
                self._metrics.repairs_before_answer.value += machine.outcome.repaired
            self._metrics.repairs_after_answer.value += machine.repaired_later


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


def _refuse_second_hop(node: str, *, forwarded: bool) -> None:
    if forwarded:
        raise WrongEpoch("a write was forwarded to a node that is no replica of its key", node=node)


def _plain(bucket: BucketProperties) -> BucketProperties:
    if bucket.mode is Mode.LINEARIZABLE:
        raise NotImplementedYet("linearizable buckets are not available yet")
    return bucket


def _resolver(bucket: BucketProperties) -> Resolve:
    return keep_newest if bucket.mode is Mode.LWW else keep_siblings
