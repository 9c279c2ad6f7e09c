"""Coordinators and acceptors of one key on virtual time, with a network and disks that do what they like.

Everything is drawn from one seed: messages are lost, repeated, late and overtake each other; links are cut, one way;
nodes crash, lose what was not synced, and come back in another run. Acceptors are the pure functions over a disk that
syncs in order; coordinators are a queue and a lead around the machines. Clients set, add, compare and set, delete,
read, repeat what they are in doubt about at another coordinator, and have it resolved.

`Chain` watches what becomes durable, and so knows at any time which registers are chosen. `verdict` says what is wrong
with a finished run. `Habits` has switches to break the world itself, so that the verdict can be seen to notice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from dynamo.consensus import acceptor
from dynamo.consensus.change import Change, read_outcome
from dynamo.consensus.lead import Lead
from dynamo.consensus.proposer import Proposer, Round
from dynamo.consensus.settled_read import Contended, SettledRead, SettledState
from dynamo.errors import Applied, CalledOff, DynamoError
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.layout.register import Register, decode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.effects import Effects, Finish, Machine, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Learn, Learned, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO, Ballot, after

NAMES = ("a", "b", "c", "d", "e")
BUCKET, KEY = "locks", b"k"
EPOCH_MS = 1_790_000_000_000
OP_TIMEOUT_S = 0.5
"""Also how long a client waits."""
Result = ChangeOutcome | DynamoError


@dataclass
class Habits:
    """How bad the world is. Probabilities are for each message."""

    nodes: int = 3
    clients: int = 3
    operations: int = 5
    lost: float = 0.0
    repeated: float = 0.0
    delay_s: float = 0.004
    late: float = 0.0
    sync_s: float = 0.002
    crashes: float = 0.0
    """Mean number of crashes of each node in the run."""
    cuts: float = 0.0
    """Mean number of cuts of each link, each way."""
    skew_ms: int = 0
    syncs_promises: bool = True
    syncs_accepts: bool = True
    shows_only_durable: bool = True
    distinct_runs: bool = True
    distinct_nodes: bool = True


def drawn_habits(draw: Random) -> Habits:
    """Each seed has its own mixture, often without one of the faults."""

    def some(value: float) -> float:
        return draw.choice((0.0, value * draw.random(), value))

    return Habits(
        nodes=draw.choice((3, 3, 3, 5)),
        lost=some(0.25),
        repeated=some(0.25),
        late=some(0.1),
        crashes=some(2.0),
        cuts=some(1.0),
        skew_ms=draw.choice((0, 0, 50, 5000)),
    )


@dataclass
class Operation:
    """What a client did, and what it was told."""

    command: ChangeCommand
    called: float
    returned: float = float("inf")
    outcome: str = "pending"
    """ok, failed: definitely not applied, called-off, unknown"""
    result: ChangeOutcome | None = None
    attempts: int = 0


class Chain:
    """What is chosen, by looking at all disks at once: of each ballot what it carries and who has it durably."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self.carried: dict[Ballot, bytes] = {}
        self.holders: dict[Ballot, set[str]] = {}
        self.chosen: dict[Ballot, Register] = {}
        self.version = 0
        """Highest that is chosen."""
        self.wrong: list[str] = []

    def sent(self, message: Message) -> None:
        if isinstance(message, Accept):
            before = self.carried.setdefault(message.ballot, message.register)
            if before != message.register:
                self.wrong.append(f"ballot {message.ballot} carries two registers")

    def durable(self, node: str, state: AcceptorState) -> None:
        if state.accepted == ZERO or state.value is None:
            return
        holders = self.holders.setdefault(state.accepted, set())
        holders.add(node)
        if len(holders) >= self.needed and state.accepted not in self.chosen:
            register = decode(state.value)
            self.chosen[state.accepted] = register
            self.version = max(self.version, register.version)

    def newest(self) -> Register:
        return self.chosen[max(self.chosen)] if self.chosen else Register()


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


class World:
    """One run."""

    def __init__(self, seed: int, habits: Habits | None = None) -> None:
        self.draw = Random(seed)
        self.habits = habits or drawn_habits(self.draw)
        self.now = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.names = NAMES[: self.habits.nodes]
        self.chain = Chain(self.habits.nodes // 2 + 1)
        self.cuts: dict[tuple[str, str], float] = {}
        """Links that carry nothing, and until when."""
        self.healed = False
        self.nodes = {name: Node(self, name) for name in self.names}
        self.operations: list[Operation] = []
        self._requests = itertools.count(1)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), what))

    def go_on_until(self, when: float) -> None:
        while self._events and self._events[0][0] <= when:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = max(self.now, when)

    # -- network ---------------------------------------------------------------------------------------------------

    def send(self, source: str, to: str, message: Message, sender: Running) -> None:
        self.chain.sent(message)

        def arrived() -> None:
            node = self.nodes[to]
            if node.is_up:
                node.handle(message, lambda reply: self._carry(to, source, lambda: sender.on_reply(to, reply)))

        if not self.nodes[to].is_up and self.draw.random() < 0.5:
            self.at(self.now + 0.001, lambda: sender.on_failure(to, PeerFailure.DOWN))
        elif self._carry(source, to, arrived) == 0 and self.draw.random() < 0.3:
            self.at(self.now + self.draw.random() * 0.1, lambda: sender.on_failure(to, PeerFailure.LOST))

    def _carry(self, source: str, to: str, arrive: Callable[[], None]) -> int:
        """Deliver never, once or twice; says how often."""
        draw, habits = self.draw, self.habits
        if source == to:
            self.at(self.now, arrive)
            return 1
        if not self.healed and (draw.random() < habits.lost or self.cuts.get((source, to), 0.0) > self.now):
            return 0
        times = 2 if not self.healed and draw.random() < habits.repeated else 1
        for _ in range(times):
            late = not self.healed and draw.random() < habits.late
            self.at(self.now + draw.random() * habits.delay_s * (100 if late else 1), arrive)
        return times

    # -- faults ----------------------------------------------------------------------------------------------------

    def _plan_faults(self, length_s: float) -> None:
        draw, habits = self.draw, self.habits
        for name in self.names:
            for _ in range(_some(draw, habits.crashes)):
                down = draw.random() * length_s
                self.at(down, self.nodes[name].crash)
                self.at(down + draw.random() * 0.3, lambda name=name: self._restart(name))
        for link in itertools.permutations(self.names, 2):
            for _ in range(_some(draw, habits.cuts)):
                begin = draw.random() * length_s
                until = begin + draw.random() * 0.5
                self.at(begin, lambda link=link, until=until: self.cuts.__setitem__(link, until))

    def _restart(self, name: str) -> None:
        if not self.nodes[name].is_up:
            self.nodes[name].start()

    # -- clients ---------------------------------------------------------------------------------------------------

    def run(self) -> list[str]:
        """The whole run: faults and clients, then quiet, then everybody looks. What is wrong with it."""
        length_s = 0.15 * self.habits.operations
        self._plan_faults(length_s)
        for client in range(self.habits.clients):
            self._next(client, self.habits.operations)
        self.go_on_until(length_s + 4.0 * OP_TIMEOUT_S)
        return [*self.look(), *verdict(self)]

    def look(self) -> list[str]:
        """Heal everything; every node reads, by a round and without one. Complaints if one of them cannot."""
        self.healed = True
        for name in self.names:
            self._restart(name)
        self.go_on_until(self.now + 2.0)
        for node in self.nodes.values():
            for kind in ("round", "inspect"):
                self._call(node, self._command(Action.READ), kind)
                self.go_on_until(self.now + 2.0)
        wrong = [f"{op.command.action} after healing: {op.outcome}" for op in self.operations[-2 * len(self.names) :]]
        return [line for line in wrong if not line.endswith("ok")]

    def _next(self, client: int, left: int) -> None:
        if left:
            self.at(self.now + self.draw.random() * 0.05, lambda: self._step(client, left))

    def _step(self, client: int, left: int) -> None:
        def then() -> None:
            self._next(client, left - 1)

        doubtful = [op for op in self.operations if op.outcome == "unknown"]
        if doubtful and self.draw.random() < 0.5:
            op = self.draw.choice(doubtful)
            if self.draw.random() < 0.5:
                self._attempt(op, self._any_node(), "", then)
            else:
                self._call(self._any_node(), self._command(Action.RESOLVE, target=op.command.request), "", then)
            return
        kind = self.draw.choice(("set", "set", "add", "cas", "cas", "delete", "read", "read", "round"))
        self._call(self._any_node(), self._drawn(kind), "inspect" if kind == "read" else "", then)

    def _drawn(self, kind: str) -> ChangeCommand:
        if kind in ("read", "round"):
            return self._command(Action.READ)
        if kind == "add":
            return self._command(Action.ADD, amount=1)
        if kind == "delete":
            return self._command(Action.DELETE)
        version = max(0, self.chain.version - self.draw.choice((0, 0, 0, 1)))
        return self._command(Action.SET, condition=Condition(version=version) if kind == "cas" else None)

    def _command(
        self, action: Action, *, condition: Condition | None = None, amount: int = 0, target: bytes = b""
    ) -> ChangeCommand:
        number = next(self._requests)
        return ChangeCommand(
            bucket=BUCKET,
            key=KEY,
            action=action,
            request=b"%016d" % number,
            condition=condition,
            value=b"%d" % (number * 1000),
            amount=amount,
            target=target,
        )

    def _any_node(self) -> Node:
        return self.draw.choice([node for node in self.nodes.values() if node.is_up] or [self.nodes["a"]])

    def _call(self, node: Node, command: ChangeCommand, kind: str, then: Callable[[], None] = lambda: None) -> None:
        op = Operation(command, self.now)
        self.operations.append(op)
        self._attempt(op, node, kind, then)

    def _attempt(self, op: Operation, node: Node, kind: str, then: Callable[[], None]) -> None:
        """Ask one coordinator, once; whatever it says is heard at most once, and no later than the time-out."""
        op.attempts += 1
        op.outcome, deadline = "pending", self.now + OP_TIMEOUT_S
        heard: list[bool] = []

        def hear(result: Result | None) -> None:
            if not heard:
                heard.append(True)
                _told(op, result, self.now)
                self.check_answer(op)
                then()

        self.at(deadline + 0.05, lambda: hear(None))
        if not node.is_up:
            return
        if kind == "inspect":
            node.read(op.command, deadline, hear)
        else:
            node.change(Change(op.command, deadline), hear)

    def check_answer(self, op: Operation) -> None:
        """Nothing may be told before it is chosen."""
        if op.outcome == "ok" and op.result is not None and op.result.version > self.chain.version:
            self.chain.wrong.append(f"{op.command.action} was told of version {op.result.version} before it was chosen")


def _some(draw: Random, mean: float) -> int:
    return sum(draw.random() < mean / 4 for _ in range(4))


def _told(op: Operation, result: Result | None, now: float) -> None:
    """What the client takes an answer for. After a doubtful attempt nothing but a success, or that the request was
    called off, ends the doubt: the first attempt may still be under way somewhere.
    """
    if isinstance(result, ChangeOutcome):
        if result.applied or op.attempts == 1:
            op.outcome, op.result, op.returned = "ok", result, now
            return
    elif isinstance(result, CalledOff):
        op.outcome, op.returned = "called-off", now
        return
    elif result is not None and result.applied is Applied.NO and op.attempts == 1:
        op.outcome, op.returned = "failed", now
        return
    op.outcome = "unknown"


def verdict(world: World) -> list[str]:
    """Everything that is wrong with a finished run, in words."""
    wrong = [*world.chain.wrong, *_chain(world.chain)]
    entries = {entry.request: entry for entry in world.chain.newest().done}
    makers = {entry.version: entry.request for entry in world.chain.newest().done if entry.version}
    shown = {register.version: register for _, register in sorted(world.chain.chosen.items())}
    for op in world.operations:
        entry = entries.get(op.command.request)
        applied = entry is not None and entry.version > 0
        if op.outcome in ("failed", "called-off") and applied:
            wrong.append(f"{op.command.action} was told {op.outcome}, and took effect")
        if op.outcome == "ok":
            wrong += _told_truly(op, entries, shown)
    return [*wrong, *_in_time(world.operations, makers)]


def _chain(chain: Chain) -> list[str]:
    """Each chosen register goes on from the one before: same entries as far as it goes, versions one by one."""
    wrong: list[str] = []
    before = Register()
    for ballot, register in sorted(chain.chosen.items()):
        versions = [entry.version for entry in register.done if entry.version]
        requests = [entry.request for entry in register.done]
        if versions != list(range(1, register.version + 1)):
            wrong.append(f"versions of {ballot} do not grow by one: {versions}")
        if len(requests) != len(set(requests)):
            wrong.append(f"{ballot} has applied a request twice")
        if register.done[: len(before.done)] != before.done:
            wrong.append(f"{ballot} does not go on from what was chosen before")
        if register.version == before.version and register.value != before.value:
            wrong.append(f"{ballot} changed the value of a version")
        before = register
    return wrong


def _told_truly(op: Operation, entries: dict[bytes, object], shown: dict[int, Register]) -> list[str]:
    """Whether an answer agrees with what was chosen, at the end."""
    result, action = op.result, op.command.action
    assert result is not None
    entry = entries.get(op.command.target if action is Action.RESOLVE else op.command.request)
    made = getattr(entry, "version", None)
    wrong: list[str] = []
    if result.applied and made != result.version:
        wrong.append(f"{action} was told that it made version {result.version}, and made {made}")
    if not result.applied and made:
        wrong.append(f"{action} was told that it was not applied, and made version {made}")
    if not result.applied and action is Action.RESOLVE and made is None:
        wrong.append("what was called off is not in the register")
    chosen = shown.get(result.version)
    if chosen is not None and result.register and decode(result.register).value != chosen.value:
        wrong.append(f"{action} was shown another value of version {result.version} than was chosen")
    return wrong


def _in_time(operations: list[Operation], makers: dict[int, bytes]) -> list[str]:
    """The version witness: whoever was called after version v was told of sees v at least, and makes a later one."""
    wrong: list[str] = []
    called = {op.command.request: op.called for op in operations}
    told = sorted((op for op in operations if op.outcome == "ok"), key=lambda op: op.returned)
    for op in operations:
        if op.outcome != "ok" or op.result is None:
            continue
        # A resolved request says when that one took effect, which may be long ago.
        if op.command.action is Action.RESOLVE and op.result.applied:
            continue
        before = max((_seen(one) for one in told if one.returned < op.called), default=0)
        needed = before + 1 if op.result.applied else before
        if op.result.version < needed:
            wrong.append(f"{op.command.action} saw version {op.result.version} after {before} had been told of")
        maker = makers.get(op.result.version)
        if maker is not None and called[maker] > op.returned:
            wrong.append(f"{op.command.action} saw version {op.result.version} before anybody asked for it")
    return wrong


def _seen(op: Operation) -> int:
    return op.result.version if op.result is not None else 0


@dataclass
class Summary:
    """What a swarm of runs came to."""

    seeds: int = 0
    operations: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    wrong: dict[int, list[str]] = field(default_factory=dict)


def swarm(seeds: range, habits: Callable[[Random], Habits] = drawn_habits, *, stop: bool = False) -> Summary:
    """Run many seeds; with `stop` only until one is wrong."""
    summary = Summary()
    for seed in seeds:
        world = World(seed, habits(Random(-seed)))
        wrong = world.run()
        summary.seeds += 1
        summary.operations += len(world.operations)
        for op in world.operations:
            summary.outcomes[op.outcome] = summary.outcomes.get(op.outcome, 0) + 1
        if wrong:
            summary.wrong[seed] = wrong
            if stop:
                break
    return summary
