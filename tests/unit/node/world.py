"""The ports in memory: a clock that is turned by hand, disks that commit when told, a network of whole nodes.

Nothing happens by itself. What is handed over (a batch, a message, an answer) waits on one agenda; `run` works it off
in order. An asyncio test gives the loop's `call_soon` as the agenda, and then it is worked off by the loop.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dynamo.config import (
    ClusterSection,
    Config,
    MemberSection,
    NodeSection,
    RequestsSection,
    StorageSection,
)
from dynamo.errors import DynamoError, StorageFull
from dynamo.layout import note
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.node import Node
from dynamo.node.rebuilding import MARK
from dynamo.ports import Change, Receiver, StorageSizes
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Refused
from dynamo.ring.ring import Member, first_ring
from dynamo.telemetry.metrics import Metrics

REBUILT = note.encode([])
"""Mark of a store that has nothing left to rebuild."""
START_MS = 1_700_000_000_000
Later = Callable[[Callable[[], None]], object]


class Agenda:
    """What is to happen, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def later(self, action: Callable[[], None]) -> None:
        self._waiting.append(action)

    def run(self) -> None:
        """Let everything happen, and what follows from it."""
        while self._waiting:
            self._waiting.popleft()()


class ManualClock:
    """`ports.Clock`, standing still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wall = START_MS
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.soon: Later = lambda callback: self.call_at(self.now, callback)

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return self.wall

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (when, next(self._order), callback))

    def turn(self, seconds: float) -> None:
        """Let that much time pass, timer by timer."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, callback = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            callback()
        self.now = until


class MemoryStorage:
    """`ports.Storage`: batches are queued, and commit one by one, in order, when their turn on the agenda has come."""

    def __init__(self, later: Later) -> None:
        self.durable: dict[Keyspace, dict[bytes, bytes]] = {space: {} for space in Keyspace}
        self.full = False
        self.held = False
        """Batches wait until it is let go; see `release`."""
        self.synced = 0
        """Batches that asked for a sync."""
        self._later = later
        self._queue: deque[tuple[Sequence[Change], bool, Callable[[Exception | None], None]]] = deque()

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        return self.durable[space].get(key)

    def latest(self, space: Keyspace, key: bytes) -> bytes | None:
        for changes, _, _ in reversed(self._queue):
            for changed, name, value in changes:
                if (changed, name) == (space, key):
                    return value
        return self.durable[space].get(key)

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        keys = sorted(self.durable[space])
        first = bisect.bisect_left(keys, start)
        beyond = len(keys) if end is None else bisect.bisect_left(keys, end)
        return [(key, self.durable[space][key]) for key in keys[first:beyond][:limit]]

    def write(self, changes: Sequence[Change], durable: bool, done: Callable[[Exception | None], None]) -> None:
        self._queue.append((changes, durable, done))
        self._later(self._commit)

    def sizes(self) -> StorageSizes:
        return StorageSizes(len(self.durable[Keyspace.RECORDS]), 0, 0)

    def queued_bytes(self) -> int:
        return sum(len(key) + len(value or b"") for changes, _, _ in self._queue for _, key, value in changes)

    def release(self) -> None:
        """Let the batches that were held commit."""
        self.held = False
        for _ in range(len(self._queue)):
            self._later(self._commit)

    def fail(self, error: Exception) -> None:
        """All that is queued never happens: it is forgotten first, then everyone is told, as the port says."""
        failed, self._queue = list(self._queue), deque()
        for _, _, done in failed:
            done(error)

    def _commit(self) -> None:
        if self.held or not self._queue:
            return
        if self.full and self._queue[0][0]:
            self.fail(StorageFull("no room"))
            return
        changes, durable, done = self._queue.popleft()
        self.synced += durable
        for space, key, value in changes:
            if value is None:
                self.durable[space].pop(key, None)
            else:
                self.durable[space][key] = value
        done(None)


class MemoryIdentity:
    """`ports.Identity`."""

    def __init__(self) -> None:
        self.number, self.counter = 1, 0
        self.store, self.starts, self.run = "0123456789abcdef", 1, "00000001"
        self.full = False
        self.closed_at: int | None = None

    @property
    def incarnation(self) -> str:
        return f"{self.number:08x}"

    def renew(self) -> None:
        if self.full:
            raise StorageFull("no room")
        self.number += 1
        self.counter = 0

    def close(self, counter: int) -> None:
        self.closed_at = counter


class Dice:
    """`ports.Randomness` that always throws the same, and never gives out a token twice."""

    def __init__(self, thrown: float = 0.999) -> None:
        self.thrown = thrown
        self._tokens = itertools.count(1)

    def random(self) -> float:
        return self.thrown

    def token_bytes(self, count: int) -> bytes:
        return next(self._tokens).to_bytes(count, "big")


class Network:
    """Carries messages between the nodes of one world; whom it cuts off it reports as down."""

    def __init__(self, later: Later) -> None:
        self.nodes: dict[str, Node] = {}
        self.down: set[str] = set()
        self.silent: set[str] = set()
        """Nodes to which messages are sent and lose their way; the sender hears of it at once, as a timeout."""
        self.lost: set[str] = set()
        """Nodes to which messages are sent and vanish; the sender hears of it when `fail_lost` says so."""
        self._waiting: list[tuple[str, Receiver]] = []
        self.mute: set[str] = set()
        """Nodes that act on messages, and whose answers are lost."""
        self.sent: list[tuple[str, str, Message]] = []
        self.later = later

    def carry(self, sender: str, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        self.sent.append((sender, peer, message))
        if peer in self.down or sender in self.down:
            self.later(lambda: receiver.on_failure(peer, PeerError(PeerFailure.DOWN)))
        elif peer in self.lost:
            self._waiting.append((peer, receiver))
        elif peer in self.silent:
            self.later(lambda: receiver.on_failure(peer, PeerError(PeerFailure.TIMEOUT)))
        else:
            self.later(lambda: self._deliver(sender, peer, message, deadline, trace, receiver))

    def fail_lost(self) -> None:
        """What vanished is given up."""
        waiting, self._waiting = self._waiting, []
        for peer, receiver in waiting:
            receiver.on_failure(peer, PeerError(PeerFailure.TIMEOUT))

    def _deliver(
        self, sender: str, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver
    ) -> None:
        def respond(answer: Message) -> None:
            if peer in self.mute:
                self.later(lambda: receiver.on_failure(peer, PeerError(PeerFailure.LOST)))
            elif isinstance(answer, Refused):
                error = PeerError(PeerFailure.REFUSED, refused_error(answer))
                self.later(lambda: receiver.on_failure(peer, error))
            else:
                self.later(lambda: receiver.on_reply(peer, answer))

        epoch = self.nodes[sender].ring.epoch
        self.nodes[peer].handle(sender, epoch, copied(message), deadline, trace, lambda answer: respond(copied(answer)))


class NetworkPeers:
    """`ports.Peers` of one node."""

    def __init__(self, me: str, network: Network) -> None:
        self._me = me
        self._network = network

    def is_up(self, peer: str) -> bool:
        return peer not in self._network.down and self._me not in self._network.down

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        assert peer != self._me, "a node does not send to itself"
        self._network.carry(self._me, peer, message, deadline, trace, receiver)


def config_of(
    node: str,
    nodes: int = 3,
    *,
    partitions: int = 8,
    requests: RequestsSection | None = None,
    durability: str = "sync",
    **sections: Any,
) -> Config:
    """A configuration of node1, node2, ... that samples no reads, unless it is told to. Other sections by name."""
    members = tuple(MemberSection(id=f"node{i + 1}") for i in range(nodes))
    return Config(
        node=NodeSection(id=node),
        cluster=ClusterSection(partitions=partitions, members=members),
        storage=StorageSection(durability=durability),
        requests=requests or RequestsSection(read_all_share=0.0),
        **sections,
    )


class World:
    """Some nodes with one clock, and everything of theirs within reach."""

    def __init__(
        self, nodes: int = 3, *, later: Later | None = None, epoch: int = 1, empty: bool = False, **settings
    ) -> None:
        self.agenda = Agenda()
        self.later = later or self.agenda.later
        self.clock = ManualClock()
        self.clock.soon = self.later
        self.network = Network(self.later)
        self.storage: dict[str, MemoryStorage] = {}
        self.identity: dict[str, MemoryIdentity] = {}
        self.dice = Dice()
        self._settings = settings
        self._members = [Member(f"node{i + 1}", "h", 1, 2, 3) for i in range(nodes)]
        for member in self._members:
            self.storage[member.id] = MemoryStorage(self.later)
            self.identity[member.id] = MemoryIdentity()
            if not empty:
                # A node whose store is empty is rebuilt, and answers for nothing until then.
                self.storage[member.id].durable[Keyspace.META][MARK] = REBUILT
            self.boot(member.id, epoch)

    def crash(self, name: str) -> Node:
        """Power is gone: what is durable stays, what was queued is lost, the identity is another one."""
        old = self.storage[name]
        self.storage[name] = MemoryStorage(self.later)
        self.storage[name].durable = {space: dict(pairs) for space, pairs in old.durable.items()}
        old.held = True
        self.identity[name].renew()
        return self.boot(name)

    def boot(self, name: str, epoch: int = 1) -> Node:
        """Start a node (anew) on its disk and identity."""
        config = config_of(name, len(self._members), **self._settings)
        ring = first_ring(self._members, config.cluster.partitions, epoch)
        others = [member.id for member in self._members if member.id != name]
        node = Node(
            config,
            ring,
            self.clock,
            self.dice,
            self.storage[name],
            self.identity[name],
            NetworkPeers(name, self.network),
            Metrics(others, "test"),
        )
        self.network.nodes[name] = node
        node.start()
        node.buckets.compared = True
        return node

    def __getitem__(self, name: str) -> Node:
        return self.network.nodes[name]

    def write(self, at: str, key: bytes, value: bytes | None, **more) -> WriteOutcome | DynamoError:
        """A write, worked off until its outcome is there."""
        outcomes: list[WriteOutcome | DynamoError] = []
        self[at].write(self.command(key, value, **more), self.clock.now + 2, "t", outcomes.append)
        self.agenda.run()
        if not outcomes:
            self.clock.turn(2)
            self.agenda.run()
        assert len(outcomes) == 1, "exactly one outcome"
        return outcomes[0]

    def begin_read(
        self, at: str, key: bytes, outcomes: list[ReadOutcome | DynamoError], bucket: str = "b", **more
    ) -> None:
        """A read, as far as it comes without time passing."""
        command = ReadCommand(bucket=bucket, key=key, **more)
        self[at].read(command, self.clock.now + 2, "t", outcomes.append)
        self.agenda.run()

    def read(self, at: str, key: bytes, bucket: str = "b", **more) -> ReadOutcome | DynamoError:
        """A read, likewise."""
        outcomes: list[ReadOutcome | DynamoError] = []
        self.begin_read(at, key, outcomes, bucket, **more)
        if not outcomes:
            self.clock.turn(2)
            self.agenda.run()
        assert len(outcomes) == 1, "exactly one outcome"
        return outcomes[0]

    _requests = itertools.count(1)

    def command(self, key: bytes, value: bytes | None, bucket: str = "b", **more) -> WriteCommand:
        """A write with a request id of its own, unless it is given one."""
        request = more.pop("request", None) or next(self._requests).to_bytes(16, "big")
        return WriteCommand(bucket=bucket, key=key, value=value, request=request, **more)

    def values(self, at: str, key: bytes, **more) -> list[bytes | None]:
        """The live values that a read there shows."""
        outcome = self.read(at, key, **more)
        assert isinstance(outcome, ReadOutcome), outcome
        return [] if outcome.record is None else [s.value for s in outcome.record.live(self.clock.wall)]

    def records(self, at: str) -> dict[bytes, bytes]:
        """What a node has on disk."""
        return self.storage[at].durable[Keyspace.RECORDS]

    def primaries(self, key: bytes, bucket: str = "b", n: int = 3) -> tuple[str, ...]:
        """Who replicates a key."""
        lists = next(iter(self.network.nodes.values())).preference
        return lists.primaries(lists.partition(bucket, key), n)


def copied(message: Message) -> Message:
    """A message as it would come out of the wire."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=Message)
