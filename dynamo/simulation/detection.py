"""How well failures are detected: clusters of several sizes, whose nodes are paused, on networks that lose messages.

Whole nodes run, and have nothing else to do. Every half minute or so one of them is paused for longer than
any detection takes, and between these long pauses another one for a moment, as by a garbage collector or a busy host.
Connections to a paused node stay up, as they do for the first seconds of a SIGSTOP, so what is measured is the detector
and nothing else. Messages are lost one by one, which TCP would repeat: the network is worse than a real one.

Every change that any node makes to its view is written down with its time. From that follow, over all pairs of a node
that was paused and one that watched: the time from the pause until the watcher holds it dead, the time from its end
until it holds it alive again; and, for each node and hour of cluster time, how often a node that works is held suspect,
and how often dead. News of a death that arrives within GRACE_S after the end of the pause is late, not false.
"""

from __future__ import annotations

import logging
from random import Random

import msgspec

from dynamo.config import AuditSection, HintsSection, MembershipSection, RepairSection, TombstonesSection
from dynamo.membership.detector import Change
from dynamo.membership.view import State
from dynamo.simulation.cluster import Cluster, Shape
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.network import Weather
from dynamo.simulation.world import World

SIZES = (3, 5, 9, 15, 31)
LOSSES = (0.0, 0.01, 0.05, 0.1)
PARTITIONS = 64
WARM_UP_S = 10.0
PAUSE_S = 40.0
"""A long pause."""
STALL_MIN_S, STALL_MAX_S = 0.2, 2.0
"""A short one."""
QUIET_S = 10.0
"""Mean time between pauses."""
GRACE_S = 5.0


class Sighting(msgspec.Struct, frozen=True):
    """A node changed what it holds of another one."""

    at: float
    watcher: str
    subject: str
    state: State
    before: State


class Pause(msgspec.Struct, frozen=True):
    """When a node was paused, in seconds of the world."""

    subject: str
    begin: float
    end: float

    @property
    def is_long(self) -> bool:
        """Whether it should have been noticed by everyone."""
        return self.end - self.begin >= PAUSE_S


class Spread(msgspec.Struct):
    """Times in seconds; null without any."""

    median: float | None = None
    p99: float | None = None
    max: float | None = None


class Detection(msgspec.Struct):
    """What was measured for one size of cluster and one share of lost messages."""

    nodes: int
    loss: float
    pauses: int
    node_hours: float
    detection_s: Spread
    """Until a watcher held the paused node dead."""
    first_s: Spread
    """Until the first of the watchers did."""
    recovery_s: Spread
    """Until a watcher held it alive again."""
    missed: int
    """Watchers that did not notice a long pause."""
    false_deaths_per_node_hour: float
    false_suspicions_per_node_hour: float


class Case(msgspec.Struct, frozen=True):
    """One cluster to be measured."""

    nodes: int
    loss: float = 0.0
    """Share of messages that are lost."""
    pauses: int = 30
    """Long ones; as many short ones come in between."""
    seed: int = 1
    membership: MembershipSection = MembershipSection()


def measure(case: Case) -> Detection:
    """Run one cluster through its pauses."""
    log = logging.getLogger("dynamo")
    propagates, log.propagate = log.propagate, False
    log.addHandler(silence := logging.NullHandler())
    try:
        run = _Run(case)
        run.world.run(run.main())
    finally:
        log.removeHandler(silence)
        log.propagate = propagates
    assert run.world.unhandled == [], run.world.unhandled[0]
    return run.result()


class _Run:
    """One cluster and what was seen in it."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.world = World(case.seed)
        self._dice: Random = self.world.stream("detection")
        shape = Shape(
            nodes=case.nodes,
            partitions=PARTITIONS,
            membership=case.membership,
            hints=HintsSection(enabled=False),
            repair=RepairSection(enabled=False),
            tombstones=TombstonesSection(reap=False),
            audit=AuditSection(enabled=False),
        )
        weather = Weather(loss=case.loss, in_order=True, silent_s=0.0)
        self._cluster = Cluster(self.world, shape, weather, DiskHabits())
        self._pauses: list[Pause] = []
        self._sightings: list[Sighting] = []

    async def main(self) -> None:
        self._cluster.start_all()
        for name, running in self._cluster.running.items():
            running.node.probing.on_change = self._watcher(name)
        await self.world.sleep(WARM_UP_S)
        for _ in range(self._case.pauses):
            await self._pause(self._dice.uniform(STALL_MIN_S, STALL_MAX_S))
            await self._pause(PAUSE_S)
        await self.world.sleep(QUIET_S)

    def _watcher(self, name: str) -> _Watcher:
        return _Watcher(self.world, name, self._sightings)

    async def _pause(self, seconds: float) -> None:
        await self.world.sleep(self._dice.uniform(QUIET_S / 2, QUIET_S * 1.5))
        subject = self._dice.choice(self._cluster.ids)
        begin = self.world.now()
        self._cluster.pause(subject)
        await self.world.sleep(seconds)
        self._cluster.resume(subject)
        self._pauses.append(Pause(subject, begin, self.world.now()))

    def result(self) -> Detection:
        """Judge what was seen."""
        case, node_hours = self._case, self._case.nodes * self.world.now() / 3600
        long = [pause for pause in self._pauses if pause.is_long]
        noticed = [self._noticed(pause) for pause in long]
        false = [sighting.state for sighting in self._sightings if self._is_false(sighting)]
        return Detection(
            nodes=case.nodes,
            loss=case.loss,
            pauses=case.pauses,
            node_hours=round(node_hours, 1),
            detection_s=spread([seconds for each in noticed for seconds in each]),
            first_s=spread([min(each) for each in noticed if each]),
            recovery_s=spread([seconds for pause in long for seconds in self._recovered(pause)]),
            missed=sum(case.nodes - 1 - len(each) for each in noticed),
            false_deaths_per_node_hour=round(false.count(State.DEAD) / node_hours, 3),
            false_suspicions_per_node_hour=round(false.count(State.SUSPECT) / node_hours, 1),
        )

    def _noticed(self, pause: Pause) -> list[float]:
        """How long each watcher took that noticed the pause before its end."""
        seen = [s for s in self._sightings if s.subject == pause.subject and pause.begin < s.at <= pause.end]
        return [s.at - pause.begin for s in seen if s.state is State.DEAD]

    def _recovered(self, pause: Pause) -> list[float]:
        """How long each watcher took to hold the node alive again, that held it dead."""
        seen = [s for s in self._sightings if s.subject == pause.subject and s.at > pause.end]
        first: dict[str, float] = {}
        for sighting in seen:
            if sighting.state is State.ALIVE and sighting.before is State.DEAD:
                first.setdefault(sighting.watcher, sighting.at - pause.end)
        return list(first.values())

    def _is_false(self, sighting: Sighting) -> bool:
        if sighting.state is State.ALIVE:
            return False
        spans = [(p.begin, p.end + GRACE_S) for p in self._pauses if p.subject == sighting.subject]
        return not any(begin <= sighting.at <= end for begin, end in spans)


class _Watcher:
    """Writes down what one node changes in its view of others."""

    def __init__(self, world: World, name: str, sightings: list[Sighting]) -> None:
        self._world = world
        self._name = name
        self._sightings = sightings

    def __call__(self, change: Change) -> None:
        saying = change.saying
        if saying.node != self._name:
            seen = Sighting(self._world.now(), self._name, saying.node, State(saying.state), change.before)
            self._sightings.append(seen)


def spread(times: list[float]) -> Spread:
    """Median, 99th percentile and greatest, to a hundredth of a second."""
    if not times:
        return Spread()
    ordered = sorted(times)
    chosen = (ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], ordered[-1])
    return Spread(*(round(each, 2) for each in chosen))
