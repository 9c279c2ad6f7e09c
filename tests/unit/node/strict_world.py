"""A world with a linearizable bucket whose nodes have met, and changes in it."""

from __future__ import annotations

import itertools

from dynamo.errors import DynamoError
from dynamo.layout.ballot import AcceptorState, decode
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.layout.register import Register
from dynamo.layout.register import decode as register_of
from dynamo.node.node import Node
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.messages import Message, Refused
from dynamo.protocol.paxos import Accept, ForwardChange, Inspect, LearnMany, Prepare
from tests.unit.node.world import MemoryStorage, World

BUCKET = "lin"
Outcome = ChangeOutcome | DynamoError


class StrictWorld(World):
    """Every node knows the bucket `lin`, and the stores of all others."""

    def __init__(self, nodes: int = 3, *, n: int | None = None, **settings) -> None:
        super().__init__(nodes, **settings)
        self._forwarded = itertools.count(1)
        self.n = min(nodes, 3) if n is None else n
        self.properties = BucketProperties(name=BUCKET, mode=Mode.LINEARIZABLE, n=self.n, created=(1, "node1"))
        for number, identity in enumerate(self.identity.values()):
            identity.store = f"{number:016x}"
        for node in self.network.nodes.values():
            self._introduce(node)
        self.agenda.run()

    def reboot(self, name: str, *, crash: bool = False) -> Node:
        """Another life on the same store; after a crash without what was queued."""
        identity = self.identity[name]
        identity.starts, identity.run = identity.starts + 1, f"{identity.starts + 1:08x}"
        node = self.crash(name) if crash else self.boot(name)
        for each in self.network.nodes.values():
            self._introduce(each)
        self.agenda.run()
        return node

    def wipe(self, name: str) -> Node:
        """Its disk is lost, and it comes back with an empty one; who is cut off does not meet it."""
        self.storage[name].held = True  # the process that had it is gone, too
        self.storage[name] = MemoryStorage(self.later)
        identity = self.identity[name]
        identity.renew()
        identity.store, identity.starts = f"{int(identity.store, 16) + 0x100:016x}", 1
        identity.run = identity.store[-8:]
        node = self.boot(name)
        node.buckets.learn([self.properties], lambda _: None)
        for other in self.network.nodes.values():
            if other is not node and not {name, other.id} & self.network.down:
                assert node.store_ages.judge(other.store_ages.mine) == ""
                assert other.store_ages.judge(node.store_ages.mine) == ""
        return node

    def _introduce(self, node: Node) -> None:
        node.buckets.learn([self.properties], lambda _: None)
        for other in self.network.nodes.values():
            assert node.store_ages.judge(other.store_ages.mine) == ""

    # --- changes

    def order(self, key: bytes) -> tuple[str, ...]:
        """The key's primaries: the first one is where its changes queue up."""
        return self.primaries(key, BUCKET, self.n)

    def make(self, key: bytes, action: Action = Action.SET, value: bytes = b"", **more) -> ChangeCommand:
        """A change with a request id of its own, unless it is given one."""
        request = more.pop("request", None) or next(self._requests).to_bytes(16, "big")
        return ChangeCommand(bucket=BUCKET, key=key, action=action, value=value, request=request, **more)

    def begin(self, at: str, command: ChangeCommand, timeout_s: float = 2.0) -> list[Outcome]:
        """A change that is under way; its outcome will be in the list."""
        outcomes: list[Outcome] = []
        self[at].change(command, self.clock.now + timeout_s, "t", outcomes.append)
        return outcomes

    def pass_time(self, seconds: float, step: float = 0.01) -> None:
        """Let time pass in small steps, and everything happen in between."""
        self.agenda.run()
        for _ in range(round(seconds / step)):
            self.clock.turn(step)
            self.agenda.run()

    def finish(self, outcomes: list[Outcome], within_s: float = 3.0) -> Outcome:
        """Its outcome, and that it has exactly one."""
        self.agenda.run()
        left = round(within_s / 0.01)
        while not outcomes and left:
            self.pass_time(0.01)
            left -= 1
        assert len(outcomes) == 1, "exactly one outcome"
        return outcomes[0]

    def change(self, at: str, command: ChangeCommand, timeout_s: float = 2.0) -> Outcome:
        """A change, worked off until its outcome is there, and the replicas have heard of it."""
        outcome = self.finish(self.begin(at, command, timeout_s), timeout_s + 1)
        self.tell()
        self.agenda.run()
        return outcome

    def here(self, at: str, command: ChangeCommand) -> list[Outcome]:
        """A change that this node carries out itself, as one that was handed to it."""
        outcomes: list[Outcome] = []

        def respond(answer: Message) -> None:
            outcomes.append(refused_error(answer) if isinstance(answer, Refused) else answer.outcome)

        message = ForwardChange(command, next(self._forwarded))
        self[at].handle("node9", 1, message, self.clock.now + 2, "t", respond)
        return outcomes

    def set(self, at: str, key: bytes, value: bytes, condition: Condition | None = None) -> Outcome:
        return self.change(at, self.make(key, value=value, condition=condition))

    def add(self, at: str, key: bytes, amount: int = 1) -> Outcome:
        return self.change(at, self.make(key, Action.ADD, amount=amount))

    def look(self, at: str, key: bytes, timeout_s: float = 2.0) -> Outcome:
        """A linearizable read."""
        outcomes: list[Outcome] = []
        self[at].read_register(BUCKET, key, self.clock.now + timeout_s, "t", outcomes.append)
        return self.finish(outcomes, timeout_s + 1)

    def shown(self, at: str, key: bytes) -> Register:
        """What such a read shows."""
        outcome = self.look(at, key)
        assert isinstance(outcome, ChangeOutcome), outcome
        return register_of(outcome.register)

    def tell(self) -> None:
        """Every node tells what it has chosen, without waiting for more."""
        for node in self.network.nodes.values():
            node.tidings.tell()

    # --- what lies where

    def stored_key(self, key: bytes) -> bytes:
        lists = self["node1"].preference
        return record_key(lists.partition(BUCKET, key), BUCKET, key)

    def state(self, at: str, key: bytes) -> AcceptorState | None:
        """What an acceptor has on disk."""
        data = self.storage[at].durable[Keyspace.BALLOTS].get(self.stored_key(key))
        return None if data is None else decode(data)

    def ask(self, at: str, message: Message) -> Message:
        """A peer's question, worked off until it is answered."""
        answers: list[Message] = []
        self[at].handle("node9", 1, message, self.clock.now + 2, "t", answers.append)
        self.agenda.run()
        assert len(answers) == 1, "exactly one answer"
        return answers[0]

    def sent(self, *kinds: type) -> list[tuple[str, str, Message]]:
        """Messages of these kinds that went over the network."""
        return [each for each in self.network.sent if isinstance(each[2], kinds)]

    def trips(self) -> list[str]:
        """Names of all Paxos messages sent since the last call, in order, repeats to several nodes once."""
        names = [
            type(m).__name__ for _, _, m in self.network.sent if isinstance(m, (Prepare, Accept, Inspect, LearnMany))
        ]
        self.network.sent.clear()
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def value_of(outcome: Outcome) -> bytes | None:
    """The value that an outcome shows."""
    assert isinstance(outcome, ChangeOutcome), outcome
    return register_of(outcome.register).value
