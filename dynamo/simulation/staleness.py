"""Are the verdicts true? Reads that the nodes judge, beside what an onlooker knows who sees every acknowledgement.

The onlooker's rule is the definition itself: a read is stale if its answer does not cover some write that was
acknowledged before the read began. All of it happens on one clock, the world's, which no node can see. Clients of one
cluster work on a few keys at one level each for reads and writes; a read is judged by the node that coordinates it,
as in earnest, from what it hears of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import sqrt
from random import Random

import msgspec

from dynamo.errors import DynamoError
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.simulation.cluster import Cluster, Shape
from dynamo.simulation.course import played
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.network import Weather
from dynamo.simulation.world import World
from dynamo.telemetry.staleness_series import VERDICTS
from dynamo.versioning.clock import Clock, Dot, covers
from dynamo.versioning.record import decode

BUCKET = "watched"
TIMEOUT_S = 2.0
SETTLE_S = 3.0
Z = 1.96
"""Of a normal distribution, 95 % lies within so many standard deviations."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One run: who reads and writes how, and on what network."""

    r: int = 1
    w: int = 1
    nodes: int = 3
    mode: str = "siblings"
    sample: float = 1.0
    keys: int = 3
    writers: int = 2
    readers: int = 3
    operations: int = 60
    """A client's."""
    pause_s: float = 0.02
    """Mean pause between two operations of one client."""
    aware_share: float = 0.5
    """Writes that say what they have seen."""
    weather: Weather = msgspec.field(default_factory=Weather)
    slow_s: float = 0.0
    """Extra one-way delay of what one node hears, another one each second; 0 for none."""
    sync_s: float = 0.001
    cut_s: float = 0.0
    """Mean of seconds until another node is cut off from all others for a while; 0 for never."""


class Truth(msgspec.Struct):
    """What the onlooker saw, and what the nodes counted."""

    reads: int = 0
    """Reads that were answered."""
    stale: int = 0
    counted: dict[str, int] = {}
    """By verdict, over all nodes."""
    whatif_stale: list[int] = []
    """At one reply, at two, ...; over all nodes."""
    failed_writes: int = 0

    def add(self, other: Truth) -> None:
        """Sum up."""
        self.reads += other.reads
        self.stale += other.stale
        self.failed_writes += other.failed_writes
        self.counted = {verdict: self.counted[verdict] + other.counted[verdict] for verdict in VERDICTS}
        self.whatif_stale = [mine + theirs for mine, theirs in zip(self.whatif_stale, other.whatif_stale, strict=True)]

    @property
    def share(self) -> float:
        """What the onlooker found."""
        return self.stale / self.reads if self.reads else 0.0

    @property
    def measured(self) -> tuple[float, float]:
        """Between which shares the truth lies, as far as the nodes can tell."""
        return interval(self.counted["stale"], self.judged)

    @property
    def judged(self) -> int:
        """Reads of which it was found out whether they were stale."""
        return sum(self.counted.values()) - self.counted["unresolved"]


class _Seen(msgspec.Struct):
    """One write that was acknowledged: its dot, and when."""

    dot: Dot
    at: float


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927): it holds near 0, where the usual one has no width."""
    if not tries:
        return 0.0, 1.0
    share, z2 = hits / tries, Z * Z
    middle = share + z2 / (2 * tries)
    reach = Z * sqrt(share * (1 - share) / tries + z2 / (4 * tries * tries))
    return max(0.0, (middle - reach) / (1 + z2 / tries)), min(1.0, (middle + reach) / (1 + z2 / tries))


def draw_strict(dice: Random) -> Setting:
    """A setting in which no read may be stale, with all the trouble that a network can make."""
    r, w = dice.choice(((2, 2), (2, 2), (1, 3), (3, 1)))
    weather = Weather(
        delay_s=dice.choice((0.0005, 0.002, 0.02)),
        loss=dice.choice((0.0, 0.0, 0.02, 0.1)),
        duplicate=dice.choice((0.0, 0.2)),
        straggle=dice.choice((0.0, 0.1)),
        straggle_s=0.2,
        in_order=dice.random() < 0.5,
    )
    return Setting(
        r=r,
        w=w,
        nodes=dice.choice((3, 3, 3, 5)),
        mode=dice.choice(("siblings", "lww")),
        keys=dice.choice((1, 3)),
        operations=24,
        pause_s=dice.choice((0.005, 0.02)),
        weather=weather,
        slow_s=dice.choice((0.0, 0.02)),
        sync_s=dice.choice((0.0005, 0.01)),
        cut_s=dice.choice((0.0, 0.0, 0.3)),
    )


def watch_all(setting: Setting, seeds: range) -> Truth:
    """The sum over many seeds."""
    total = Truth(counted=dict.fromkeys(VERDICTS, 0), whatif_stale=[0] * setting.nodes)
    for seed in seeds:
        total.add(watch(seed, setting))
    return total


class Row(msgspec.Struct):
    """What came of one setting, or of many that are alike."""

    name: str
    r: int
    """0 where it differs."""
    w: int
    reads: int
    stale: int
    """By the onlooker."""
    counted_stale: int
    """By the nodes."""
    judged: int
    unresolved: int
    low: float
    """The 95 % interval of the measured share."""
    high: float


LONG = 150
WEAK: dict[str, Setting] = {
    "sample": Setting(r=1, w=1, operations=LONG, sync_s=0.01, sample=0.3),
    "slow-node": Setting(r=1, w=1, operations=LONG, slow_s=0.02),
    "last-write-wins": Setting(r=1, w=1, operations=LONG, sync_s=0.01, mode="lww"),
    "slow-disks": Setting(r=1, w=1, operations=LONG, sync_s=0.01),
    "slow-network": Setting(r=1, w=1, operations=LONG, weather=Weather(delay_s=0.01)),
    "two-read": Setting(r=2, w=1, operations=LONG, sync_s=0.01),
    "two-written": Setting(r=1, w=2, operations=LONG, sync_s=0.01),
}
"""Settings in which reads are stale, long enough for a share to mean something."""


def row(work: tuple[str, range]) -> Row:
    """One of WEAK over some seeds; or, as `strict`, what seeds draw by themselves."""
    name, seeds = work
    if name != "strict":
        return _row(name, WEAK[name], watch_all(WEAK[name], seeds))
    settings = {seed: strict_of(seed) for seed in seeds}
    return strict_row([_row(name, setting, watch(seed, setting)) for seed, setting in settings.items()])


def strict_of(seed: int) -> Setting:
    """The strict setting of a seed."""
    return draw_strict(World(seed).stream("setting"))


def strict_row(rows: list[Row]) -> Row:
    """The sum of many."""
    total = Row("strict", 0, 0, 0, 0, 0, 0, 0, 0.0, 1.0)
    for part in rows:
        total.reads += part.reads
        total.stale += part.stale
        total.counted_stale += part.counted_stale
        total.judged += part.judged
        total.unresolved += part.unresolved
    total.low, total.high = interval(total.counted_stale, total.judged)
    return total


def _row(name: str, setting: Setting, found: Truth) -> Row:
    counted, (low, high) = found.counted, found.measured
    return Row(
        name,
        setting.r,
        setting.w,
        found.reads,
        found.stale,
        counted["stale"],
        found.judged,
        counted["unresolved"],
        low,
        high,
    )


class Onlooker:
    """Knows everything that was acknowledged."""

    def __init__(self) -> None:
        self._acknowledged: dict[bytes, list[_Seen]] = {}

    def acknowledged(self, key: bytes, dot: Dot, at: float) -> None:
        """A client was told that its write is kept."""
        self._acknowledged.setdefault(key, []).append(_Seen(dot, at))

    def is_stale(self, key: bytes, began_at: float, clock: Clock) -> bool:
        """Whether an answer with this clock misses what was acknowledged before the read began."""
        return any(seen.at < began_at and not covers(clock, seen.dot) for seen in self._acknowledged.get(key, []))


def watch(seed: int, setting: Setting) -> Truth:
    """Run one seed."""
    world = World(seed)
    shape = Shape(nodes=setting.nodes, read_all_share=0.0)
    cluster = Cluster(world, shape, Weather(), DiskHabits(sync_s=setting.sync_s))
    run = _Watching(world, cluster, setting)
    faults = played(world, run.run())
    assert faults + world.unhandled == [], faults + world.unhandled
    return run.truth


class _Watching:
    """The parts of one run."""

    def __init__(self, world: World, cluster: Cluster, setting: Setting) -> None:
        self.truth = Truth()
        self._world = world
        self._cluster = cluster
        self._setting = setting
        self._onlooker = Onlooker()
        self._values = 0

    async def run(self) -> None:
        setting, world = self._setting, self._world
        self._cluster.start_all()
        await world.sleep(SETTLE_S)
        maker = self._cluster.running[self._cluster.ids[0]]
        properties = BucketProperties(
            name=BUCKET, mode=Mode(setting.mode), sloppy=False, staleness_sample=setting.sample
        )
        await maker.node.put_bucket(properties, maker.clock.monotonic() + TIMEOUT_S)
        await world.sleep(SETTLE_S)
        self._cluster.network.weather = setting.weather
        troubles = [world.loop.create_task(self._slow_down()), world.loop.create_task(self._cut_off())]
        writers = [self._write(world.stream("writer", number)) for number in range(setting.writers)]
        readers = [self._read(world.stream("reader", number)) for number in range(setting.readers)]
        await asyncio.gather(*writers, *readers)
        for trouble in troubles:
            trouble.cancel()
        self._cluster.network.mend_all()
        await world.sleep(2 * TIMEOUT_S)
        self._count()

    async def _write(self, dice: Random) -> None:
        seen: dict[bytes, Clock] = {}
        for _ in range(self._setting.operations):
            await self._world.sleep(dice.expovariate(1 / self._setting.pause_s))
            key = self._key(dice)
            self._values += 1
            request = dice.randbytes(16)
            aware = dice.random() < self._setting.aware_share
            command = WriteCommand(
                bucket=BUCKET,
                key=key,
                value=b"v%d" % self._values,
                request=request,
                context=seen.get(key) if aware else None,
                w=self._setting.w,
                dw=self._setting.w,
            )
            outcome = await self._asked(dice, lambda node, at, done, c=command: node.write(c, at, "", done))
            if isinstance(outcome, WriteOutcome):
                record = decode(outcome.record)
                seen[key] = record.clock
                # A message that came twice may have been answered as a repeat, after its value was superseded.
                dots = [sibling.dot for sibling in record.siblings if sibling.request == request]
                for dot in dots:
                    self._onlooker.acknowledged(key, dot, self._world.now())
            else:
                self.truth.failed_writes += 1

    async def _read(self, dice: Random) -> None:
        for _ in range(self._setting.operations):
            await self._world.sleep(dice.expovariate(1 / self._setting.pause_s))
            key, began_at = self._key(dice), self._world.now()
            command = ReadCommand(bucket=BUCKET, key=key, r=self._setting.r)
            outcome = await self._asked(dice, lambda node, at, done, c=command: node.read(c, at, "", done))
            if isinstance(outcome, ReadOutcome):
                clock = {} if outcome.record is None else outcome.record.clock
                self.truth.reads += 1
                self.truth.stale += self._onlooker.is_stale(key, began_at, clock)

    async def _asked(self, dice: Random, ask: Callable[..., None]) -> ReadOutcome | WriteOutcome | DynamoError:
        running = self._cluster.running[dice.choice(self._cluster.ids)]
        answer: asyncio.Future[ReadOutcome | WriteOutcome | DynamoError] = self._world.loop.create_future()
        ask(running.node, running.clock.monotonic() + TIMEOUT_S, answer.set_result)
        return await answer

    def _key(self, dice: Random) -> bytes:
        return b"k%d" % dice.randrange(self._setting.keys)

    async def _slow_down(self) -> None:
        """One node after the other hears of everything late."""
        dice, delays = self._world.stream("slow"), self._cluster.network.delays
        while self._setting.slow_s:
            slow = dice.choice(self._cluster.ids)
            for other in self._cluster.ids:
                delays[other, slow] = self._setting.slow_s * dice.uniform(0.5, 1.5)
            await self._world.sleep(1.0)
            delays.clear()

    async def _cut_off(self) -> None:
        dice, network = self._world.stream("cut"), self._cluster.network
        while self._setting.cut_s:
            await self._world.sleep(dice.expovariate(1 / self._setting.cut_s))
            lonely = dice.choice(self._cluster.ids)
            for other in self._cluster.ids:
                if other != lonely:
                    network.cut(lonely, other)
                    network.cut(other, lonely)
            await self._world.sleep(dice.uniform(0.1, 1.0))
            network.mend_all()

    def _count(self) -> None:
        series = [running.node.metrics.staleness for running in self._cluster.running.values()]
        self.truth.counted = {
            verdict: sum(int(level.verdicts[verdict].value) for each in series for level in each.levels.values())
            for verdict in VERDICTS
        }
        self.truth.whatif_stale = [
            sum(int(each.whatif[number]["stale"].value) for each in series) for number in range(self._setting.nodes)
        ]
