"""Whole nodes on simulated ports: built, crashed, restarted and stopped.

A node is what `server.py` builds, on other ports. A crash takes the power away: no callback of that life runs any more,
its tasks end, and its disk keeps what was synced. A clean stop follows the order of a real one: no new clients, then no
peers, then everything on disk, then the identity is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import zip_longest

import msgspec

from dynamo.config import (
    AuditSection,
    ClusterSection,
    Config,
    HintsSection,
    MemberSection,
    MembershipSection,
    NodeSection,
    PbsSection,
    RepairSection,
    RequestsSection,
    StorageSection,
    TelemetrySection,
    TombstonesSection,
)
from dynamo.daemons.supervisor import Supervisor
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout import hint
from dynamo.layout.keyspaces import Keyspace, hint_key, record_key
from dynamo.node.node import Node
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, Ring, first_ring
from dynamo.simulation.disk import DiskHabits, Platter, PlatterCopy, SimulatedIdentity, SimulatedStorage
from dynamo.simulation.network import Greeting, Network, Weather
from dynamo.simulation.world import Life, SeededRandomness, SimulatedClock, World
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.clock import Clock, descends
from dynamo.versioning.record import decode

N = 3
"""Replicas of every key."""
PARTITIONS = 16
"""Few, so that keys share partitions and leaves."""
POLL_S = 0.002
DRAIN_S = 5.0
"""How long a stopping node lets requests finish, as in `server.py`."""

BROKEN_S = 0.2
"""How long a node still answers after its store was lost."""


class Shape(msgspec.Struct):
    """What a cluster is made of."""

    nodes: int = 3
    read_all_share: float = 0.1
    durability: str = "sync"
    lag_s: float = 0.0
    """How late timers may be."""
    timeout_max_s: float = 5.0
    """No request has a longer time-out."""
    partitions: int = PARTITIONS
    host_labels: tuple[str, ...] = ()
    """One for each node; none: each is a host of its own."""
    membership: MembershipSection = MembershipSection()
    hints: HintsSection = HintsSection()
    repair: RepairSection = RepairSection(period_s=20.0)
    """More often than in earnest, as all that follows: a run lasts minutes."""
    tombstones: TombstonesSection = TombstonesSection(age_min_s=5.0, settle_s=10.0, period_s=5.0)
    audit: AuditSection = AuditSection(period_s=20.0)
    pbs: PbsSection = PbsSection(enabled=False)
    """Off: a prediction changes nothing of what a run is about, and costs more than all the rest of it."""


class Running(msgspec.Struct):
    """One life of a node with the ports that end with it."""

    life: Life
    clock: SimulatedClock
    storage: SimulatedStorage
    node: Node
    supervisor: Supervisor


class Cluster:
    """The nodes of one simulation."""

    def __init__(self, world: World, shape: Shape, weather: Weather, habits: DiskHabits) -> None:
        self.world = world
        self.shape = shape
        self.network = Network(world, weather)
        self.ids = [f"n{number}" for number in range(1, shape.nodes + 1)]
        labels = shape.host_labels
        assert not labels or len(labels) == len(self.ids), "a label for each node, or for none"
        self.ring: Ring = first_ring(
            [
                Member(node, "", 0, 0, 0, host_label=label)
                for node, label in zip_longest(self.ids, labels, fillvalue="")
            ],
            shape.partitions,
        )
        self._preference = PreferenceLists(self.ring)
        self.platters = {node: Platter(node, msgspec.structs.replace(habits)) for node in self.ids}
        self.skews_ms = dict.fromkeys(self.ids, 0)
        self.running: dict[str, Running] = {}
        self.on_start: list[Callable[[str], None]] = []
        """Called with the actor, `node.incarnation`, of each life that begins."""
        self.on_death: list[Callable[[Life], None]] = []
        """Called with each life that ended, for those who wait for its answers."""
        self.refused: list[Life] = []
        """Lives that ended because others found their store to be an older copy."""
        self._lives = 0
        self._ending: list[asyncio.Task[None]] = []
        self._metrics = {
            node: Metrics([other for other in self.ids if other != node], "simulated") for node in self.ids
        }

    def start_all(self) -> None:
        """Start every node that is down."""
        for node in self.ids:
            if node not in self.running:
                self.start(node)

    def start(self, name: str) -> None:
        """A new life of a node, on the disk that the last one left."""
        self._lives += 1
        life = Life(name, self._lives)
        clock = SimulatedClock(self.world, life, self.skews_ms[name], self.shape.lag_s)
        storage = SimulatedStorage(self.world, life, self.platters[name])
        identity = SimulatedIdentity(self.world, life, self.platters[name])
        randomness = SeededRandomness(self.world.stream("node", name, life.number))
        peers = self.network.attach(life, clock, lambda: self.ring.epoch)
        self.world.note(f"{name} starts as {identity.incarnation}")
        for listener in self.on_start:
            listener(f"{name}.{identity.incarnation}")
        node = Node(self._config(name), self.ring, clock, randomness, storage, identity, peers, self._metrics[name])
        node.start()
        ages = node.store_ages
        greeting = Greeting(lambda: ages.mine, ages.judge, lambda said: self._on_outdated(life, said))
        self.network.listen(name, node.handle, greeting)
        supervisor = Supervisor(node)
        supervisor.start()
        self.running[name] = Running(life, clock, storage, node, supervisor)
        storage.on_broken = lambda: self.world.after(BROKEN_S, self._give_up, life)

    def crash(self, name: str) -> None:
        """Power off."""
        running = self.running.pop(name)
        self.world.note(f"{name} crashes")
        running.storage.crash()
        self._end(running)

    def pause(self, name: str) -> None:
        """SIGSTOP: the node does nothing until it is resumed, and nobody is told."""
        life = self.running[name].life
        if not life.paused:
            self.world.note(f"{name} is paused")
            life.pause()
            self.network.paused(life)

    def resume(self, name: str) -> None:
        """SIGCONT, where the node still runs and is paused."""
        running = self.running.get(name)
        if running is not None and running.life.paused:
            self.world.note(f"{name} is resumed")
            running.life.resume(self.world)

    def resume_all(self) -> None:
        """Nobody is paused any more."""
        for name in self.ids:
            self.resume(name)

    def _on_outdated(self, life: Life, said: str) -> None:
        """A node that is told that its store is an older copy ends itself, at the end of this tick."""
        if life.alive:
            self.world.note(f"{life.node} runs on an older copy: {said}")
            self.refused.append(life)
            self.world.after(0.0, self._give_up, life)

    def copy_disk(self, name: str) -> PlatterCopy:
        """A copy of what a node has on disk now, as an operator makes one."""
        return self.platters[name].copy()

    def put_back(self, name: str, copy: PlatterCopy) -> None:
        """Replace the disk of a node that is down with an older copy of it.

        Its next life is refused by the others and ends itself (`refused`), unless nothing tells it from a crash.
        """
        assert name not in self.running, "a disk is replaced while its node is down"
        self.world.note(f"{name} gets an old copy of its disk")
        self.platters[name].put_back(copy)

    def wipe(self, name: str) -> None:
        """Replace the disk of a node that is down with an empty one."""
        assert name not in self.running, "a disk is replaced while its node is down"
        self.world.note(f"{name} gets an empty disk")
        self.platters[name].wipe()

    def _give_up(self, life: Life) -> None:
        """A node whose store is lost ends itself."""
        if life.alive:
            self.crash(life.node)

    async def stop(self, name: str) -> None:
        """A clean stop, unless the node crashes meanwhile or cannot get everything on disk."""
        running = self.running[name]
        await self._awake(running.life)
        self.world.note(f"{name} drains")
        settled: list[DynamoError | None] = []
        idle = asyncio.Event()
        running.node.drain(idle.set)
        patience = self.world.now() + DRAIN_S
        while running.life.alive and not idle.is_set() and self.world.now() < patience:
            await self.world.sleep(POLL_S)
        if running.life.alive:
            self.network.silence(name)
            running.storage.write((), durable=True, done=settled.append)
        while running.life.alive and not settled:
            await self.world.sleep(POLL_S)
        if running.life.alive:
            if settled[0] is None:
                running.node.stop()
            self.world.note(f"{name} stops")
            del self.running[name]
            self._end(running)

    async def _awake(self, life: Life) -> None:
        """A paused node hears of a signal when it is resumed."""
        while life.alive and life.paused:
            await self.world.sleep(POLL_S)

    def skew(self, name: str, milliseconds: int) -> None:
        """Set how far a node's wall clock is ahead."""
        self.skews_ms[name] = milliseconds
        if name in self.running:
            self.running[name].clock.skew_ms = milliseconds

    def primaries(self, bucket: str, key: bytes) -> tuple[str, ...]:
        """The nodes that hold a key."""
        return self._preference.primaries(self.partition(bucket, key), N)

    def partition(self, bucket: str, key: bytes) -> int:
        """Where a key lies."""
        return self._preference.partition(bucket, key)

    def holders(self, bucket: str, key: bytes, clock: Clock, since: float, *, hints: bool = False) -> int:
        """How many primaries have a version on disk that has seen all of `clock`; a crash now would not change it.

        One that was harmed after `since`, when the request came, counted when its node answered. With `hints`, how many
        nodes: any of them may keep it for a primary.
        """
        stored = record_key(self._preference.partition(bucket, key), bucket, key)
        primaries = self.primaries(bucket, key)
        found = 0
        for node in self.ids:
            forms = self._forms(node, stored, since) if node in primaries else []
            forms += self._hints(node, stored) if hints else []
            found += any(form is not None and _has_seen(form, clock) for form in forms)
        return found

    def _forms(self, node: str, stored: bytes, since: float) -> list[bytes | None]:
        platter, place = self.platters[node], (Keyspace.RECORDS, stored)
        harmed = [sound for at, *where, sound in platter.harmed if at >= since and tuple(where) == place]
        return [platter.synced[Keyspace.RECORDS].get(stored), *harmed]

    def _hints(self, node: str, stored: bytes) -> list[bytes | None]:
        kept = self.platters[node].synced[Keyspace.HINTS]
        found = [kept[key] for key in (hint_key(each, stored) for each in self.ids) if key in kept]
        return [hint.decode(data).record for data in found if _is_sound(data)]

    def _end(self, running: Running) -> None:
        running.life.alive = False
        self.network.detach(running.life.node)
        self._ending.append(self.world.loop.create_task(running.supervisor.stop()))
        for listener in self.on_death:
            listener(running.life)

    def _config(self, name: str) -> Config:
        members = tuple(MemberSection(id=node) for node in self.ids)
        return Config(
            node=NodeSection(id=name),
            cluster=ClusterSection(partitions=self.shape.partitions, members=members),
            storage=StorageSection(durability=self.shape.durability),
            requests=RequestsSection(read_all_share=self.shape.read_all_share, timeout_max_s=self.shape.timeout_max_s),
            membership=self.shape.membership,
            hints=self.shape.hints,
            repair=self.shape.repair,
            tombstones=self.shape.tombstones,
            audit=self.shape.audit,
            pbs=self.shape.pbs,
            telemetry=TelemetrySection(history_period_s=0.0),  # there is no console to draw it
        )


def _has_seen(form: bytes, clock: Clock) -> bool:
    """Whether a stored record descends from the clock. One that was damaged since was there when it counted."""
    try:
        return descends(decode(form).clock, clock)
    except CorruptValue:
        return True


def _is_sound(data: bytes) -> bool:
    try:
        hint.decode(data)
    except CorruptValue:
        return False
    return True
