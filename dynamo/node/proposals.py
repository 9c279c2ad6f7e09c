"""Requests to keys of linearizable buckets: who carries them out, and what is made of a coordinator that is silent.

Any node may. But two that work on one key at a time hinder each other, so a change is handed, once, to the first of the
key's replicas that is alive, where the changes of that key queue up (`node/key_queues.py`). A node that cannot do it is
passed over; as the last resort this node does it itself. A read needs no order, and is carried out here.

One that has a change and stays silent may be dead, or slow, or cut off, and may still carry it out. This node then
takes the change over: under the same request id it takes effect once, whoever makes it. What cannot be passed on is a
"not applied", since the other one may still apply it: so the request is called off first (a RESOLVE), and then it
cannot.

Source: research note, sections 1.4 to 1.6.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

from dynamo.consensus.change import Change, read_outcome
from dynamo.consensus.settled_read import Contended, SettledRead, SettledState
from dynamo.consensus.tally import majority_of
from dynamo.errors import (
    CalledOff,
    DynamoError,
    IdempotencyMismatch,
    ModeConflict,
    NotAnInteger,
    ValueTooLarge,
    WriteTimeout,
)
from dynamo.layout.keyspaces import record_key
from dynamo.node.buckets import BucketBook
from dynamo.node.choosing import Chooser, Chosen
from dynamo.node.driver import Driver
from dynamo.node.key_queues import ChangeDone, KeyQueues
from dynamo.node.leads import Place
from dynamo.node.round_pace import RoundPace
from dynamo.ports import Randomness
from dynamo.protocol.bucket import Mode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome
from dynamo.protocol.paxos import ForwardChange
from dynamo.replication.forward import Forwarding, of_change
from dynamo.telemetry.metrics import Metrics

PATIENCE_S = (0.75, 1.5)
"""How long the node that has a change may be silent before this one takes it over: at least, and at most where answers
take long at present. A busy node must not be taken for a silent one, or two would work on its keys and both be slower.
"""
_PATIENCE_IN_P95 = 4
AVOIDED_S = 2.0
"""So long no other change is handed to it."""
OVERHEAD_BYTES = 65536
"""Of a register, beside value and metadata."""

Nearest = Callable[[tuple[str, ...]], tuple[str, ...]]
SettledDone = Callable[[SettledState | DynamoError], None]


class Proposals:
    """One per node. Methods call `done` exactly once, possibly before they return, and raise nothing."""

    def __init__(
        self,
        chooser: Chooser,
        nearest: Nearest,
        buckets: BucketBook,
        queues: KeyQueues,
        driver: Driver,
        randomness: Randomness,
        object_bytes_max: int,
        metrics: Metrics,
    ) -> None:
        self._chooser = chooser
        self._nearest = nearest
        self._buckets = buckets
        self._queues = queues
        self._driver = driver
        self._randomness = randomness
        self._object_bytes_max = object_bytes_max
        self._metrics = metrics
        self._answers = RoundPace()
        """How long those take to whom changes were handed."""
        self._avoided: dict[str, float] = {}
        """Nodes that were silent, and until when they are left alone."""
        self._forwards = int.from_bytes(randomness.token_bytes(6), "big") << 15
        """Counts forwarded changes, from a number that no other node and no other run begins near."""

    def change(
        self, command: ChangeCommand, deadline: float, trace: str, done: ChangeDone, *, forwarded: bool = False
    ) -> None:
        """Carry out a change, here or through the node where those of its key queue up."""
        try:
            place, chosen = self._place(command.bucket, command.key)
            self._check_size(command)
            others = () if forwarded else self._before_us(chosen)
            if not others:
                self._queues.add(place, Change(command, deadline), trace, done)
        except DynamoError as error:
            done(error)
        else:
            if others:
                self._forward(command, place, others, deadline, trace, done)

    def read(self, bucket: str, key: bytes, deadline: float, trace: str, done: ChangeDone) -> None:
        """What the key holds at one instant of this call. Changes nothing."""

        def decided(outcome: SettledState | DynamoError) -> None:
            if isinstance(outcome, Contended):
                self._metrics.paxos.reads["round"].value += 1
                self.change(self._command(bucket, key, Action.READ), deadline, trace, done)
            elif isinstance(outcome, DynamoError):
                done(outcome)
            else:
                self._metrics.paxos.reads["fast" if outcome.trips == 1 else "replayed"].value += 1
                found = read_outcome(outcome.register)
                found.coordinator = self._driver.node
                done(found)

        self.settle(bucket, key, deadline, trace, decided)

    def settle(self, bucket: str, key: bytes, deadline: float, trace: str, done: SettledDone) -> None:
        """What is chosen of the key; Contended where that takes a round."""
        try:
            _, chosen = self._place(bucket, key)
        except DynamoError as error:
            done(error)
            return
        order = (*self._nearest(chosen.live), *chosen.away)
        self._driver.run(SettledRead(self._driver.node, order, bucket, key, deadline), deadline, trace, done)

    # --- who does it

    def _place(self, bucket: str, key: bytes) -> tuple[Place, Chosen]:
        """Raises BucketNotFound, NotReady, ModeConflict; QuorumUnavailable where no majority is alive."""
        properties = self._buckets.for_reading(bucket)
        if properties.mode is not Mode.LINEARIZABLE:
            raise ModeConflict(
                f"bucket {bucket} has mode {properties.mode.value}; this needs one that was made with mode=linearizable"
            )
        partition = self._chooser.preference.partition(bucket, key)
        chosen = self._chooser.choose(partition, properties.n, fallbacks=False)
        needed = majority_of(len(chosen.primaries))
        chosen.check(needed, needed, sloppy=False, advice="Retry later")
        return (record_key(partition, bucket, key), chosen.primaries), chosen

    def _check_size(self, command: ChangeCommand) -> None:
        """Raises ValueTooLarge. A register must fit in a frame, as every record does."""
        size_bytes, most = len(command.value) + OVERHEAD_BYTES, self._object_bytes_max
        if command.meta:
            size_bytes += sum(len(name) + len(value) for name, value in command.meta.items())
        if size_bytes > most:
            raise ValueTooLarge(f"the key would take {size_bytes} bytes, {most} are allowed", limit=most)

    def _before_us(self, chosen: Chosen) -> tuple[str, ...]:
        """Live primaries that come before this node, in preference order; all of them if it is none."""
        if chosen.primaries[0] == self._driver.node:
            return ()
        now = self._driver.clock.monotonic()
        able = (n for n in chosen.primaries if n in chosen.live and self._avoided.get(n, now) <= now)
        return tuple(takewhile(lambda node: node != self._driver.node, able))

    def _queue(self, place: Place, change: Change, trace: str, done: ChangeDone) -> None:
        try:
            self._queues.add(place, change, trace, done)
        except DynamoError as error:
            done(error)

    def _forward(
        self,
        command: ChangeCommand,
        place: Place,
        others: tuple[str, ...],
        deadline: float,
        trace: str,
        done: ChangeDone,
    ) -> None:
        self._metrics.forwarded_requests.value += 1
        self._forwards += 1
        command.named = True  # From now on two nodes may make it.
        if command.action is not Action.RESOLVE:  # That says `born` of another change, which may be of any age.
            command.born = command.born or self._queues.now_ms
        now = self._driver.clock.monotonic()
        machine: Forwarding[ChangeOutcome] = Forwarding(
            others,
            ForwardChange(command, self._forwards),
            deadline,
            try_another=of_change,
            patience=now + self._patience_s(),
        )

        def decided(outcome: ChangeOutcome | DynamoError) -> None:
            if machine.silent:
                self._avoided[machine.silent] = self._driver.clock.monotonic() + AVOIDED_S
                self._take_over(command, place, deadline, trace, done)
            elif machine.exhausted:
                self._queue(place, Change(command, deadline), trace, done)
            else:
                self._answers.took(self._driver.clock.monotonic() - now)
                done(outcome)

        self._driver.run(machine, deadline, trace, decided)

    def _patience_s(self) -> float:
        least_s, most_s = PATIENCE_S
        return min(most_s, max(least_s, _PATIENCE_IN_P95 * self._answers.p95_s))

    # --- taking over

    def _take_over(self, command: ChangeCommand, place: Place, deadline: float, trace: str, done: ChangeDone) -> None:
        """Carry out a change that another node has, and may carry out as well."""
        self._metrics.paxos.takeovers.value += 1

        def decided(outcome: ChangeOutcome | DynamoError) -> None:
            if _stands(command, outcome):
                done(outcome)
            elif isinstance(outcome, (ChangeOutcome, NotAnInteger)):
                self._call_off(command, place, outcome, deadline, trace, done)
            else:
                done(_unknown())

        self._queue(place, Change(command, deadline, doubtful=True), trace, decided)

    def _call_off(
        self,
        command: ChangeCommand,
        place: Place,
        found: ChangeOutcome | DynamoError,
        deadline: float,
        trace: str,
        done: ChangeDone,
    ) -> None:
        """This node found the change not to be applied: see to it that it stays so, or hear that it was after all."""

        def resolved(outcome: ChangeOutcome | DynamoError) -> None:
            if isinstance(outcome, DynamoError):
                done(_unknown())
            else:
                done(outcome if outcome.applied else found)

        resolve = self._command(command.bucket, command.key, Action.RESOLVE, target=command.request)
        resolve.born = command.born
        self._queue(place, Change(resolve, deadline), trace, resolved)

    def _command(self, bucket: str, key: bytes, action: Action, target: bytes = b"") -> ChangeCommand:
        request = self._randomness.token_bytes(16)
        return ChangeCommand(bucket=bucket, key=key, action=action, request=request, target=target)


def _stands(command: ChangeCommand, outcome: ChangeOutcome | DynamoError) -> bool:
    """Whether an outcome holds, whatever another coordinator may still do with the same request."""
    if command.action is Action.READ:
        return True
    if isinstance(outcome, DynamoError):
        return isinstance(outcome, (CalledOff, IdempotencyMismatch))
    return outcome.applied or command.action is Action.RESOLVE


def _unknown() -> DynamoError:
    return WriteTimeout(
        "the replica that was to coordinate this change did not answer, and this node could not decide it; it may "
        "still be made. Repeating it with the same Idempotency-Key (and, if the key is busy, a Dynamo-Retry-Age) is "
        "safe, and resolving it gives a definite answer"
    )
