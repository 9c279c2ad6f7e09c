"""A node of a small world: an acceptor on a disk that syncs in order, and a coordinator in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynamo.consensus import acceptor
from dynamo.consensus.change import Change, read_outcome
from dynamo.consensus.lead import Lead
from dynamo.consensus.proposer import Proposer, Round
from dynamo.consensus.settled_read import Contended, SettledRead, SettledState
from dynamo.errors import DynamoError
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.protocol.commands import ChangeCommand, ChangeOutcome
from dynamo.protocol.effects import Effects, Finish, Machine, PeerError, PeerFailure, Send, SendAll, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Learn, Learned, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO, Ballot, after

if TYPE_CHECKING:
    from tests.unit.consensus.world import World

BUCKET, KEY = "locks", b"k"
EPOCH_MS = 1_790_000_000_000
Result = ChangeOutcome | DynamoError


class Minting:
    """Ballots of one node in one run."""

    def __init__(self, world: World, node: str, run: int) -> None:
        self._world = world
        self._skew_ms = world.draw.randint(-world.habits.skew_ms, world.habits.skew_ms)
        self._proposer = f"{node if world.habits.distinct_nodes else 'x'}~{run}"
        self._boot = run
        self._highest = ZERO

    def next(self, above: Ballot) -> Ballot:
        wall_ms = EPOCH_MS + int(self._world.now * 1000) + self._skew_ms
        self._highest = after(max(above, self._highest), wall_ms, self._proposer, self._boot)
        return self._highest

    def saw(self, ballot: Ballot) -> None:
        self._highest = max(self._highest, ballot)


@dataclass
class Pace:
    p50_s: float = 0.01
    p95_s: float = 0.02


class Running:
    """A machine under its driver, in one run of its node."""

    def __init__(self, world: World, node: Node, machine: Machine[object], done: Callable[[object], None]) -> None:
        self._world, self._node, self._run = world, node, node.run
        self._machine, self._done = machine, done
        self.perform(machine.start(world.now))

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._world.send(self._node.name, effect.to, effect.message, self)
            elif isinstance(effect, SendAll):
                for name in effect.to:
                    self._world.send(self._node.name, name, effect.message, self)
            elif isinstance(effect, WakeAt):
                self._world.at(effect.when, self._wake)
            elif isinstance(effect, Finish):
                self._done(effect.outcome)

    def _wake(self) -> None:
        if self._lives:
            self.perform(self._machine.on_wakeup(self._world.now))

    def on_reply(self, peer: str, message: Message) -> None:
        if self._lives:
            self.perform(self._machine.on_reply(peer, message, self._world.now))

    def on_failure(self, peer: str, failure: PeerFailure) -> None:
        if self._lives:
            self.perform(self._machine.on_failure(peer, PeerError(failure), self._world.now))

    @property
    def _lives(self) -> bool:
        return self._node.run == self._run and self._node.is_up


class Node:
    """An acceptor on its disk, and a coordinator in memory."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.run, self.is_up = 0, False
        self.floor: Floor = GROUND
        self.durable: AcceptorState | None = None
        self.start()

    def start(self) -> None:
        """A new run: memory is what the disk has."""
        self.run += 1
        self.is_up = True
        self.state = self.durable
        self._synced_at = 0.0
        self.ballots = Minting(self.world, self.name, self.run if self.world.habits.distinct_runs else 1)
        self.queue: list[tuple[Change, Callable[[Result], None]]] = []
        self.lead: Lead | None = None
        self._busy = False

    def crash(self) -> None:
        self.is_up = False

    # -- acceptor --------------------------------------------------------------------------------------------------

    def handle(self, message: Message, answer: Callable[[Message], None]) -> None:
        habits = self.world.habits
        if isinstance(message, Inspect):
            state = self.durable if habits.shows_only_durable else self.state
            accepted, register = acceptor.shown(state, self.floor)
            answer(Inspected(accepted, b"" if accepted == message.known != ZERO else register))
        elif isinstance(message, Prepare):
            promised = acceptor.promise(self.state, self.floor, message.ballot)
            if promised is None:
                answer(Rejected(message.ballot, acceptor.highest(self.state, self.floor)))
                return
            reply = Promised(message.ballot, *acceptor.shown(promised, self.floor))
            self._store(promised, lambda: answer(reply), syncs=habits.syncs_promises)
        elif isinstance(message, Accept):
            accepting = acceptor.accept(self.state, self.floor, message.ballot, message.register, message.next)
            if accepting is None:
                answer(Rejected(message.ballot, acceptor.highest(self.state, self.floor)))
                return
            self._store(accepting, lambda: answer(Accepted(message.ballot)), syncs=habits.syncs_accepts)
        else:
            assert isinstance(message, Learn)
            answer(Learned())

    def _store(self, state: AcceptorState, answer: Callable[[], None], *, syncs: bool) -> None:
        before, self.state, run = self.state, state, self.run
        if before is not None:
            assert state.promised >= before.promised, "a promise never falls"
        assert state.accepted <= state.promised
        if not syncs:
            answer()
        draw = self.world.draw
        self._synced_at = max(self._synced_at, self.world.now) + draw.random() * self.world.habits.sync_s

        def synced() -> None:
            if self.is_up and self.run == run:
                self.durable = state
                self.world.chain.durable(self.name, state)
                if syncs:
                    answer()

        self.world.at(self._synced_at, synced)

    # -- coordinator -----------------------------------------------------------------------------------------------

    def change(self, change: Change, done: Callable[[Result], None]) -> None:
        self.queue.append((change, done))
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        batch, self.queue = self.queue, []
        lead, self.lead = self.lead, None
        self._busy = True
        deadline = min(change.deadline for change, _ in batch)
        machine = Proposer(
            self.name,
            self.world.names,
            BUCKET,
            KEY,
            [change for change, _ in batch],
            self.ballots,
            deadline,
            lead=lead,
            draw=self.world.draw.random,
            pace=Pace(),
        )

        def finished(outcome: object) -> None:
            assert isinstance(outcome, Round)
            self._busy, self.lead = False, outcome.lead
            for (change, done), result in zip(batch, outcome.results, strict=True):
                if isinstance(result, DynamoError) and self.world.now >= deadline and self.world.now < change.deadline:
                    self.queue.append((change, done))
                else:
                    done(result)
            if self.queue and not self._busy:
                self._begin()

        Running(self.world, self, machine, finished)

    def read(self, command: ChangeCommand, deadline: float, done: Callable[[Result], None]) -> None:
        """The fast read, and if that does not settle it, a round."""

        def finished(outcome: object) -> None:
            if isinstance(outcome, Contended):
                self.change(Change(command, deadline), done)
            elif isinstance(outcome, SettledState):
                done(read_outcome(outcome.register))
            else:
                assert isinstance(outcome, DynamoError)
                done(outcome)

        others = [name for name in self.world.names if name != self.name]
        self.world.draw.shuffle(others)
        machine = SettledRead(self.name, (self.name, *others), BUCKET, KEY, deadline)
        Running(self.world, self, machine, finished)
