"""A node: everything of one process but its adapters. Built by `server.py` on real ports, by `simulation/` on
simulated ones.

Clients come in through `read`, `write`, `list_keys` and the bucket calls; peers through `handle`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import msgspec

from dynamo.config import Config
from dynamo.errors import DynamoError, WrongEpoch
from dynamo.node.acceptors import Acceptors
from dynamo.node.accepts import Accepts
from dynamo.node.admission import Admission
from dynamo.node.asking import ask
from dynamo.node.audit_book import AuditBook
from dynamo.node.ballots import Ballots
from dynamo.node.bucket_changes import BucketChanges
from dynamo.node.buckets import BucketBook
from dynamo.node.choosing import Chooser
from dynamo.node.coordinator import Coordinator, ReadDone, WriteDone
from dynamo.node.driver import Driver
from dynamo.node.floors import Floors
from dynamo.node.forwarded import ForwardedRequests
from dynamo.node.franchise import Franchise
from dynamo.node.hint_book import HintBook
from dynamo.node.hint_desk import HintDesk
from dynamo.node.key_queues import ChangeDone, KeyQueues
from dynamo.node.learning import Learning
from dynamo.node.listing import Listing
from dynamo.node.liveness import Liveness
from dynamo.node.pbs_book import PbsBook
from dynamo.node.peer_requests import Handler, PeerRequests
from dynamo.node.probing import Probing, detector_of
from dynamo.node.proposals import Proposals, SettledDone
from dynamo.node.quarantine import Quarantine
from dynamo.node.reaping import Reaping
from dynamo.node.rebuilding import Rebuilding
from dynamo.node.records import PAGE_BYTES, Records
from dynamo.node.repairs import RepairBoard
from dynamo.node.replica import Replica
from dynamo.node.replica_answers import ReplicaAnswers
from dynamo.node.stand_in import StandIn
from dynamo.node.store_ages import StoreAgeBook
from dynamo.node.tidings import Tidings
from dynamo.node.trees import Trees
from dynamo.node.unlearned import Unlearned
from dynamo.node.voting import Voting
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Clock, Identity, Peers, Randomness, Receiver, Respond, Storage
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.codec import refusal, refused_error
from dynamo.protocol.commands import ChangeCommand, ListCommand, ListOutcome, ReadCommand, WriteCommand
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import (
    AskKeys,
    AskRoots,
    AskTree,
    Message,
    Ping,
    Probe,
    ProbeFor,
    Refused,
    Status,
    StatusReport,
    TellStores,
)
from dynamo.protocol.paxos import AskBallots
from dynamo.repair.exchange import Differences, Exchange
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Ring
from dynamo.telemetry.history import History
from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.stall import Stall
from dynamo.version import VERSION

_ANY_EPOCH = (Ping, Status, Probe, ProbeFor)
CATCH_UP_S = 5.0
"""How long a starting node waits for a peer to compare bucket properties with before it serves without."""


class Node:
    """One node of a cluster."""

    def __init__(
        self,
        config: Config,
        ring: Ring,
        clock: Clock,
        randomness: Randomness,
        storage: Storage,
        identity: Identity,
        peers: Peers,
        metrics: Metrics,
    ) -> None:
        self.id = config.node.id
        self.config = config
        self.ring = ring
        self.clock = clock
        self.randomness = randomness
        self.peers = peers
        self.metrics = metrics
        self.identity = identity
        self.storage = storage
        self.preference = PreferenceLists(ring)
        self.stall = Stall(config.requests.timeout_s)
        self.admission = Admission(config.limits.inflight_max, config.limits.inflight_bytes_max, self.stall)
        self.wakeups = Wakeups(clock)
        self.quarantine = Quarantine(storage, clock, metrics)
        self.audit = AuditBook(storage, clock, self.quarantine, ring.partitions)
        self.records = Records(
            storage,
            self.preference,
            self.quarantine,
            sync=config.storage.durability == "sync",
            # A page must fit in a frame, as every record does.
            page_bytes_max=min(PAGE_BYTES, config.limits.object_bytes_max),
        )
        self.buckets = BucketBook(self.id, msgspec.structs.replace(config.buckets, n=config.default_n), clock, storage)
        self.buckets.compared = len(ring.members) == 1
        self.buckets.may_compare = self._may_compare
        self.store_ages = StoreAgeBook(self.id, identity, storage)
        self.rebuilding = Rebuilding(ring.partitions, len(ring.members) - 1, clock, storage)
        self.repairs = RepairBoard(clock, self.rebuilding, enabled=config.repair.enabled)
        self.replica = Replica(config, clock, identity, self.records, self.buckets, self.rebuilding, metrics)
        self.hints = HintBook(config.hints, self.id, clock, storage, self.preference, self.replica, metrics)
        self.detector = detector_of(config, clock.wall_ms())
        self.probing = Probing(self.detector, clock, peers, metrics, config.membership.probe_timeout_s)
        self.liveness = Liveness(self.id, peers, self.detector)
        self.hint_desk = HintDesk(self.hints, clock, storage, self.liveness.is_alive, metrics)
        self.reaping = Reaping(
            config, clock, self.preference, self.buckets, self.records, self.hints, self.store_ages, metrics
        )
        self._driver = Driver(self.id, clock, peers, self.wakeups, self._local)
        self._coordinator = self._make_coordinator()
        self._make_measures_of_staleness()
        self._make_linearizable()
        self._listing = Listing(clock, self.preference, self._coordinator)
        self._bucket_changes = BucketChanges(self.id, ring, peers, self.buckets, self._listing)
        self._started_at = clock.monotonic()
        self._running = False
        requests = PeerRequests(self.buckets, self.reaping, self.status, metrics)
        self._handlers, self._dispatch = requests.handlers, requests.dispatch
        self._handlers.update(self._answers_to_peers(Trees(clock, storage, ring.partitions, metrics)))

    def _answers_to_peers(self, trees: Trees) -> dict[type, Handler]:
        """Who handles which message."""
        answers = ReplicaAnswers(self.replica, self.hints, self.clock, self.metrics, timed=self.config.pbs.enabled)
        return {
            TellStores: self.store_ages.tell,
            AskBallots: self.voting.show,
            AskRoots: trees.roots,
            AskTree: trees.tree,
            AskKeys: trees.keys,
            **answers.handlers(),
            **ForwardedRequests(self.admission, self._coordinator, self._proposals, self.metrics).handlers(),
            **self.acceptors.handlers(),
            **self.learning.handlers(),
            **self.judge.recent.handlers(),
        }

    def _make_measures_of_staleness(self) -> None:
        self.judge = self._coordinator.judge
        self.pbs = PbsBook(self.config, self.preference, self._coordinator.legs)
        self.history = History(self.metrics)

    def _make_linearizable(self) -> None:
        """Both sides of Paxos: the acceptor, and what proposes; and how it is known what was chosen."""
        self._driver.accepts = Accepts(self.id, self.clock, self.send)
        self.voting = Voting(self.id, self.preference, self.buckets, self.store_ages, self.storage)
        self.ballots = Ballots(self.id, self.clock, self.identity)
        self.floors = Floors(self.storage)
        self.unlearned = Unlearned(self.clock)
        self.tidings = Tidings(self.clock, self.wakeups, self.send)
        self.key_queues = KeyQueues(
            self._driver,
            self.ballots,
            self.store_ages,
            self.randomness,
            self.tidings,
            self.judge.chosen,
            self.metrics,
        )
        self._proposals = self._make_proposals()
        franchise = Franchise(self.id, self.preference, self.buckets, self.voting)
        self.acceptors = Acceptors(
            franchise, self.storage, self.replica, self.store_ages, self.floors, self.unlearned, self.metrics
        )
        self.learning = Learning(franchise, self.storage, self.records, self.replica, self.unlearned)

    def _make_proposals(self) -> Proposals:
        return Proposals(
            Chooser(self.id, self.preference, self.liveness, stands_in=False),
            self._coordinator.nearest_first,
            self.buckets,
            self.key_queues,
            self._driver,
            self.randomness,
            self.config.limits.object_bytes_max,
            self.metrics,
        )

    def _make_coordinator(self) -> Coordinator:
        return Coordinator(
            self.config,
            Chooser(self.id, self.preference, self.liveness, stands_in=self.config.hints.enabled),
            self.buckets,
            self.replica,
            StandIn(self.id, self.identity, self.randomness, self.hints, self.replica, self.metrics),
            self._driver,
            self.randomness,
            self.metrics,
        )

    def start(self) -> None:
        """Load what is kept beside the records; from here on requests may come."""
        self.metrics.replication_factor.value = self.config.default_n
        self.voting.load()
        self.rebuilding.load()
        self.buckets.load()
        self.hints.load()
        self.store_ages.load()
        self.floors.load()
        self.quarantine.load()
        self.audit.load()
        self.hint_desk.load()
        self.reaping.watch()
        self._started_at = self.clock.monotonic()
        self._running = True

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Take no new client requests; `on_idle` is called once those under way have ended, and all is told of them."""

        def idle() -> None:
            self.tidings.tell()
            on_idle()

        self.admission.drain(idle)

    def stop(self) -> None:
        """The store has everything on disk: note a clean stop. Nothing may be written afterwards."""
        self._running = False
        self.replica.mint.close()

    def readiness(self) -> list[str]:
        """Why this node should not be sent requests yet; empty if it should."""
        reasons = []
        if not self._running:
            reasons.append("not started")
        if self.admission.draining:
            reasons.append("draining")
        if not self.buckets.compared and self._is_starting():
            reasons.append("comparing bucket properties with a peer")
        if len(self.rebuilding) and self._is_starting():
            reasons.append("comparing an empty store with the other replicas")
        if self.voting.waiting() and self._is_starting():
            reasons.append("asking the other replicas what an empty store may have promised")
        return reasons

    def _is_starting(self) -> bool:
        return self.clock.monotonic() < self._started_at + CATCH_UP_S

    def _may_compare(self) -> bool:
        return self._is_starting() or any(self.peers.is_up(m.id) for m in self.ring.members if m.id != self.id)

    def read(self, command: ReadCommand, deadline: float, trace: str, done: ReadDone) -> None:
        """Carry out a read; `done` is called once, possibly before this returns."""
        self._coordinator.read(command, deadline, trace, done)

    def write(self, command: WriteCommand, deadline: float, trace: str, done: WriteDone) -> None:
        """Carry out a write; `done` is called once, possibly before this returns."""
        self._coordinator.write(command, deadline, trace, done)

    def change(self, command: ChangeCommand, deadline: float, trace: str, done: ChangeDone) -> None:
        """Carry out a change of a linearizable key; `done` is called once, possibly before this returns."""
        self._proposals.change(command, deadline, trace, done)

    def read_register(self, bucket: str, key: bytes, deadline: float, trace: str, done: ChangeDone) -> None:
        """What a linearizable key holds at one instant of this call; `done` is called once."""
        self._proposals.read(bucket, key, deadline, trace, done)

    def settle(self, bucket: str, key: bytes, deadline: float, done: SettledDone) -> None:
        """What is chosen of a linearizable key, if that can be said without a ballot; `done` is called once."""
        self._proposals.settle(bucket, key, deadline, "", done)

    def repair(self, bucket: str, key: bytes, peer: str, deadline: float, done: ReadDone) -> None:
        """Bring this node and a peer to the same version of a key; `done` is called once."""
        self._coordinator.repair(bucket, key, peer, deadline, done)

    def compare(self, exchange: Exchange, done: Callable[[Differences | DynamoError], None]) -> None:
        """Run a comparison with a peer; `done` is called once."""
        self._driver.run(exchange, inf, "", done)

    def replicas(self, partition: int) -> tuple[str, ...]:
        """Every node that some bucket's n makes a primary of the partition."""
        homes = (self.preference.primaries(partition, n) for n in self.buckets.copies())
        return tuple(dict.fromkeys(node for home in homes for node in home))

    async def list_keys(self, command: ListCommand, deadline: float, trace: str) -> ListOutcome:
        """A page of a bucket's keys. Raises DynamoError."""
        return await self._listing.page(command, deadline, trace)

    async def put_bucket(self, wanted: BucketProperties, deadline: float, trace: str = "") -> BucketProperties:
        """Make or change a bucket on a majority of the nodes. Raises DynamoError."""
        return await self._bucket_changes.put(wanted, deadline, trace)

    async def delete_bucket(self, name: str, deadline: float, trace: str = "") -> None:
        """Drop an empty bucket on a majority of the nodes. Raises DynamoError."""
        await self._bucket_changes.drop(name, deadline, trace)

    async def cluster_status(self, deadline: float, trace: str = "") -> list[StatusReport | str]:
        """What each node says of itself, this one first; the bare id of one that did not answer."""
        others = [m.id for m in self.ring.members if m.id != self.id]
        answers = await ask(self.peers, others, Status(), deadline, trace)
        reports: list[StatusReport | str] = [self.status()]
        for node in others:
            answer = answers[node]
            reports.append(answer if isinstance(answer, StatusReport) else node)
        return reports

    def status(self) -> StatusReport:
        """This node's own view."""
        sizes = self.storage.sizes()
        return StatusReport(
            node=self.id,
            version=VERSION,
            epoch=self.ring.epoch,
            incarnation=self.identity.incarnation,
            peers_up=[m.id for m in self.ring.members if m.id != self.id and self.peers.is_up(m.id)],
            keys=sizes.keys,
            store_bytes=sizes.used_bytes,
            uptime_s=self.clock.monotonic() - self._started_at,
            members=self.detector.view.all(),
        )

    def handle(self, peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        """A peer's request: `ports.Inbound`."""
        if peer in self.detector.dead:
            self.probing.heard_from(peer)
        if epoch != self.ring.epoch and not isinstance(message, _ANY_EPOCH):
            topology = msgspec.to_builtins(self.ring) if epoch < self.ring.epoch else None
            text = f"node {self.id} is at topology epoch {self.ring.epoch}, the sender at {epoch}"
            respond(refusal(WrongEpoch(text, epoch=self.ring.epoch, topology=topology)))
        elif type(message) is Probe:
            self.probing.on_probe(peer, message, respond)
        elif type(message) is ProbeFor:
            self.probing.on_probe_for(peer, message, deadline, respond)
        else:
            self._dispatch(message, deadline, trace, respond)

    def send(self, to: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        """Send to a node, which may be this one: then no socket is crossed, and the answer may come at once."""
        if to != self.id:
            self.peers.send(to, message, deadline, trace, receiver)
            return

        def respond(answer: Message) -> None:
            if isinstance(answer, Refused):
                receiver.on_failure(to, PeerError(PeerFailure.REFUSED, refused_error(answer)))
            else:
                receiver.on_reply(to, answer)

        self._local(message, respond)

    def _local(self, message: Message, respond: Respond) -> None:
        self._dispatch(message, 0.0, "", respond)
