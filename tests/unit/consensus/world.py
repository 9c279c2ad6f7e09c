"""Coordinators and acceptors of one key on virtual time, with a network and disks that do what they like.

Everything is drawn from one seed: messages are lost, repeated, late and overtake each other; links are cut, one way;
nodes crash, lose what was not synced, and come back in another run. Acceptors are the pure functions over a disk that
syncs in order; coordinators are a queue and a lead around the machines. Clients set, add, compare and set, delete,
read, repeat what they are in doubt about at another coordinator, and have it resolved.

`watching.py` says what is wrong with a run. `habits.py` has switches to break
the world itself, so that the verdict can be seen to notice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from dynamo.consensus.change import Change
from dynamo.errors import Applied, CalledOff
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.messages import Message
from tests.unit.consensus.habits import Habits, drawn_habits
from tests.unit.consensus.nodes import BUCKET, KEY, Node, Result, Running
from tests.unit.consensus.watching import Chain, Operation, verdict

NAMES = ("a", "b", "c", "d", "e")
OP_TIMEOUT_S = 0.5
"""Also how long a client waits."""


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
        return [*self.look(), *verdict(self.chain, self.operations)]

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
